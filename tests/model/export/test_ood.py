import torch

from model.data.dataset import LabelledImages
from model.export.ood import OodScore, mean_embeddings
from model.networks import to_unit_range
from model.networks.reference_cnn import ReferenceCNN

MEANS = torch.tensor([[3.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]]) + 7


def test_a_typical_picture_has_0_and_what_lies_between_all_classes_1() -> None:
    centre = MEANS.mean(dim=0)
    embeddings = torch.stack([*MEANS, centre, (MEANS[0] + centre) / 2])
    torch.testing.assert_close(OodScore(MEANS)(embeddings), torch.tensor([0.0, 0, 0, 1, 0.5]))


def test_the_score_does_not_depend_on_the_scale_of_the_embeddings() -> None:
    embeddings = torch.randn(5, 2)
    torch.testing.assert_close(OodScore(MEANS)(embeddings), OodScore(9 * MEANS)(9 * embeddings))


def test_classes_of_one_mean_make_everything_strange() -> None:
    scores = OodScore(torch.ones(2, 4))(torch.randn(3, 4))
    torch.testing.assert_close(scores, torch.ones(3))


def test_mean_embeddings_are_those_of_the_images_of_each_class() -> None:
    network = ReferenceCNN(2).eval()
    pixels = torch.randint(256, (600, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(600) // 400
    means = mean_embeddings(network, LabelledImages(pixels, labels))
    with torch.inference_mode():
        embeddings = network.embed(to_unit_range(pixels))
    expected = torch.stack([embeddings[:400].mean(dim=0), embeddings[400:].mean(dim=0)])
    torch.testing.assert_close(means, expected)
