"""The Keras program that this project began as, on TensorFlow.

    python -m benchmarks.peers.keras_training ARRAYS --epochs 10

Its net, its augmentation and its settings; ``verbose=0``, as a progress bar costs time, and
float32 pixels from the start, as NumPy's own division would make them float64.
"""

import os
import time
from typing import Any

import keras
import tensorflow as tf
from keras import layers, regularizers

from benchmarks.peers.protocol import BATCH_SIZE, Task, print_epoch, print_facts, read_task


def main() -> None:
    """Train, and print a line of JSON for every epoch."""
    task = read_task(__doc__)
    keras.utils.set_random_seed(task.seed)
    # What TensorFlow takes; asked for it, it answers 0.
    threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0"))
    print_facts(threads, "tensorflow-cpu", "keras", "numpy", "scipy")
    train(task)


def build_net(classes: int) -> Any:  # noqa: ANN401 (Keras has no types here)
    """Return the compiled net."""
    net = keras.Sequential(
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
    net.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def train(task: Task) -> None:
    """Fit the net to the task's arrays."""
    x_train = task.training.pixels.astype("float32") / 255
    x_validation = task.validation.pixels.astype("float32") / 255
    y_train = keras.utils.to_categorical(task.training.labels, task.classes)
    y_validation = keras.utils.to_categorical(task.validation.labels, task.classes)
    augmentation = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )
    build_net(task.classes).fit(
        augmentation.flow(x_train, y_train, batch_size=BATCH_SIZE),
        epochs=task.epochs,
        validation_data=(x_validation, y_validation),
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2),
            epoch_printer(),
        ],
        verbose=0,
    )


def epoch_printer() -> Any:  # noqa: ANN401 (likewise)
    """Return a callback that prints each epoch, its validation included in its seconds."""
    started = 0.0

    def begin(_epoch: int, _logs: dict[str, float]) -> None:
        nonlocal started
        started = time.monotonic()

    def end(epoch: int, logs: dict[str, float]) -> None:
        print_epoch(epoch + 1, time.monotonic() - started, logs["val_accuracy"])

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)


if __name__ == "__main__":
    main()
