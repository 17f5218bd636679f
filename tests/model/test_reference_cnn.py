import inspect

import torch
from torch import nn

import model.reference_cnn
from model.reference_cnn import ReferenceCNN


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


def test_pooling_before_the_activation_gives_the_same_numbers_and_gradients() -> None:
    torch.manual_seed(0)
    results = []
    values = torch.randn(4, 8, 10, 10)
    for order in (("pool", "relu"), ("relu", "pool")):
        layers = {"pool": torch.nn.MaxPool2d(2), "relu": torch.nn.ReLU()}
        leaf = values.clone().requires_grad_()
        result = torch.nn.Sequential(*(layers[name] for name in order))(leaf)
        result.square().sum().backward()
        assert leaf.grad is not None
        results.append(torch.cat([result.flatten(), leaf.grad.flatten()]))
    assert torch.equal(results[0], results[1])


def test_model_file_holds_one_module_class_as_torchserve_wants() -> None:
    classes = [
        member
        for _, member in inspect.getmembers(model.reference_cnn, inspect.isclass)
        if issubclass(member, nn.Module) and member.__module__ == model.reference_cnn.__name__
    ]
    assert classes == [ReferenceCNN]


def test_number_of_classes_and_dropout_are_free() -> None:
    net = ReferenceCNN(num_classes=3, dropout=0.1)
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    assert net.dropout.p == 0.1
