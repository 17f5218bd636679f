"""The loop that everyone writes in PyTorch: PIL images, torchvision's transforms, a DataLoader.

    python -m benchmarks.peers.torchvision_training ARRAYS --epochs 10

The net is this project's, with Keras' initial weights.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.peers.protocol import (
    BATCH_SIZE,
    Arrays,
    Task,
    print_epoch,
    print_facts,
    read_task,
)
from model.reference_cnn import ReferenceCNN

WORKERS = 2


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL images made from an array, as torchvision's ``CIFAR10`` does."""

    def __init__(self, arrays: Arrays, transform: Callable[[Image.Image], Tensor]) -> None:
        self.data = arrays.pixels
        self.targets = arrays.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def main() -> None:
    """Train, and print a line of JSON for every epoch."""
    task = read_task(__doc__)
    torch.manual_seed(task.seed)
    print_facts(torch.get_num_threads(), "torch", "torchvision", "numpy", "pillow")
    train(task)


def train(task: Task) -> None:
    """Fit the net to the task's arrays."""
    training, validation = make_loaders(task)
    net = ReferenceCNN(task.classes)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters())
    plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    for epoch in range(1, task.epochs + 1):
        started = time.monotonic()
        train_epoch(net, training, criterion, optimizer)
        loss, accuracy = validate(net, validation, criterion)
        plateau.step(loss)
        print_epoch(epoch, time.monotonic() - started, accuracy)


def make_loaders(task: Task) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return the loaders of the training and the validation split."""
    augmentation = transforms.Compose(
        [
            transforms.RandomAffine(15, translate=(0.1, 0.1)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    training = Pictures(task.training, augmentation)
    validation = Pictures(task.validation, transforms.ToTensor())
    return (
        DataLoader(training, BATCH_SIZE, shuffle=True, num_workers=WORKERS),
        DataLoader(validation, BATCH_SIZE, num_workers=WORKERS),
    )


def train_epoch(
    net: nn.Module, loader: DataLoader[Any], criterion: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Take one pass over the training split."""
    net.train()
    for images, labels in loader:
        optimizer.zero_grad()
        criterion(net(images), labels).backward()
        optimizer.step()


@torch.no_grad()
def validate(net: nn.Module, loader: DataLoader[Any], criterion: nn.Module) -> tuple[float, float]:
    """Return mean loss (nats) and accuracy in [0, 1]."""
    net.eval()
    loss, correct, count = 0.0, 0, 0
    for images, labels in loader:
        logits = net(images)
        loss += criterion(logits, labels).item() * len(labels)
        correct += int((logits.argmax(dim=1) == labels).sum())
        count += len(labels)
    return loss / count, correct / count


if __name__ == "__main__":
    main()
