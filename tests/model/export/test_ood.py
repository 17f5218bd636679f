import torch

from model.data.dataset import LabelledImages
from model.export.ood import OodScore, mean_embeddings
from model.networks import to_unit_range
from model.networks.reference_cnn import ReferenceCNN

CLASSES = torch.tensor([[3.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]]) + 7
CENTRE = CLASSES.mean(dim=0)
# Shuffled pictures look a little like the first class.
SHUFFLED = CENTRE + torch.tensor([1.0, 1.0])
MEANS = torch.stack([*CLASSES, SHUFFLED])


def test_a_typical_picture_has_0_and_what_lies_between_all_classes_1() -> None:
    embeddings = torch.stack([*CLASSES, CENTRE, (CLASSES[0] + CENTRE) / 2])
    torch.testing.assert_close(OodScore(MEANS)(embeddings), torch.tensor([0.0, 0, 0, 1, 0.5]))


def test_what_lies_more_in_the_direction_of_shuffled_pictures_is_strange() -> None:
    # The second lies half as far out: it falls short of every class by more than a half.
    embeddings = torch.stack(
        [SHUFFLED, CENTRE + 0.5 * (SHUFFLED - CENTRE), 3 * SHUFFLED - 2 * CENTRE]
    )
    torch.testing.assert_close(OodScore(MEANS)(embeddings), torch.tensor([1, 1 - 0.5 * 0.375, 3]))


def test_the_score_does_not_depend_on_the_scale_of_the_embeddings() -> None:
    embeddings = torch.randn(5, 2)
    torch.testing.assert_close(OodScore(MEANS)(embeddings), OodScore(9 * MEANS)(9 * embeddings))


def test_classes_of_one_mean_make_everything_strange() -> None:
    scores = OodScore(torch.ones(3, 4))(torch.randn(3, 4))
    torch.testing.assert_close(scores, torch.ones(3))


def test_mean_embeddings_are_those_of_each_class_and_of_its_images_with_shuffled_pixels() -> None:
    network = ReferenceCNN(2).eval()
    pixels = torch.randint(256, (600, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(600) // 400
    means = mean_embeddings(network, LabelledImages(pixels, labels))
    with torch.inference_mode():
        embeddings = network.embed(to_unit_range(pixels))
    expected = torch.stack([embeddings[:400].mean(dim=0), embeddings[400:].mean(dim=0)])
    torch.testing.assert_close(means[:2], expected)
    assert not torch.allclose(means[2], embeddings.mean(dim=0), atol=1e-3)
    plain = pixels[:, :, :1, :1].expand_as(pixels)
    means = mean_embeddings(network, LabelledImages(plain, labels))
    with torch.inference_mode():
        # Where all pixels are the same, shuffling changes nothing.
        expected = network.embed(to_unit_range(plain)).mean(dim=0)
    torch.testing.assert_close(means[2], expected)
