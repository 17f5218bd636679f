"""Measure how much of the engine's speed is left when a folder of pictures is classified.

The peer is the engine alone: a process for each core computes batches of pictures from DIR that are
decoded already. Beside it stand the same processes when they also read and decode, and the command,
from its start to its end: `python -m model.predict --folder DIR`, and with --ray on two nodes of
Ray on this machine, if Ray is installed.

  python -m benchmarks.bulk DIR                       two minutes for 60,000 pictures on two cores
  python -m benchmarks.bulk DIR --model ARCHIVE
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bulk.engine import classify, compute, in_processes
from benchmarks.common.command import Command, option
from benchmarks.common.programs import run_to_end
from benchmarks.common.report import Report, mebibytes, table
from model import BEST_ARCHIVE
from model.command_line import CommandError, available_cpus
from model.inference.files import walk

# Number of pictures that the engine alone computes, over and over.
SAMPLE = 2000
OPTIONS = (
    option("directory", "a folder of pictures", metavar="DIR"),
    option("--model", "model to measure", BEST_ARCHIVE, type=Path, metavar="ARCHIVE_OR_RUN"),
    option("--seconds", "seconds for the engine alone", 10),
)


def measure(options: argparse.Namespace) -> Report:
    """Measure each way after the other; ``CommandError`` if DIR holds no pictures."""
    files = list(walk(options.directory))
    if not files:
        raise CommandError(f"{options.directory} holds no files")
    sample = files[:: len(files) // SAMPLE or 1]
    speeds, memory = {}, {}
    for name, count in (("engine alone", compute), ("engine, reading and decoding", classify)):
        speeds[name] = in_processes(count, options.model, sample, options.seconds)
    speeds["model.predict"], memory["model.predict"] = _predict(options, len(files))
    with two_nodes() as address:
        if address:
            name = "model.predict --ray, two nodes"
            speeds[name], memory[name] = _predict(options, len(files), "--ray", address)
    rows = [
        [
            name,
            f"{speed:,.0f}",
            f"{speed / speeds['engine alone']:.2f}",
            mebibytes(memory[name]) if name in memory else "",
        ]
        for name, speed in speeds.items()
    ]
    facts = {"pictures": f"{len(files):,}", "model": options.model.name}
    part = table(["", "pictures a second", "ratio", "memory at its peak"], rows)
    return Report("Bulk", [part], {"speeds": speeds, "memory": memory}, facts, {})


def _predict(options: argparse.Namespace, files: int, *more: str) -> tuple[float, int]:
    """Run the command, and return files a second and the bytes of its memory at their peak."""
    command = ["-m", "model.predict", "--folder", options.directory, "--model", str(options.model)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        memory = run_to_end([sys.executable, *command, "--out", f"{folder}/table", *more], {})
        return files / (time.perf_counter() - started), memory


@contextmanager
def two_nodes() -> Iterator[str]:
    """Run a Ray cluster of two nodes with half of the cores each, and yield its address.

    Where Ray is not installed, the address is empty.
    """
    try:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this needs Ray
    except ModuleNotFoundError:
        yield ""
        return
    cluster = Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=max(1, available_cpus() // 2))
        yield cluster.address
    finally:
        cluster.shutdown()


COMMAND = Command("bulk", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
