"""The Keras program that this project began as, on TensorFlow, in an environment of its own.

    python -m benchmarks.training.keras_training IMAGES --epochs 10

It has the original's network, augmentation and settings. But it shows no progress bar, which costs
time (``verbose=0``), and its pixels are float32 from the start, as NumPy's own division would make
them float64.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers

BATCH_SIZE = 64


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


def train(images: Path, epochs: int) -> None:
    """Fit the network to a file of uint8 pixels ``(N, 32, 32, 3)`` and class indices ``(N,)``."""
    with np.load(images) as arrays:
        classes = int(arrays["training_labels"].max()) + 1
        splits = [
            (
                arrays[f"{split}_pixels"].astype("float32") / 255,
                keras.utils.to_categorical(arrays[f"{split}_labels"], classes),
            )
            for split in ("training", "validation")
        ]
    augmentation = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2)
    build_network(classes).fit(
        augmentation.flow(*splits[0], batch_size=BATCH_SIZE),
        epochs=epochs,
        validation_data=splits[1],
        callbacks=[plateau, PrintEpochs()],
        verbose=0,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="file of the four arrays")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="for weights, order and augmentation")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    train(options.images, options.epochs)
