import torch

from model.networks.reference_cnn import ReferenceCNN


def test_has_the_parameters_of_the_original() -> None:
    assert sum(parameter.numel() for parameter in ReferenceCNN().parameters()) == 315_722


def test_maps_images_to_logits_not_probabilities() -> None:
    torch.manual_seed(0)
    logits = ReferenceCNN()(torch.rand(4, 3, 32, 32))
    assert logits.shape == (4, 10)
    assert not torch.allclose(logits.exp().sum(dim=1), torch.ones(4))


def test_layers_are_those_of_the_original_with_each_pooling_before_its_activation() -> None:
    kinds = [
        type(layer).__name__ for layer in ReferenceCNN().modules() if not list(layer.children())
    ]
    assert kinds == [
        *("Conv2d", "MaxPool2d", "ReLU"),
        *("Conv2d", "MaxPool2d", "ReLU"),
        *("Flatten", "Linear", "ReLU", "Dropout", "Linear"),
    ]


def test_number_of_classes_and_dropout_are_free() -> None:
    net = ReferenceCNN(num_classes=3, dropout=0.1)
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    assert net.dropout.p == 0.1
