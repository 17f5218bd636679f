import torch

from model.networks.reference_cnn import ReferenceCNN


def test_has_the_parameters_of_the_original() -> None:
    assert sum(parameter.numel() for parameter in ReferenceCNN().parameters()) == 315_722


def test_number_of_classes_and_dropout_are_free() -> None:
    net = ReferenceCNN(num_classes=3, dropout=0.1)
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    assert net.dropout.p == 0.1
