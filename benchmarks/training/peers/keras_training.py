"""The Keras program that this project began as, on TensorFlow.

    python -m benchmarks.training.peers.keras_training IMAGES --epochs 10

It has the original's network, augmentation and settings. But it shows no progress bar, which costs
time (``verbose=0``), and its pixels are float32 from the start, as NumPy's own division would make
them float64.
"""

import time
from typing import Any

import keras
import tensorflow as tf
from keras import layers, regularizers

from benchmarks.training.peers.protocol import BATCH_SIZE, Task, print_epoch, read_task


class PrintEpochs(keras.callbacks.Callback):
    """Prints a line for each epoch, with its validation included in its seconds."""

    def on_epoch_begin(self, _epoch: int, _logs: dict[str, float]) -> None:
        """Note the time."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the line."""
        print_epoch(epoch + 1, time.monotonic() - self.started, logs["val_accuracy"])


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
