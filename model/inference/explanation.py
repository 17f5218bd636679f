"""Where in a picture an answer comes from, by occlusion (Zeiler and Fergus 2014).

Parts of the picture are covered one after another, and what the network says of each copy is
compared with what it says of the picture (https://arxiv.org/abs/1311.2901, section 4.2). This takes
the served graph and nothing else, so that it explains every network at every precision.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.images.preprocessing import Pixels

# Number of cells along the shorter side of a picture, each of which gets its heat, and of cells
# along a side of the patch that covers. A smaller patch leaves most answers as they are, and cells
# of half the side take four times as long.
CELLS, PATCH_CELLS = 8, 2
# Maximum number of covered pictures in a batch; larger ones take more memory, and are no faster.
BATCH_SIZE = 32
# Lowest probability that is told from 0.
LEAST = 1e-7
# Maximum number of classes that one explanation describes, so that its size has a bound.
MOST_CLASSES = 100

Classify = Callable[[Pixels], NDArray[np.float32]]


def explain(
    classify: Classify, pixels: Pixels, class_names: Sequence[str], chosen: str | None = None
) -> dict[str, Any]:
    """Describe which parts of a picture count for its classes, as the REST endpoint does.

    Args:
        classify: A function from uint8 ``(N, H, W, 3)`` to probabilities, float32 ``(N, C)``.
        pixels: uint8 ``(H, W, 3)``, RGB, 0 to 255.
        class_names: Names of the classes, by class index.
        chosen: The only one that is described; by default, the likeliest :data:`MOST_CLASSES` are.

    Returns:
        ``method``; ``patch`` and ``stride`` in pixels; and by class, the likeliest first, ``heat``
        as rows of cells from the upper left (see :func:`occlude`), and the ``lowest`` probability
        under any patch.
    """
    whole = classify(pixels[None])[0].astype(np.float64)
    heat, lowest = occlude(classify, pixels, whole)
    ranked = (-whole).argsort(kind="stable")[:MOST_CLASSES]
    indices = ranked if chosen is None else [class_names.index(chosen)]
    stride = min(pixels.shape[:2]) / CELLS
    return {
        "method": "occlusion",
        "patch": round(PATCH_CELLS * stride),
        "stride": round(stride),
        "heat": {class_names[index]: heat[:, :, index].round(4).tolist() for index in indices},
        "lowest": {class_names[index]: lowest[index].item() for index in indices},
    }


def occlude(
    classify: Classify, pixels: Pixels, whole: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how much each cell of a picture counts for each class.

    The cover has the mean colour of the picture, which stands out less than grey: in a drawing on
    white, a grey square would be a thing of its own. The heat of a cell is the mean, over the
    patches that cover it, of how much they lower the log-odds of a class: a probability near 0 or 1
    hardly changes, whatever is covered.

    Args:
        classify: A function from uint8 ``(N, H, W, 3)`` to probabilities, float32 ``(N, C)``.
        pixels: uint8 ``(H, W, 3)``, RGB, 0 to 255.
        whole: The probabilities of the picture as it is, float64 ``(C,)``.

    Returns:
        The heat, float64 ``(rows, columns, C)``, in nats, negative where a cell counts against a
        class; and the lowest probability of each class under any patch, float64 ``(C,)``.
    """
    stride = min(pixels.shape[:2]) / CELLS
    down, across = (_divide(side, stride) for side in pixels.shape[:2])
    cover = pixels.mean((0, 1)).round().astype(np.uint8)
    patches = list(product(_place(len(down) - 1), _place(len(across) - 1)))
    covered = np.repeat(pixels[None], len(patches), axis=0)
    for copy, (rows, columns) in zip(covered, patches, strict=True):
        copy[down[rows.start] : down[rows.stop], across[columns.start] : across[columns.stop]] = (
            cover
        )
    batches = (covered[start : start + BATCH_SIZE] for start in range(0, len(covered), BATCH_SIZE))
    probabilities = np.concatenate([classify(batch) for batch in batches]).astype(np.float64)
    drops = _log_odds(whole) - _log_odds(probabilities)
    heat = np.zeros((len(down) - 1, len(across) - 1, drops.shape[1]))
    for (rows, columns), drop in zip(patches, drops, strict=True):
        heat[rows, columns] += drop
    # Each cell is covered as often as any other, those on an edge by patches that overlap it.
    return heat / PATCH_CELLS**2, probabilities.min(axis=0)


def _divide(side: int, stride: float) -> NDArray[np.int64]:
    """Return where the cells along a side begin, and where the last one ends."""
    return np.linspace(0, side, round(side / stride) + 1).round().astype(np.int64)


def _place(cells: int) -> list[slice]:
    """Return the cells, along a side, that each patch covers."""
    starts = range(1 - PATCH_CELLS, cells)
    return [slice(max(start, 0), min(start + PATCH_CELLS, cells)) for start in starts]


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    # The sum of the others, unlike 1 - p, is exact where p is almost 1.
    others = probabilities @ (1 - np.eye(probabilities.shape[-1]))
    odds: NDArray[np.float64] = np.maximum(probabilities, LEAST) / np.maximum(others, LEAST)
    return np.log(odds)
