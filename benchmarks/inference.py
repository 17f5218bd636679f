"""Find out what should compute the net that is served.

Times the shipped net, from pixels to probabilities, in one thread, in all ways by turns, and says
how many images of the training split each labels otherwise than PyTorch in float32. What came out
decided `model/onnx_net.py`; benchmarks/results/inference-<date>.md keeps it.
"""

import argparse
import copy
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import Tensor, nn

from benchmarks import output
from benchmarks.machine import commit, describe_machine, describe_software
from benchmarks.servers import ARCHIVE
from model import onnx_net
from model.classifier import Classifier
from model.dead_units import without_dead_units
from model.onnx_export import export
from model.onnx_net import OnnxNet
from model.options import OneLineParser, at_least_one
from model.preprocessing import prepare, to_unit_range

BATCH_SIZES = (1, 8)
CALIBRATION_IMAGES = 300
COMPARED_IMAGES = 2_000
EPILOG = """\
examples:
  python -m benchmarks.inference --data DIR     DIR/train/<class>/*; nothing else may run
  python -m benchmarks.inference --data DIR --repetitions 20 --output /tmp/trial.md
"""

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Probabilities = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Way = Callable[[Pixels], Probabilities]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the pictures from which ONNX Runtime learns the ranges of int8."""

    def __init__(self, pixels: Pixels) -> None:
        self._batches: Iterator[Pixels] = iter(np.array_split(pixels, len(pixels) // 20 or 1))

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._batches, None)
        return None if batch is None else {onnx_net.INPUT_NAME: batch}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(
        prog="python -m benchmarks.inference",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="with train/ in it")
    parser.add_argument(
        "--repetitions",
        type=at_least_one,
        default=300,
        metavar="N",
        help="how often each way computes each batch (default: %(default)s)",
    )
    output.add_output_option(parser, "inference", "the same figures")
    options = parser.parse_args(arguments)
    output.check_output(options, parser, "inference")
    files = sorted((options.data / "train").glob("*/*"))
    needed = CALIBRATION_IMAGES + COMPARED_IMAGES
    if len(files) < needed:
        parser.error(f"--data: {options.data}/train holds {len(files)} files, {needed} are needed")
    output.warn_of_load()
    torch.set_num_threads(1)
    machine = describe_machine()
    classifier = Classifier.load(ARCHIVE)
    chosen = random.Random(0).sample(files, needed)  # noqa: S311 - no secret
    size = classifier.card.image_size
    pixels = np.stack([prepare(file.read_bytes(), size).pixels for file in chosen])
    ways = make_ways(classifier.net, size, pixels[:CALIBRATION_IMAGES])
    others = other_labels(ways, pixels[CALIBRATION_IMAGES:])
    seconds = {count: measure(ways, pixels[:count], options.repetitions) for count in BATCH_SIZES}
    rows = [
        {
            "way": way,
            **{f"microseconds an image, {count} at once": 1e6 * times[way] / count
               for count, times in seconds.items()},
            "other labels": others[way],
        }
        for way in ways
    ]  # fmt: skip
    facts = {**machine, "commit": commit(), **describe_software()}
    document = {"ways": rows, "compared images": COMPARED_IMAGES, "facts": facts}
    output.write(to_markdown(rows, facts, options.repetitions), document, options.output)
    return 0


def make_ways(net: nn.Module, image_size: int, calibration: Pixels) -> dict[str, Way]:
    """Return what computes the same net, by how it does."""
    smaller = without_dead_units(net)
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    with zipfile.ZipFile(ARCHIVE) as archive:
        served = archive.read(onnx_net.FILE_NAME)
    return {
        "PyTorch": in_pytorch(net),
        "PyTorch, channels last": in_pytorch(last),
        "PyTorch, bfloat16": in_pytorch(copy.deepcopy(net).bfloat16(), torch.bfloat16),
        "PyTorch, compiled": in_pytorch(_compiled(net)),
        "PyTorch, without dead units": in_pytorch(smaller),
        # An Identity is no layer that dead units are looked for in.
        "ONNX Runtime": OnnxNet(
            export(nn.Sequential(net, nn.Identity()), image_size)
        ).probabilities,
        "ONNX Runtime, without dead units (served)": OnnxNet(served).probabilities,
        "ONNX Runtime, without dead units, int8": OnnxNet(
            to_int8(served, calibration)
        ).probabilities,
    }


def _compiled(net: nn.Module) -> Callable[[Tensor], Tensor]:
    compiled: Callable[[Tensor], Tensor] = torch.compile(copy.deepcopy(net), dynamic=False)
    return compiled


def in_pytorch(net: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float32) -> Way:
    """Return what computes a net in PyTorch."""

    @torch.inference_mode()
    def compute(pixels: Pixels) -> Probabilities:
        images = to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2)).to(dtype)
        return net(images).float().softmax(dim=1).numpy()

    return compute


def to_int8(graph: bytes, calibration: Pixels) -> bytes:
    """Return a graph whose convolutions and dense layers compute with 8 bits."""
    with tempfile.TemporaryDirectory() as directory:
        before, after = Path(directory) / "before.onnx", Path(directory) / "after.onnx"
        before.write_bytes(graph)
        quantize_static(
            before,
            after,
            _Calibration(calibration),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        return after.read_bytes()


def measure(ways: dict[str, Way], pixels: Pixels, repetitions: int) -> dict[str, float]:
    """Return the median seconds that each way takes for a batch, all by turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    # The first tenth warms up.
    for _ in range(repetitions + repetitions // 10 + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way(pixels)
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values[-repetitions:])) for name, values in seconds.items()}


def other_labels(ways: dict[str, Way], pixels: Pixels) -> dict[str, int]:
    """Return how many images each way labels otherwise than the first."""
    labels = {
        name: np.concatenate([way(part).argmax(axis=1) for part in np.array_split(pixels, 20)])
        for name, way in ways.items()
    }
    expected = next(iter(labels.values()))
    return {name: int((found != expected).sum()) for name, found in labels.items()}


def to_markdown(rows: Sequence[dict[str, object]], facts: dict[str, str], repetitions: int) -> str:
    """Return the result as a page."""
    columns = list(rows[0])
    table = [columns, ["---"] * len(columns)]
    table += [
        [f"{v:.0f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows
    ]
    lines = ["# What computes the net", "", *(f"| {' | '.join(cells)} |" for cells in table)]
    lines += [
        "",
        f"- One thread, all ways by turns, medians of {repetitions}.",
        f"- Other labels: than PyTorch's in float32, of {COMPARED_IMAGES:,} training images.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
