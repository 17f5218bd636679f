"""The models that one may choose among, where own classes are taught."""

from dataclasses import replace
from functools import lru_cache

from flask import current_app, request

from webui.errors import NotFoundError
from webui.settings import Settings
from webui.torchserve.client import NAME, TorchServeClient
from webui.torchserve.descriptions import Descriptions

# Parameter that names the model.
MODEL = "model"
# Number of models that are remembered; an address may name any.
MOST_REMEMBERED = 100


class Model:
    """What asks TorchServe about a model, and remembers what its versions say of themselves."""

    def __init__(self, settings: Settings) -> None:
        self.client = TorchServeClient(settings)
        self.descriptions = Descriptions(self.client)


class Models:
    """All models of a TorchServe, which threads may share.

    Args:
        settings: Where TorchServe is, and which model answers by default.

    Attributes:
        default: That model.
    """

    def __init__(self, settings: Settings) -> None:
        self.default = Model(settings)
        self._settings = settings
        self._connect = lru_cache(MOST_REMEMBERED)(Model)

    def get(self, name: str) -> Model:
        """Return the model of a name, whether TorchServe has it or not.

        Raises:
            NotFoundError: No model can have this name.
        """
        if name == self._settings.model_name:
            return self.default
        if not NAME.fullmatch(name):
            raise NotFoundError
        return self._connect(replace(self._settings, model_name=name))


def chosen_model() -> Model:
    """Return the model that the current request names, or the default.

    Raises:
        NotFoundError: No model can have the name.
    """
    name = request.args.get(MODEL) if current_app.config["TEACHES"] else None
    return _models().get(name) if name else default_model()


def default_model() -> Model:
    """Return the model that answers where a request names none."""
    return _models().default


def _models() -> Models:
    models: Models = current_app.extensions["models"]
    return models
