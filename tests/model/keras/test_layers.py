from collections.abc import Callable
from typing import Any

import pytest

from model.keras.layers import KerasFileError, check_layers
from tests.helpers.keras_files import convolution, functional, layer, sequential

# Settings of each layer that an answer depends on, by the layer's index.
CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")
POOLING = ("pool_size", "strides", "padding", "data_format")
SETTINGS = {
    0: ("batch_shape",),
    1: (*CONVOLUTION, "groups", "activation", "use_bias"),
    2: POOLING,
    4: (*CONVOLUTION, "groups", "activation", "use_bias"),
    5: POOLING,
    6: ("data_format",),
    7: ("units", "activation", "use_bias"),
    8: ("rate",),
    9: ("units", "activation", "use_bias"),
}


def refusal_after(change: Callable[[Any], object], model: dict[str, Any] | None = None) -> str:
    changed = {"root": model or sequential()}
    change(changed["root"] if model else changed)
    with pytest.raises(KerasFileError) as caught:
        check_layers(changed["root"])
    return str(caught.value)


@pytest.mark.parametrize("fixed", [[64, 32, 32, 3], [None, 32, 32, 3]])
def test_batch_size_and_dropout_make_no_difference(fixed: list[int | None]) -> None:
    model = sequential()
    layers = model["config"]["layers"]
    layers[0]["config"]["batch_shape"] = fixed
    assert check_layers(model) == (3, 0.4)
    layers[:] = [record for record in layers if record["class_name"] != "Dropout"]
    assert check_layers(model) == (3, 0)


@pytest.mark.parametrize(
    ("index", "setting"),
    [(index, setting) for index, settings in SETTINGS.items() for setting in settings],
)
def test_a_setting_that_differs_or_is_missing_is_refused_by_layer_and_name(
    index: int, setting: str
) -> None:
    for value in ("other", {"class_name": "function"}, [None, 64, 64, 3], 1.5, None):
        model = sequential()
        config = model["config"]["layers"][index]["config"]
        config[setting] = value
        message = refusal_after(lambda _: None, model)
        assert repr(config["name"]) in message
        assert ("shape" if setting == "batch_shape" else setting) in message


def test_a_single_class_is_refused() -> None:
    assert "units 1" in refusal_after(lambda _: None, sequential(classes=1))


def test_other_layers_are_refused_by_name() -> None:
    def with_layers(change: Callable[[list[dict[str, Any]]], object]) -> str:
        return refusal_after(lambda model: change(model["config"]["layers"]), sequential())

    normalisation = layer("BatchNormalization", "normal")
    assert "'normal' (BatchNormalization)" in with_layers(lambda x: x.insert(2, normalisation))
    assert "'normal' (BatchNormalization)" in with_layers(lambda x: x.append(normalisation))
    assert "end where the network has Dense" in with_layers(lambda x: x.pop())
    assert "end where the network has InputLayer" in with_layers(lambda x: x.clear())
    assert "where the network has MaxPooling2D" in with_layers(lambda x: x.pop(2))
    own = {**convolution("own", 32), "module": "program"}
    assert "program.Conv2D" in with_layers(lambda x: x.__setitem__(1, own))


def test_a_functional_model_must_be_a_line() -> None:
    def with_change(change: Callable[[dict[str, Any]], object]) -> str:
        return refusal_after(lambda model: change(model["config"]), functional())

    def call(config: dict[str, Any], index: int) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = config["layers"][index]["inbound_nodes"]
        return nodes[0]

    def skip(config: dict[str, Any]) -> None:
        call(config, 8)["args"][0]["config"]["keras_history"] = ["flatten", 0, 0]

    assert "'dropout_1'" in with_change(skip)
    assert "'dropout'" in with_change(lambda x: call(x, 3)["kwargs"].update(training=True))
    assert "'conv2d'" in with_change(lambda x: x["layers"][1].pop("inbound_nodes"))
    assert "'conv2d'" in with_change(lambda x: x["layers"][1]["inbound_nodes"].append({}))
    assert "'answer'" in with_change(lambda x: x.update(output_layers=["dense", 0, 0]))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), []),
        ((), 3),
        (("class_name",), []),
        (("class_name",), "Program"),
        (("config",), []),
        (("config",), None),
        (("config", "layers"), {}),
        (("config", "layers"), "layers"),
        (("config", "layers", 1), []),
        (("config", "layers", 1), None),
        (("config", "layers", 1, "class_name"), {}),
        (("config", "layers", 1, "module"), []),
        (("config", "layers", 1, "config"), []),
        (("config", "layers", 1, "config", "name"), 7),
    ],
)
def test_json_of_another_shape_is_refused(path: tuple[str | int, ...], value: object) -> None:
    def put(model: Any) -> None:
        *parents, last = ("root", *path)
        for key in parents:
            model = model[key]
        model[last] = value

    assert refusal_after(put)
