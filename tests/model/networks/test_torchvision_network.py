import torch
from torch import nn
from torchvision.models import get_model
from torchvision.transforms.v2.functional import normalize

from model.networks.torchvision_network import TorchvisionNetwork


def test_the_features_are_those_of_torchvision_of_its_normalised_pictures(pretrained: str) -> None:
    images = torch.rand(2, 3, 64, 96)
    original = get_model(pretrained.removeprefix("torchvision:"), weights="DEFAULT").eval()
    original.classifier[-1] = nn.Identity()
    standardised = normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    network = TorchvisionNetwork(pretrained, 3, 0.0, pretrained=True).eval()
    torch.testing.assert_close(network.embed(images), original(standardised))
    assert not network(images).any()
    assert network(images).shape == (2, 3)
