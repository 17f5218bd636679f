"""The Keras program that this project began as, on TensorFlow, in an environment of its own.

    python -m benchmarks.training.keras_training IMAGES.npz RESULT.json EPOCHS

It has the original's network, augmentation and settings. But it shows no progress bar, which costs
time (``verbose=0``), and its pixels are float32 from the start, as NumPy's own division would make
them float64.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers

BATCH_SIZE = 64


class Timer(keras.callbacks.Callback):
    """Takes the seconds of each epoch, with its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, _epoch: int, _logs: dict[str, float]) -> None:
        """Note the time."""
        self.started = time.monotonic()

    def on_epoch_end(self, _epoch: int, _logs: dict[str, float]) -> None:
        """Note the time that has passed."""
        self.seconds.append(time.monotonic() - self.started)


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


def train(images: Path, epochs: int) -> dict[str, list[float]]:
    """Fit the network to a file of uint8 pixels ``(N, 32, 32, 3)`` and class indices ``(N,)``.

    Returns:
        The ``seconds`` of each epoch, and the ``accuracies`` in [0, 1] of its validation.
    """
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
    timer = Timer()
    history = build_network(classes).fit(
        augmentation.flow(*splits[0], batch_size=BATCH_SIZE),
        epochs=epochs,
        validation_data=splits[1],
        callbacks=[plateau, timer],
        verbose=0,
    )
    return {"seconds": timer.seconds, "accuracies": history.history["val_accuracy"]}


if __name__ == "__main__":
    images_file, result_file, epochs_text = sys.argv[1:]
    keras.utils.set_random_seed(0)
    result = train(Path(images_file), int(epochs_text))
    Path(result_file).write_text(json.dumps(result))
