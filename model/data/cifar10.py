"""CIFAR-10, as torchvision downloads it."""

from pathlib import Path

import torch
from torchvision.datasets import CIFAR10

from model.data.dataset import DataError, Dataset, LabelledImages


def load_cifar10(download_directory: Path, *, images_per_class: int | None = None) -> Dataset:
    """Load CIFAR-10 through torchvision, which downloads it if necessary and checks it.

    Args:
        download_directory: the folder in which torchvision keeps the data.
        images_per_class: maximum number of images of each class and split; None for all.

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
        train=_from_torchvision(train, images_per_class),
        test=_from_torchvision(test, images_per_class),
        class_names=tuple(train.classes),
        source="CIFAR-10 from torchvision",
    )


def _from_torchvision(dataset: CIFAR10, images_per_class: int | None) -> LabelledImages:
    pixels = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    images = LabelledImages(pixels, torch.tensor(dataset.targets))
    if images_per_class is None:
        return images
    by_class = [
        torch.nonzero(images.labels == label).flatten()[:images_per_class]
        for label in range(len(dataset.classes))
    ]
    return images.subset(torch.cat(by_class).sort().values)
