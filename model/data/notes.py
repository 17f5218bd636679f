"""What makes a data set teach less, or its figures mean less, than they seem to."""

import numpy as np
import torch

from model.command_line import visible
from model.data.dataset import LabelledImages, Splits

# Number of images that are hashed at once.
HASHED_IMAGES = 4096
# Largest ratio of the sizes of two classes that needs no note.
MAX_IMBALANCE = 10


def print_notes(splits: Splits) -> None:
    """Say where a picture is in two splits, or a class is much larger than another."""
    hashes = np.concatenate(list(map(_hash, splits.values())))
    split_of = np.repeat(np.arange(len(splits)), list(map(len, splits.values())))
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[group]
    copies = np.flatnonzero(split_of > split_of[original])
    if len(copies):
        files = [name for images in splits.values() for name in images.names]
        copy, image = (visible(files[index]) for index in (copies[0], original[copies[0]]))
        print(
            f"note: {len(copies):,} of the {np.count_nonzero(split_of):,} images that are to "
            f"validate and test are in an earlier split, too, such as {copy}, which equals "
            f"{image}; this makes the figures better than the model"
        )
    names = splits["train"].class_names
    counts = torch.bincount(splits["train"].labels, minlength=len(names))
    largest, smallest = int(counts.argmax()), int(counts.argmin())
    if counts[largest] > MAX_IMBALANCE * counts[smallest]:
        print(
            f"note: {names[largest]} has {counts[largest]:,} training images, and "
            f"{names[smallest]} has {counts[smallest]:,}; --class-weights balanced lets every "
            "class weigh the same"
        )


def _hash(images: LabelledImages) -> np.ndarray:
    """Return int64 ``(N,)``; within this process, equal pixels have equal hashes."""
    batches = images.batches(HASHED_IMAGES)
    return np.array([hash(each.tobytes()) for batch in batches for each in batch.pixels.numpy()])
