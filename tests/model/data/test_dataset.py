from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from model.data.dataset import DataError, LabelledImages
from model.data.pixel_file import PixelFile


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).view(5, 3, 2, 2)


@pytest.mark.parametrize("place", ["memory", "file"])
def test_parts_of_parts_are_the_images_in_the_order_that_was_asked_for(
    tmp_path: Path, pixels: torch.Tensor, place: str
) -> None:
    np.save(tmp_path / "pixels.npy", pixels.numpy())
    store = pixels if place == "memory" else PixelFile(tmp_path / "pixels.npy")
    images = LabelledImages(store, torch.arange(5))
    assert torch.equal(images.pixels, pixels)
    part = images.subset(torch.tensor([4, 0, 0, 3])).subset(torch.tensor([3, 0, 2]))
    assert part.labels.tolist() == [3, 4, 0]
    assert torch.equal(part.pixels, pixels[[3, 4, 0]])
    batches = list(part.batches(2))
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), part.pixels)
    assert [batch.labels.tolist() for batch in batches] == [[3, 4], [0]]


def test_images_in_a_file_take_no_memory_when_all_of_them_have_been_read(tmp_path: Path) -> None:
    shape = (100_000, 3, 32, 32)
    np.lib.format.open_memmap(tmp_path / "pixels.npy", "w+", np.uint8, shape)
    images = LabelledImages(PixelFile(tmp_path / "pixels.npy"), torch.zeros(shape[0]).long())
    process = psutil.Process()
    before = process.memory_info().rss
    for batch in images.subset(torch.randperm(shape[0])).batches(1000):
        assert batch.pixels.shape == (1000, *shape[1:])
    assert process.memory_info().rss - before < np.prod(shape) / 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gets_a_copy_of_what_fits(pixels: torch.Tensor) -> None:
    gpu = torch.device("cuda")
    part = LabelledImages(pixels, torch.arange(5)).subset(torch.tensor([4, 1])).to(gpu)
    assert torch.equal(part.pixels.cpu(), pixels[[4, 1]])
    too_many = LabelledImages(pixels, torch.zeros(1).expand(2**40))
    with pytest.raises(DataError, match="--limit"):
        too_many.to(gpu)
