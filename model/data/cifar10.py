"""CIFAR-10, as torchvision downloads it."""

from pathlib import Path

import torch
from torchvision.datasets import CIFAR10

from model.data.dataset import DataError, LabelledImages, Splits


def load_cifar10(download_directory: Path) -> Splits:
    """Load CIFAR-10 through torchvision, which downloads it if necessary and checks it.

    Raises:
        DataError: CIFAR-10 could neither be found nor downloaded.
    """
    splits = {}
    for split in ("train", "test"):
        try:
            read = CIFAR10(str(download_directory), train=split == "train", download=True)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"CIFAR-10 could not be downloaded to {download_directory}/ ({error}). Check the "
                "network, or name a folder-per-class tree with --data DIR."
            ) from error
        pixels = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        names = [f"{split} image {index}" for index in range(len(pixels))]
        labels = torch.tensor(read.targets)
        splits[split] = LabelledImages(pixels, labels, None, tuple(read.classes), names)
    return splits
