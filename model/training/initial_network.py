"""The network with its first weights: random ones, or those of a trained network."""

import pickle
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import get_model_weights

from model.data.dataset import LabelledImages
from model.inference import WEIGHTS_FILE_NAME, read_file
from model.inference.card import ModelCard
from model.networks import Network, build_network, load_network, to_unit_range
from model.networks.torchvision_network import PREFIX, TorchvisionNetwork
from model.training import RunError
from model.training.config import Config

# Number of pixels from which the first layer of a network is derived: those of 5,000 small images.
SAMPLED_PIXELS = 5000 * 32 * 32


def create_network(config: Config, num_classes: int, images: LabelledImages) -> Network:
    """Return the network that is trained, and seed PyTorch's generator for all that follows.

    Raises:
        RunError: The network can't start from what the configuration names.
    """
    torch.manual_seed(config.seed)
    architecture, dropout = config.recipe.architecture, config.recipe.dropout
    network = build_network(architecture, num_classes, dropout)
    if isinstance(network, TorchvisionNetwork):
        return _load_pretrained_network(architecture, num_classes, dropout)
    if config.start_from:
        _take_over_weights(network, config.start_from)
    elif not config.recipe.is_original:
        network.start_from(sample_pixels(images))
    return network


def _load_pretrained_network(
    architecture: str, num_classes: int, dropout: float
) -> TorchvisionNetwork:
    try:
        return TorchvisionNetwork(architecture, num_classes, dropout, pretrained=True)
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        url = get_model_weights(architecture.removeprefix(PREFIX)).DEFAULT.url
        file = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"--start-from: the weights of {architecture} can't be loaded ({reason}); download "
            f"{url} elsewhere and save it as {file}"
        ) from error


def load_trained_network(source: Path) -> Network:
    """Load the network of a run or of an archive, with its weights.

    Raises:
        OSError: ``source`` or a file in it is missing.
        ValueError: The card or the weights can't be read.
    """
    card, weights = ModelCard.load(source), read_file(source, WEIGHTS_FILE_NAME)
    return load_network(weights, card.architecture, len(card.class_names), card.dropout)


def _take_over_weights(network: Network, source: Path) -> None:
    """Let a network have the weights of a trained one, but for the last layer, which becomes zero.

    The classes may be others: what the convolutions have learned serves them, too (Yosinski et al.
    2014, "How transferable are features in deep neural networks?").
    """
    try:
        trained = load_trained_network(source)
    except (OSError, ValueError) as error:
        raise RunError(f"--start-from: {source} can't be used ({error})") from error
    if type(trained) is not type(network):
        kind = type(trained).__name__
        raise RunError(f"--start-from: {source} has a {kind}, which can't be trained further")
    own = network.state_dict().items()
    new = {name: torch.zeros_like(value) for name, value in own if name.startswith("output")}
    network.load_state_dict({**trained.state_dict(), **new})


def sample_pixels(images: LabelledImages) -> Tensor:
    """Return the pixels of some images, float32 ``(N, 3, S, S)`` in [0, 1], on the CPU."""
    most = SAMPLED_PIXELS // images.store.shape[-1] ** 2
    return to_unit_range(images.sample(most).pixels.cpu())
