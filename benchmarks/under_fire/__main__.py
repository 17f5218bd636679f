"""Send a running server whatever a client may send, and see that it stays up and stays small.

The server is started as `make serve` starts it, on ports of its own. TorchServe is sent good
pictures of every format, truncated ones, changed ones, noise, JSON, forms and odd headers; the same
seed sends the same. Each request must get an answer, none of them a 5xx; whole pictures must be
answered rightly; no worker may be started again; and the workers must not grow. Then the page is
attacked from one address (127.0.0.2, which Linux has), and visitors of another must not wait.

  python -m benchmarks.under_fire                      50,000 requests, some minutes
  python -m benchmarks.under_fire --requests 500 --output /tmp/trial.md    does it work?
"""

import argparse
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import urllib3

from benchmarks.common.command import Command, option
from benchmarks.common.programs import WORKER, find_processes
from benchmarks.common.report import Report, mebibytes, table
from benchmarks.common.server import OK, Server, our_server
from benchmarks.under_fire.attacks import hold_connections, send_heavy_pictures
from benchmarks.under_fire.shots import Shot, make_samples, make_shot

# Share of the requests after which libraries have filled their tables, and the share by which the
# workers may grow afterwards.
SETTLED, MAX_GROWTH = 0.2, 0.05
# Seconds in which all workers have started: they start one after another.
WORKERS_APART_SECONDS = 5
ANSWER_SECONDS = 120
# Number of connections, which are kept open.
CONNECTIONS = 8
# What is done to the page, and the most seconds in which 99 of 100 visits must be answered.
ATTACKS = {
    "38-byte WebPs of 8000×8000, five a second": (send_heavy_pictures, 1.0),
    "1,000 idle and 200 slow connections": (hold_connections, 0.1),
}
OPTIONS = (
    option("--requests", "requests to send", 50_000),
    option("--seed", "chooses the requests", 1),
)


def measure(options: argparse.Namespace) -> Report:
    """Start the server, send it everything, and report what came of it."""
    samples = make_samples()
    first = round(options.requests * SETTLED)
    with our_server(rate_limit="300 per minute") as server:
        time.sleep(WORKERS_APART_SECONDS)
        before = find_processes(server.pid, WORKER)
        counts = send(server, range(first), options.seed, samples)
        settled = sum(one.memory_info().rss for one in find_processes(server.pid, WORKER))
        counts += send(server, range(first, options.requests), options.seed, samples)
        end = sum(one.memory_info().rss for one in find_processes(server.pid, WORKER))
        visits = {name: attack(server.web_ui) for name, (attack, _) in ATTACKS.items()}
        after = find_processes(server.pid, WORKER)
    return make_report(counts, (settled, end), (before, after), visits)


def send(
    server: Server, numbers: range, seed: int, samples: list[tuple[bytes, str]]
) -> Counter[tuple[str, str]]:
    """Send the requests of these numbers, and count their kinds and the answers to them."""
    # TorchServe closes the connection after an error, so a kept one may be gone.
    retries = urllib3.Retry(2, allowed_methods=None, status=0)
    pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=retries, timeout=ANSWER_SECONDS)

    def ask(number: int) -> tuple[str, str]:
        shot = make_shot(number, seed, samples)
        return shot.kind, _answer(pool, server, shot)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return Counter(threads.map(ask, numbers))


def _answer(pool: urllib3.PoolManager, server: Server, shot: Shot) -> str:
    """Return the answer in a word or two; that to a whole picture must have the right label."""
    headers = {**server.headers, **shot.headers}
    try:
        response = pool.request("POST", server.url, body=shot.body, headers=headers)
        answer = response.json()
        if response.status != OK:
            return f"{response.status} {answer['type']}"
        return "wrong" if shot.kind == "whole" and answer["label"] != shot.label else "200"
    except urllib3.exceptions.HTTPError as error:
        return f"none ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        return f"in no known shape, {response.status}"


def make_report(
    counts: Counter[tuple[str, str]],
    sizes: tuple[int, int],
    workers: tuple[list[psutil.Process], list[psutil.Process]],
    visits: dict[str, list[float]],
) -> Report:
    """Return the report, with what is not as it must be among its failures.

    It takes numbers of requests by kind and answer; the workers' bytes when they had settled and at
    the end; the workers before and after everything; sorted seconds of visits under each attack.
    """
    answers = sorted((kind, answer, f"{n:,}") for (kind, answer), n in counts.items())
    failures = {}
    if faults := [" ".join(row) for row in answers if not row[1].startswith(("200", "4"))]:
        failures["answers"] = "\n".join(faults)
    settled, end = sizes
    if end > (1 + MAX_GROWTH) * settled:
        failures["memory"] = f"the workers grew from {mebibytes(settled)} to {mebibytes(end)}"
    if workers[0] != workers[1]:
        failures["workers"] = f"{workers[0]} became {workers[1]}"
    waits = []
    for name, (_, allowed) in ATTACKS.items():
        p99 = visits[name][-2]
        waits.append((name, f"{1000 * p99:.0f} ms", f"{1000 * allowed:.0f} ms"))
        if p99 > allowed:
            failures[name] = f"99 of 100 visits took up to {1000 * p99:.0f} ms"
    parts = [
        "FAILED, see below." if failures else "All was answered, and no worker was started again.",
        f"The workers took {mebibytes(settled)} after a fifth, and {mebibytes(end)} at the end.",
        table(("attack", "99 of 100 visits", "allowed"), waits),
        table(("sent", "answer", "number"), answers),
    ]
    data = {"answers": answers, "sizes": sizes, "visits": visits}
    return Report("Under fire", parts, data, {}, failures)


COMMAND = Command("under_fire", __doc__, OPTIONS, measure, needs_quiet=False)

if __name__ == "__main__":
    COMMAND.main()
