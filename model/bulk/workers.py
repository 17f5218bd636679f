"""Classifies many files with all cores of this machine."""

import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import pyarrow as pa

from model.bulk import ServedNetwork
from model.bulk.source import Source
from model.bulk.table import row, schema
from model.command_line import available_cpus
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.inference.files import classify_files


class Worker:
    """Classifies files of the source at ``url`` with the network, in one thread."""

    def __init__(self, url: str, graph: bytes, card: ModelCard, precision: str) -> None:
        self._source = Source(url)
        self._classifier = Classifier(graph, card, precision=precision)
        self._schema = schema(card)

    def classify(self, files: Iterable[str]) -> pa.Table:
        """Return the rows of files, each of which is a text in JSON."""
        source, card = self._source, self._classifier.card
        paths = map(json.loads, files)
        answers = classify_files(self._classifier, paths, source.read, source.map_files)
        rows = [row(card, source.name(file), answer) for file, answer in answers]
        return pa.Table.from_pylist(rows, self._schema)


def classify_here(
    network: ServedNetwork, url: str, chunks: Iterable[Sequence[str]]
) -> Iterator[pa.Table]:
    """Yield the rows of each chunk, in order, with a process for each core.

    Raises:
        BrokenProcessPool: A process was killed, as the system does where memory runs out.
    """
    processes = available_cpus()
    # Forking would copy the locks of threads that it does not copy.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _start, (url, *network)) as pool:
        pending: deque[Future[pa.Table]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(_classify, chunk))
                # Only so many are read ahead and wait for their turn, so that memory has a bound.
                if len(pending) > 4 * processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # After an interrupt, nobody waits for what they do.
            if pending:
                for process in multiprocessing.active_children():
                    process.terminate()


def _start(*arguments: object) -> None:
    """Prepare a process of the pool."""
    global _worker  # noqa: PLW0603 - a pool has no other place for what a process keeps
    # Ctrl-C is for the first process, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _worker = Worker(*arguments)  # type: ignore[arg-type]


def _follow_parent() -> None:
    """End this process when the first one was killed, which a pool does not notice."""
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _classify(files: Sequence[str]) -> pa.Table:
    return _worker.classify(files)


_worker: Worker
