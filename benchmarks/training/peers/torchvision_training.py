"""The loop that everyone writes in PyTorch: PIL images, torchvision's transforms, a DataLoader.

    python -m benchmarks.training.peers.torchvision_training IMAGES --epochs 10

The network is this project's, with Keras' initial weights.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.training.peers.protocol import BATCH_SIZE, Task, print_epoch, read_task
from model.networks.reference_cnn import ReferenceCNN

WORKERS = 2


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL images made from an array, as torchvision's ``CIFAR10`` does."""

    def __init__(
        self, pixels: NDArray[Any], labels: NDArray[Any], transform: Callable[[Image.Image], Tensor]
    ) -> None:
        self.data = pixels
        self.targets = labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def train(task: Task) -> None:
    """Fit the network to the task's arrays, and print a line for every epoch."""
    augmentation = transforms.Compose(
        [
            transforms.RandomAffine(15, translate=(0.1, 0.1)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    training = Pictures(task.training_pixels, task.training_labels, augmentation)
    validation = Pictures(task.validation_pixels, task.validation_labels, transforms.ToTensor())
    training_batches = DataLoader(training, BATCH_SIZE, shuffle=True, num_workers=WORKERS)
    validation_batches = DataLoader(validation, BATCH_SIZE, num_workers=WORKERS)
    net = ReferenceCNN(task.classes)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters())
    plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    for epoch in range(1, task.epochs + 1):
        started = time.monotonic()
        net.train()
        for images, labels in training_batches:
            optimizer.zero_grad()
            criterion(net(images), labels).backward()
            optimizer.step()
        loss, accuracy = validate(net, validation_batches, criterion)
        plateau.step(loss)
        print_epoch(epoch, time.monotonic() - started, accuracy)


@torch.no_grad()
def validate(net: nn.Module, batches: DataLoader[Any], criterion: nn.Module) -> tuple[float, float]:
    """Return mean loss (nats) and accuracy in [0, 1]."""
    net.eval()
    loss, correct, count = 0.0, 0, 0
    for images, labels in batches:
        logits = net(images)
        loss += criterion(logits, labels).item() * len(labels)
        correct += int((logits.argmax(dim=1) == labels).sum())
        count += len(labels)
    return loss / count, correct / count


if __name__ == "__main__":
    given = read_task(__doc__)
    torch.manual_seed(given.seed)
    train(given)
