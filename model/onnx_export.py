"""Write a net as the ONNX graph that is served; only making an archive needs this."""

import logging
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from model.dead_units import without_dead_units
from model.onnx_net import INPUT_NAME, OUTPUT_NAME, OnnxNet
from model.preprocessing import to_unit_range

# Logits of float32 computed in another order differ by some 1e-6.
LARGEST_DIFFERENCE = 1e-4
CHECKED_IMAGES = 16
WHITE = 255


class _PixelsToProbabilities(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.net(pixels.permute(0, 3, 1, 2).float())
        return logits.softmax(dim=1)


class _ToUnitRange(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return to_unit_range(pixels)


def export(net: nn.Module, image_size: int) -> bytes:
    """Serialise a net as an ONNX graph from pixels to probabilities, see :class:`OnnxNet`.

    Args:
        net: on the CPU, in evaluation mode; float ``(N, 3, S, S)`` in [0, 1] to logits.
        image_size: S.

    Raises:
        ValueError: the graph does not compute what the net does.
    """
    try:
        served: nn.Module = _for_pixels(_activations_first(without_dead_units(net)))
    except ValueError:
        # Another architecture; it is served as it is.
        served = nn.Sequential(_ToUnitRange(), net)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(
        256, (CHECKED_IMAGES, image_size, image_size, 3), generator=generator, dtype=torch.uint8
    )
    graph = _graph(_PixelsToProbabilities(served).eval(), pixels)
    with torch.inference_mode():
        expected = net(to_unit_range(pixels.permute(0, 3, 1, 2))).softmax(dim=1).numpy()
    difference = float(np.abs(OnnxNet(graph).probabilities(pixels.numpy()) - expected).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ValueError(f"the exported net's probabilities are off by {difference:.1e}")
    return graph


@torch.no_grad()
def _for_pixels(layers: nn.Sequential) -> nn.Sequential:
    """Let the first layer take 0 to 255, which spares a division of every pixel."""
    first = layers[0]
    if not isinstance(first, nn.Conv2d):
        raise ValueError(f"the first layer is a {type(first).__name__}, no convolution")  # noqa: TRY004
    first.weight /= WHITE
    return layers


def _activations_first(layers: nn.Sequential) -> nn.Sequential:
    """Put each ReLU before a pooling, where ONNX Runtime makes one step of convolution and ReLU."""
    ordered = list(layers)
    for index in range(len(ordered) - 1):
        first, second = ordered[index : index + 2]
        if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
            ordered[index : index + 2] = second, first
    return nn.Sequential(*ordered)


def _graph(net: nn.Module, pixels: Tensor) -> bytes:
    # The exporter reports its progress, and warns of what PyTorch itself will change.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (pixels,),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: torch.export.Dim("images", min=1)},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ValueError("the net can't be exported")
    return bytes(program.model_proto.SerializeToString())
