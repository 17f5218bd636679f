"""The classifier behind the handler, the command line and the evaluation: bytes in, answer out."""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.images.limits import Budget
from model.images.preprocessing import PreparedImage, prepare
from model.inference import GRAPH_FILE_NAME, QUANTISED_FILE_NAME, read_file
from model.inference.answer import Output, answer
from model.inference.card import ModelCard
from model.inference.engine import OnnxEngine, is_quick_at_int8
from model.inference.explanation import explain


class Classifier:
    """Answers which class a picture shows.

    Args:
        graph: The exported network; see :class:`OnnxEngine`.
        card: The network's card, with its class names in the order of the probabilities.
        threads: Number of threads for one computation.
        precision: What the graph computes in, ``float32`` or ``int8``.

    Attributes:
        card: The network's card.
        precision: The same as above.

    Raises:
        ValueError: ``graph`` can't be read.
    """

    def __init__(
        self, graph: bytes, card: ModelCard, threads: int = 1, precision: str = "float32"
    ) -> None:
        self.card = card
        self.precision = precision
        self._engine = OnnxEngine(graph, threads)

    @classmethod
    def load(cls, source: Path, threads: int = 1) -> "Classifier":
        """Load a run's directory, a model archive, or the directory of an unpacked archive.

        Args:
            source: The directory or ``.mar`` file that holds the card and the graph.
            threads: Number of threads for one computation.

        Raises:
            FileNotFoundError: ``source`` or a file in it is missing.
            ValueError: The card or the graph can't be read.
        """
        graph, card, precision = read_network(source)
        return cls(graph, card, threads, precision)

    def prepare(self, image: bytes, budget: Budget | None = None) -> PreparedImage:
        """Decode a file into the pixels that the network sees; see the function ``prepare``.

        Raises:
            ImageError: The file can't be decoded.
        """
        return prepare(image, self.card.image_size, self.card.fit, budget)

    def compute(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Classify a batch.

        Args:
            pixels: uint8 ``(N, H, W, 3)``, RGB, 0 to 255, N ≥ 1, of the size that the card tells.

        Returns:
            The probabilities, float32 ``(N, C)``, in [0, 1], rows sum to 1; and how strange each
            picture is, float32 ``(N,)``, or NaN where the graph does not tell.
        """
        return self._engine.compute(pixels)

    def classify_prepared(self, images: Sequence[PreparedImage]) -> list[Output]:
        """Return what the network says of prepared pictures; those of one shape share a batch."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            by_shape.setdefault(image.pixels.shape, []).append(index)
        outputs: dict[int, Output] = {}
        for indices in by_shape.values():
            computed = self.compute(np.stack([images[index].pixels for index in indices]))
            rows = zip(*(output.tolist() for output in computed), strict=True)
            outputs.update(zip(indices, itertools.starmap(Output, rows), strict=True))
        return [outputs[index] for index in range(len(images))]

    def classify(self, image: bytes) -> dict[str, Any]:
        """Answer for one file as the REST endpoint does.

        Raises:
            ImageError: The file can't be decoded.
        """
        return self.answers([self.prepare(image)])[0]

    def answers(self, images: Sequence[PreparedImage]) -> list[dict[str, Any]]:
        """Answer for prepared pictures as the REST endpoint does."""
        outputs = self.classify_prepared(images)
        return [answer(self.card, *each) for each in zip(outputs, images, strict=True)]

    def explain(self, image: PreparedImage, chosen: str | None = None) -> dict[str, Any]:
        """Describe which parts of a prepared picture count for its classes, or for one of them.

        See :func:`model.inference.explanation.explain`.
        """

        def classify(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            return self.compute(pixels)[0]

        return explain(classify, image.pixels, self.card.class_names, chosen)


def read_network(source: Path) -> tuple[bytes, ModelCard, str]:
    """Return the graph, the card and the precision that :class:`Classifier` takes.

    The graph is the quantised one where there is one and the processor is quick at it. For the
    arguments and the errors, see :meth:`Classifier.load`.
    """
    card = ModelCard.load(source)
    if is_quick_at_int8():
        with suppress(FileNotFoundError):
            return read_file(source, QUANTISED_FILE_NAME), card, "int8"
    return read_file(source, GRAPH_FILE_NAME), card, "float32"
