import pytest
import torch

from model.data.dataset import DataError, LabelledImages


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).view(5, 3, 2, 2)


def test_parts_of_parts_are_the_images_in_the_order_that_was_asked_for(
    pixels: torch.Tensor,
) -> None:
    images = LabelledImages(pixels, torch.arange(5))
    assert torch.equal(images.pixels, pixels)
    part = images.subset(torch.tensor([4, 0, 0, 3])).subset(torch.tensor([3, 0, 2]))
    assert part.labels.tolist() == [3, 4, 0]
    assert torch.equal(part.pixels, pixels[[3, 4, 0]])
    batches = list(part.batches(2))
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), part.pixels)
    assert [batch.labels.tolist() for batch in batches] == [[3, 4], [0]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gets_a_copy_of_what_fits(pixels: torch.Tensor) -> None:
    gpu = torch.device("cuda")
    part = LabelledImages(pixels, torch.arange(5)).subset(torch.tensor([4, 1])).to(gpu)
    assert torch.equal(part.pixels.cpu(), pixels[[4, 1]])
    too_many = LabelledImages(pixels, torch.zeros(1).expand(2**40))
    with pytest.raises(DataError, match="--limit"):
        too_many.to(gpu)
