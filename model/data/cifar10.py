"""CIFAR-10, as torchvision downloads it."""

from pathlib import Path

import torch
from torchvision.datasets import CIFAR10

from model.data.dataset import DataError, Dataset, LabelledImages


def load_cifar10(download_directory: Path) -> Dataset:
    """Load CIFAR-10 through torchvision, which downloads it if necessary and checks it.

    Raises:
        DataError: CIFAR-10 could neither be found nor downloaded.
    """
    try:
        train = CIFAR10(str(download_directory), train=True, download=True)
        test = CIFAR10(str(download_directory), train=False, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded to {download_directory}/ ({error}). Check the "
            "network, or name a folder-per-class tree with --data DIR."
        ) from error
    return Dataset(
        train=_from_torchvision(train),
        test=_from_torchvision(test),
        class_names=tuple(train.classes),
        source="CIFAR-10 from torchvision",
    )


def _from_torchvision(dataset: CIFAR10) -> LabelledImages:
    pixels = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(pixels, torch.tensor(dataset.targets))
