"""Send a running server whatever a client may send, and see that it stays up and stays small.

TorchServe is started as `make serve` starts it, on ports of its own. It is sent good pictures of
every format, truncated ones, changed ones, noise, JSON, forms and odd headers; the same seed sends
the same. Each request must get an answer, none of them a 5xx; no worker may be started again; and
the workers' memory must not grow.
"""

import argparse
import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil
import urllib3

from benchmarks.common.command import Command, add_number
from benchmarks.common.memory import process_tree
from benchmarks.common.pictures import small_picture
from benchmarks.common.report import Report, mebibytes, table
from benchmarks.common.server import OK, Request, Server, our_server, wait_until_ready
from benchmarks.under_fire.requests import Magazine

TENTHS = 10
# Number of tenths after which libraries have filled their tables and Java its heap.
SETTLED = 2
MAX_GROWTH_BYTES = 100 * 2**20
# Seconds in which all workers have started: they start one after another.
WORKERS_APART_SECONDS = 5
ANSWER_SECONDS = 120
EXAMPLES = """\
  python -m benchmarks.under_fire                      50,000 requests, some minutes
  python -m benchmarks.under_fire --requests 500 --output /tmp/trial.md    does it work?
"""


class Sizes(NamedTuple):
    """Resident memory after so many requests, in bytes: all workers' together, and Java's."""

    requests: int
    workers: int
    java: int


class Fire(NamedTuple):
    """What came of all requests.

    Numbers of answers, by kind of request and by status and type; process ids of the workers before
    and after; sizes after each tenth; seconds for all.
    """

    answers: dict[str, Counter[str]]
    workers: tuple[list[int], list[int]]
    sizes: list[Sizes]
    seconds: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_number(parser, "--requests", 50_000, "requests to send")
    add_number(parser, "--connections", 8, "connections, which are kept open")
    parser.add_argument("--seed", type=int, default=0, help="chooses the requests (default: 0)")


def measure(options: argparse.Namespace) -> Report:
    """Start the server, send it everything, and report what came of it."""
    with our_server() as server:
        wait_until_ready(server.request(small_picture()), server.pid)
        time.sleep(WORKERS_APART_SECONDS)
        fire = send_all(server, options.requests, options.connections, options.seed)
    return make_report(fire, {"seed": str(options.seed), "connections": str(options.connections)})


def send_all(server: Server, requests: int, connections: int, seed: int) -> Fire:
    """Send all requests, and take the sizes after each tenth."""
    magazine = Magazine(seed)
    answers: dict[str, Counter[str]] = {}
    lock = threading.Lock()
    # TorchServe closes the connection after an error, so a kept one may be gone.
    retries = urllib3.Retry(2, allowed_methods=None, status=0)
    pool = urllib3.PoolManager(maxsize=connections, retries=retries, timeout=ANSWER_SECONDS)

    def send(number: int) -> None:
        kind, body, headers = magazine.shot(number)
        request = server.request(body)
        answer = _ask(pool, request._replace(headers={**request.headers, **headers}))
        with lock:
            answers.setdefault(kind, Counter())[answer] += 1

    workers, sizes, started = worker_pids(server.pid), [], time.monotonic()
    tenths = itertools.pairwise(requests * part // TENTHS for part in range(TENTHS + 1))
    with ThreadPoolExecutor(connections) as threads:
        for first, last in tenths:
            for _ in threads.map(send, range(first, last)):
                pass
            memory = {one: one.memory_info().rss for one in process_tree(server.pid)}
            of_workers = sum(size for one, size in memory.items() if is_worker(one))
            of_java = sum(size for one, size in memory.items() if one.name() == "java")
            sizes.append(Sizes(last, of_workers, of_java))
            print(" | ".join(_cells(sizes[-1])), flush=True)
    seconds = time.monotonic() - started
    return Fire(answers, (workers, worker_pids(server.pid)), sizes, seconds)


def _ask(pool: urllib3.PoolManager, request: Request) -> str:
    """Return the answer in a word or two."""
    try:
        response = pool.request("POST", request.url, body=request.body, headers=request.headers)
    except urllib3.exceptions.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    if response.status == OK:
        return str(OK)
    try:
        return f"{response.status} {response.json()['type']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.status} without a type"


def worker_pids(root: int) -> list[int]:
    """Return the process ids of TorchServe's workers below ``root``."""
    return sorted(one.pid for one in process_tree(root) if is_worker(one))


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker of TorchServe."""
    return any("model_service_worker" in part for part in process.cmdline())


def _cells(sizes: Sizes) -> list[str]:
    return [f"{sizes.requests:,}", mebibytes(sizes.workers), mebibytes(sizes.java)]


def make_report(fire: Fire, facts: dict[str, str]) -> Report:
    """Return the report; ``facts`` say what was sent."""
    faults = [
        f"{number}× {kind}: {answer}"
        for kind, counts in fire.answers.items()
        for answer, number in counts.items()
        if not answer.startswith(("200", "4")) or answer.endswith("without a type")
    ]
    failures = {"answers": "\n".join(faults)} if faults else {}
    if fire.workers[0] != fire.workers[1]:
        failures["workers"] = f"{fire.workers[0]} became {fire.workers[1]}"
    growth = fire.sizes[-1].workers - fire.sizes[SETTLED - 1].workers
    if growth > MAX_GROWTH_BYTES:
        failures["memory"] = f"the workers grew by {mebibytes(growth)}"
    kinds = []
    for kind, counts in sorted(fire.answers.items()):
        answers = ", ".join(f"{number:,} {answer}" for answer, number in counts.most_common())
        kinds.append([kind, f"{counts.total():,}", answers])
    parts = [
        "FAILED, see below." if failures else "No 5xx, no worker was started again.",
        f"From the second tenth to the end all workers together grew by {mebibytes(growth)}.",
        f"{fire.sizes[-1].requests / fire.seconds:.0f} requests a second were answered.",
        table(("requests", "workers", "Java"), map(_cells, fire.sizes)),
        table(("sent", "number", "answers"), kinds),
    ]
    return Report("Under fire", parts, fire._asdict(), facts, failures)


COMMAND = Command("under_fire", __doc__, EXAMPLES, add_options, measure)

if __name__ == "__main__":
    COMMAND.main()
