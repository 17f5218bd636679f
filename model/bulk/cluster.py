"""Classifies many files with all cores of a Ray cluster."""

import logging
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import ray
import ray.data
import ray.exceptions

from model import PROJECT
from model.bulk import ServedNetwork
from model.bulk.workers import Worker
from model.command_line import CommandError


class RayWorker(Worker):
    """A worker as Ray Data calls it."""

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Return the rows of the files in the column ``file``."""
        return self.classify(chunk["file"].to_pylist())


def classify_on_cluster(
    address: str,
    network: ServedNetwork,
    url: str,
    chunks: Iterable[Sequence[str]],
) -> Iterator[pa.Table]:
    """Yield the rows of each chunk, in order, with a process for each core of the cluster.

    Raises:
        CommandError: There is no cluster at ``address``, or it failed.
    """
    # The nodes need the packages, but no copy of this project.
    environment = {"py_modules": [str(PROJECT / "model")]}
    try:
        ray.init(address, runtime_env=environment, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CommandError(f"--ray: no cluster answers at {address} ({error})") from error
    logging.getLogger("ray.data").setLevel("ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    try:
        # The cluster holds the names of the files, on its disks where memory does not suffice.
        blocks = [ray.put(pa.table({"file": chunk})) for chunk in chunks]
        rows = ray.data.from_arrow_refs(blocks).map_batches(
            RayWorker,
            fn_constructor_args=(url, *network),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=int(ray.cluster_resources()["CPU"])),
        )
        yield from rows.iter_batches(batch_size=None, batch_format="pyarrow")
    except ray.exceptions.RayError as error:
        raise CommandError(f"the cluster failed; the same command goes on ({error})") from error
    finally:
        ray.shutdown()
