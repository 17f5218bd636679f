"""Exports a trained network as the ONNX graph that is served."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.data.dataset import LabelledImages
from model.export.ood import OodScore, mean_embeddings
from model.export.quantisation import quantise
from model.inference import GRAPH_FILE_NAME, QUANTISED_FILE_NAME, WEIGHTS_FILE_NAME
from model.inference.card import ModelCard
from model.inference.engine import INPUT_NAME, OOD_OUTPUT_NAME, OUTPUT_NAME, OnnxEngine
from model.networks import Network, load_network, to_unit_range
from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN

# Maximum difference between an output of the graph and that of the network, relative to those
# above 1. Computing float32 logits in another order makes a difference of about 1e-6, or in deep
# networks 1e-4.
LARGEST_DIFFERENCE = 1e-3
# Number of training images that show the ranges of the activations.
QUANTISATION_IMAGES = 1000
# Number of values from which on a tensor is worth storing as float16.
LARGE_TENSOR = 1000
# Number of random images on which the difference is measured.
CHECKED_IMAGES = 16


class _ServedNetwork(nn.Module):
    """Maps pixels, uint8 ``(N, S, S, 3)``, to probabilities ``(N, C)`` and OOD scores ``(N,)``."""

    def __init__(self, network: Network, means: Tensor) -> None:
        super().__init__()
        self.network = network
        self.ood_score = OodScore(means)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.network.embed(to_unit_range(pixels.permute(0, 3, 1, 2)))
        return self.network.classify(embeddings).softmax(dim=1), self.ood_score(embeddings)


def export_run(run: Path, card: ModelCard, images: LabelledImages) -> None:
    """Write ``model.onnx`` beside the weights of a run, and of a large network a quantised one.

    Depthwise convolutions, and others in groups, are no faster in whole numbers: a network that has
    some is not quantised.

    The weights of a large network are rounded to float16, so that they take half of the room; in
    ``weights.pt``, too, those of the strong network. The ``images`` that it was trained on show the
    ranges of its activations, and what embeddings of each class are like.

    Raises:
        OSError: There are no weights, or the directory can't be written to.
        ValueError: The weights can't be read, or the graph differs from the network.
    """
    weights = (run / WEIGHTS_FILE_NAME).read_bytes()
    network = load_network(weights, card.architecture, len(card.class_names), card.dropout)
    if isinstance(network, StrongCNN):
        torch.save(network.half().state_dict(), run / WEIGHTS_FILE_NAME)
        network.float().fold_normalisations()
        network.half().float()
    graph = export_network(network, mean_embeddings(network, images), card.image_size)
    if isinstance(network, ReferenceCNN):
        (run / GRAPH_FILE_NAME).write_bytes(graph)
        return
    (run / GRAPH_FILE_NAME).write_bytes(_store_as_float16(graph))
    if any(isinstance(part, nn.Conv2d) and part.groups > 1 for part in network.modules()):
        return
    pixels = images.sample(QUANTISATION_IMAGES).pixels.permute(0, 2, 3, 1).contiguous()
    (run / QUANTISED_FILE_NAME).write_bytes(quantise(graph, pixels.numpy()))


def _store_as_float16(graph: bytes) -> bytes:
    """Round large weights to float16, which halves their room; loading makes them float32."""
    model = onnx.load_from_string(graph)
    for weights in model.graph.initializer:
        name, values = weights.name, onnx.numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.size >= LARGE_TENSOR:
            stored = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_float16")
            weights.CopyFrom(stored)
            cast = onnx.helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    return bytes(model.SerializeToString())


def export_network(network: Network, means: Tensor, image_size: int) -> bytes:
    """Serialise a network as :func:`to_onnx` does, from pixels to probabilities and OOD scores.

    ``means`` are those of :func:`mean_embeddings`, float ``(C + 1, F)``.
    """
    served = _ServedNetwork(network, means)
    return to_onnx(served, image_size, any_shape=network.takes_any_shape)


def to_onnx(network: nn.Module, image_size: int, *, any_shape: bool = False) -> bytes:
    """Serialise a network as it is, and check that the graph computes the same.

    Args:
        network: A network on the CPU, from uint8 ``(N, S, S, 3)`` to float32 probabilities
            ``(N, C)``, or to these and OOD scores ``(N,)``. It is switched to evaluation mode.
        image_size: Side S of the input in pixels.
        any_shape: Whether the input of the graph may have other sides, too.

    Returns:
        The serialised ONNX model for an :class:`OnnxEngine`.

    Raises:
        ValueError: The graph does not compute what the network does.
    """
    pixels = random_pixels(image_size)
    dimensions = {0: torch.export.Dim("images", min=1)}
    if any_shape:
        # The largest side only tells the exporter that there is one.
        dimensions[1] = torch.export.Dim("height", min=9, max=4096)
        dimensions[2] = torch.export.Dim("width", min=9, max=4096)
    # The exporter logs its progress, and warns about future changes in PyTorch itself.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        program: Any = torch.onnx.export(
            network,
            (pixels,),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME, OOD_OUTPUT_NAME][: len(_compute(network, pixels))],
            dynamic_shapes=(dimensions,),
            dynamo=True,
            verbose=False,
        )
    graph = bytes(program.model_proto.SerializeToString())
    for checked in (pixels, torch.cat([pixels, pixels], dim=2)) if any_shape else (pixels,):
        outputs = OnnxEngine(graph).compute(checked.numpy())
        for output, wanted in zip(outputs, _compute(network, checked), strict=False):
            difference = float((np.abs(output - wanted) / (1 + np.abs(wanted))).max())
            if not difference <= LARGEST_DIFFERENCE:
                raise ValueError(f"the exported graph is off by {difference:.1e}")
    return graph


@torch.inference_mode()
def _compute(network: nn.Module, pixels: Tensor) -> list[NDArray[np.float32]]:
    outputs = network.eval()(pixels)
    return [each.numpy() for each in (outputs if isinstance(outputs, tuple) else (outputs,))]


def random_pixels(image_size: int) -> Tensor:
    """Return the same random images each time: uint8 ``(16, S, S, 3)``."""
    generator = torch.Generator().manual_seed(0)
    shape = (CHECKED_IMAGES, image_size, image_size, 3)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)
