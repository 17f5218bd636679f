"""The models that one may choose among, where own classes are taught."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

from flask import current_app, request

from webui.errors import NotFoundError
from webui.settings import Settings, is_model_name
from webui.torchserve.client import TorchServeClient
from webui.torchserve.descriptions import Descriptions

# Parameter that names the model.
MODEL = "model"
# Number of models that are remembered; an address may name any.
MOST_REMEMBERED = 100


class Model:
    """What asks TorchServe about a model, and remembers what its versions say of themselves.

    Args:
        settings: Where TorchServe is.
        name: The name of the model, whether TorchServe has it or not.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.client = TorchServeClient(replace(settings, model_name=name))
        self.descriptions = Descriptions(self.client)


def create_models(settings: Settings) -> Callable[[str], Model]:
    """Return what gives the model of a name, the same each time; threads may share it."""
    return lru_cache(MOST_REMEMBERED)(partial(Model, settings))


def chosen_model() -> Model:
    """Return the model that the current request names, or the default.

    Raises:
        NotFoundError: No model can have the name.
    """
    named = request.args.get(MODEL) if current_app.config["TEACHES"] else None
    if named and not is_model_name(named):
        raise NotFoundError
    models: Callable[[str], Model] = current_app.extensions["models"]
    return models(named or current_app.config["MODEL_NAME"])
