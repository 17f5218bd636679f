"""The Keras program that this project began as, on TensorFlow, in an environment of its own.

    python -m benchmarks.training.keras_training IMAGES --epochs 10

It has the original's network, augmentation and settings. But it shows no progress bar, which costs
time (``verbose=0``), and its pixels are float32 from the start, as NumPy's own division would make
them float64.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers
from numpy.typing import NDArray

BATCH_SIZE = 64


@dataclass(frozen=True)
class Task:
    """What the program is asked for: images of two splits, number of epochs, and seed.

    Pixels are uint8 ``(N, 32, 32, 3)``, RGB, 0 to 255; labels are class indices, int64 ``(N,)``.
    """

    training_pixels: NDArray[np.uint8]
    training_labels: NDArray[np.int64]
    validation_pixels: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    epochs: int
    seed: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.training_labels.max()) + 1


def read_task(description: str | None) -> Task:
    """Parse the command line and load its arrays."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("images", type=Path, help="file of the four arrays")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="for weights, order and augmentation")
    options = parser.parse_args()
    with np.load(options.images) as arrays:
        return Task(**arrays, epochs=options.epochs, seed=options.seed)


class PrintEpochs(keras.callbacks.Callback):
    """Prints a line for each epoch, with its validation included in its seconds."""

    def on_epoch_begin(self, _epoch: int, _logs: dict[str, float]) -> None:
        """Note the time."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the line."""
        seconds, accuracy = time.monotonic() - self.started, logs["val_accuracy"]
        record = {"epoch": epoch + 1, "seconds": seconds, "validation_accuracy": accuracy}
        print(json.dumps(record), flush=True)


def build_network(classes: int) -> Any:  # noqa: ANN401 (Keras has no types here)
    """Return the compiled network."""
    network = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu", kernel_regularizer=regularizers.l2(1e-3)),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return network


def train(task: Task) -> None:
    """Fit the network to the task's arrays."""
    x_train = task.training_pixels.astype("float32") / 255
    x_validation = task.validation_pixels.astype("float32") / 255
    y_train = keras.utils.to_categorical(task.training_labels, task.classes)
    y_validation = keras.utils.to_categorical(task.validation_labels, task.classes)
    augmentation = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2)
    build_network(task.classes).fit(
        augmentation.flow(x_train, y_train, batch_size=BATCH_SIZE),
        epochs=task.epochs,
        validation_data=(x_validation, y_validation),
        callbacks=[plateau, PrintEpochs()],
        verbose=0,
    )


if __name__ == "__main__":
    given = read_task(__doc__)
    keras.utils.set_random_seed(given.seed)
    train(given)
