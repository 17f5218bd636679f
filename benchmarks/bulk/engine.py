"""The engine with all cores: alone, and when it reads and decodes as well."""

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np

from model.command_line import available_cpus, expect_model
from model.images.errors import ImageError
from model.inference.classifier import Classifier
from model.inference.files import BATCH_SIZE, classify_files

Count = Callable[[Classifier, Sequence[str], float], float]


def compute(classifier: Classifier, files: Sequence[str], seconds: float) -> float:
    """Return how many decoded pictures a second the engine computes."""
    by_shape = defaultdict(list)
    for file in files:
        try:
            pixels = classifier.prepare(Path(file).read_bytes()).pixels
        except ImageError:
            continue
        by_shape[pixels.shape].append(pixels)
    batches = [
        np.stack(alike[start : start + BATCH_SIZE])
        for alike in by_shape.values()
        for start in range(0, len(alike), BATCH_SIZE)
    ]
    done, started = 0, time.perf_counter()
    for batch in cycle(batches):
        classifier.compute(batch)
        done += len(batch)
        if (passed := time.perf_counter() - started) > seconds:
            break
    return done / passed


def classify(classifier: Classifier, files: Sequence[str], seconds: float) -> float:
    """Return how many files a second are read, decoded and classified."""
    started = time.perf_counter()
    done, passed = 0, 0.0
    for _ in classify_files(classifier, cycle(files)):
        done, passed = done + 1, time.perf_counter() - started
        if passed > seconds:
            break
    return done / passed


def in_processes(count: Count, model: Path, files: Sequence[str], seconds: float) -> float:
    """Return the sum of what a process for each core counts."""
    processes = available_cpus()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn) as pool:
        counted = [pool.submit(_count, count, model, files, seconds) for _ in range(processes)]
        return sum(each.result() for each in counted)


def _count(count: Count, model: Path, files: Sequence[str], seconds: float) -> float:
    with expect_model(model):
        classifier = Classifier.load(model)
    return count(classifier, files, seconds)
