"""Send the shipped server whatever a client may send, and see that it stays up and stays small.

Starts TorchServe as `make serve` does, on ports of its own, and sends it good pictures of every
format, truncated ones, changed ones, noise, JSON, forms and odd headers; the same seed sends the
same. Each must get an answer, none of them a 5xx; no worker may be started again; and the workers'
memory must not grow. Prints how large they are after each tenth.

Not sent is what calls itself a form and is none: TorchServe answers that with a 500 of its own,
before any handler sees it.
"""

import argparse
import base64
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import urllib3
from PIL import Image

from benchmarks import output
from benchmarks.machine import commit, describe_machine, describe_software
from benchmarks.programs import ProgramError
from benchmarks.servers import Server, start_ours, wait_until_ready
from model.options import OneLineParser, at_least_one
from tests.conftest import encode
from tests.fuzz.samples import make_samples

BENCHMARK = "under-fire"
TENTHS = 10
WORKERS_APART_SECONDS = 5
# Up to then libraries fill their tables and Java its heap.
SETTLED = 2
MAX_GROWTH_BYTES = 100 * 2**20
ANSWER_SECONDS = 120
OK, SERVER_ERROR = 200, 500
LARGE_NOISE_BYTES = 10_000_000
EPILOG = """\
examples:
  python -m benchmarks.under_fire                      50,000 requests, some minutes
  python -m benchmarks.under_fire --requests 500 --output /tmp/trial.md    does it work?
"""


@dataclass(frozen=True)
class Shot:
    """One request: its kind, as it is counted, and what is sent."""

    kind: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Sizes:
    """Memory after so many requests, in bytes; the workers' is the sum of theirs.

    Attributes:
        workers_shared: what several processes share, divided among them; 0 where unknown.
        java_shared: likewise.
    """

    requests: int
    workers: int
    workers_shared: int
    java: int
    java_shared: int


@dataclass(frozen=True)
class Fire:
    """What came of all requests.

    Attributes:
        answers: number by kind of request and by answer, which is ``200`` or status and type.
        faults: every 5xx and every request without an answer, as ``kind: answer``.
        workers_before: process ids.
        workers_after: likewise.
        sizes: after each tenth.
        seconds: for all.
    """

    answers: dict[str, dict[str, int]]
    faults: dict[str, int]
    workers_before: list[int]
    workers_after: list[int]
    sizes: list[Sizes]
    seconds: float

    def growth(self) -> int:
        """Return by how many bytes the workers have grown since they had settled."""
        return self.sizes[-1].workers - self.sizes[SETTLED - 1].workers

    def failures(self) -> list[str]:
        """Return what must not be, in words."""
        failures = [f"{count}× {fault}" for fault, count in self.faults.items()]
        if self.workers_after != self.workers_before:
            failures.append(f"workers {self.workers_before} became {self.workers_after}")
        if self.growth() > MAX_GROWTH_BYTES:
            failures.append(f"the workers' memory grew by {self.growth() / 2**20:.0f} MiB")
        return failures


class Magazine:
    """Makes requests; the same number and seed make the same request."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._samples = make_samples()
        self._names = sorted(self._samples)
        photo = Image.radial_gradient("L").resize((3000, 2000)).convert("RGB")
        self._photo = encode(photo, "JPEG")
        self._kinds: tuple[tuple[str, int, Callable[[random.Random], Shot]], ...] = (
            ("picture", 30, self._picture),
            ("truncated", 15, self._truncated),
            ("changed", 25, self._changed),
            ("noise", 8, self._noise),
            ("JSON", 10, self._json),
            ("form", 6, self._form),
            ("headers", 6, self._headers),
        )

    def shot(self, number: int) -> Shot:
        """Return the request of this number."""
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        weights = [weight for _, weight, _ in self._kinds]
        ((_, _, make),) = chance.choices(self._kinds, weights)
        return make(chance)

    def _sample(self, chance: random.Random) -> bytes:
        return self._samples[chance.choice(self._names)]

    def _picture(self, chance: random.Random) -> Shot:
        if chance.random() < 1 / 50:
            return Shot("large photo", self._photo, _BYTES)
        name = chance.choice(self._names)
        return Shot(f"whole {name.split()[0]}", self._samples[name], _BYTES)

    def _truncated(self, chance: random.Random) -> Shot:
        sample = self._sample(chance)
        return Shot("truncated", sample[: chance.randrange(len(sample))], _BYTES)

    def _changed(self, chance: random.Random) -> Shot:
        changed = bytearray(self._sample(chance))
        for _ in range(chance.randint(1, 5)):
            # Headers are at the beginning, and it is they who hold sizes.
            end = chance.choice((64, len(changed)))
            position = chance.randrange(min(end, len(changed)) or 1)
            length = chance.choice((0, 1, 2, 4, 40))
            match chance.randrange(3):
                case 0:
                    changed[position : position + length] = chance.randbytes(length)
                case 1:
                    changed[position : position + length] = b""
                case 2:
                    changed[position:position] = self._sample(chance)[: 5 * length]
        return Shot("changed", bytes(changed), _BYTES)

    def _noise(self, chance: random.Random) -> Shot:
        if chance.random() < 1 / 200:
            beginning = chance.choice((b"", self._sample(chance)[:64]))
            return Shot("10 MB of noise", beginning + chance.randbytes(LARGE_NOISE_BYTES), _BYTES)
        return Shot("noise", chance.randbytes(chance.choice((0, 1, 2, 100, 5000))), _BYTES)

    def _json(self, chance: random.Random) -> Shot:
        def instance() -> object:
            data = self._sample(chance)[: chance.choice((10_000, 50))]
            text = base64.b64encode(data).decode()
            return chance.choice(({"b64": text}, {"b64": text}, {"b64": text[1:]}, text, None, {}))

        document: object = {"instances": [instance() for _ in range(chance.choice((1, 2, 9, 65)))]}
        text = json.dumps(document).encode()
        if chance.random() < 1 / 4:
            rubbish = (
                b'{"instances": ',
                b"[" * 5000,
                b'{"instances": {"b64": 1e999}}',
                b"{}",
                text[1:],
            )
            text = chance.choice(rubbish)
        return Shot("JSON", text, {"Content-Type": "application/json"})

    def _form(self, chance: random.Random) -> Shot:
        name = chance.choice(("data", "data", "data", "image", "body"))
        fields: dict[str, str | tuple[str, bytes]] = {
            name: ("picture", self._sample(chance)),
            "top_k": chance.choice(_TOP_KS),
        }
        body, content_type = urllib3.encode_multipart_formdata(fields, boundary="under-fire")
        return Shot("form", body, {"Content-Type": content_type})

    def _headers(self, chance: random.Random) -> Shot:
        headers = {
            "Content-Type": chance.choice(("text/plain", "application/json", "image/png", "x", "")),
            chance.choice(("top_k", "Top-K")): chance.choice(_TOP_KS),
            chance.choice(("describe", "explain", "X-Odd")): "True",
        }
        return Shot("headers", self._sample(chance), headers)


_BYTES = {"Content-Type": "application/octet-stream"}
_TOP_KS = ("3", "1", "0", "-1", "1.5", "abc", "9" * 400)


def fire(server: Server, requests: int, connections: int, seed: int) -> Fire:
    """Send all requests, and take the sizes after each tenth."""
    magazine = Magazine(seed)
    answers: dict[str, Counter[str]] = {}
    faults: Counter[str] = Counter()
    lock = threading.Lock()
    pool = urllib3.PoolManager(
        maxsize=connections,
        # TorchServe closes the connection after an error, so a kept one may be gone.
        retries=urllib3.Retry(2, allowed_methods=None, status=0),
        timeout=ANSWER_SECONDS,
    )

    def send(number: int) -> None:
        shot = magazine.shot(number)
        answer, bad = _ask(pool, server, shot)
        with lock:
            answers.setdefault(shot.kind, Counter())[answer] += 1
            if bad:
                faults[f"{shot.kind}: {answer}"] += 1

    workers = worker_pids(server.pid)
    sizes = []
    started = time.monotonic()
    with ThreadPoolExecutor(connections) as threads:
        for first, last in _parts(requests):
            for _ in threads.map(send, range(first, last)):
                pass
            sizes.append(_sizes(server.pid, last))
            print(_row(sizes[-1]), flush=True)
    return Fire(
        {kind: dict(counter.most_common()) for kind, counter in sorted(answers.items())},
        dict(faults),
        workers,
        worker_pids(server.pid),
        sizes,
        time.monotonic() - started,
    )


def _parts(requests: int) -> Iterator[tuple[int, int]]:
    yield from itertools.pairwise(requests * part // TENTHS for part in range(TENTHS + 1))


def _ask(pool: urllib3.PoolManager, server: Server, shot: Shot) -> tuple[str, bool]:
    """Return the answer in a word or two, and whether it is one that must not be."""
    headers = {**server.headers, **shot.headers}
    try:
        response = pool.request("POST", server.url, body=shot.body, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        return f"no answer ({type(error).__name__})", True
    if response.status == OK:
        return str(OK), False
    try:
        kind = response.json()["type"]
    except (ValueError, KeyError, TypeError):
        return f"{response.status} without a type", True
    return f"{response.status} {kind}", response.status >= SERVER_ERROR


def worker_pids(root: int) -> list[int]:
    """Return the process ids of TorchServe's workers below ``root``."""
    return sorted(
        process.pid
        for process in psutil.Process(root).children(recursive=True)
        if any("model_service_worker" in part for part in process.cmdline())
    )


def _sizes(root: int, requests: int) -> Sizes:
    workers = worker_pids(root)
    (java,) = [
        process.pid
        for process in psutil.Process(root).children(recursive=True)
        if process.name() == "java"
    ]
    resident, divided = zip(*map(_memory, workers), strict=True)
    return Sizes(requests, sum(resident), sum(divided), *_memory(java))


def _memory(pid: int) -> tuple[int, int]:
    full = psutil.Process(pid).memory_full_info()
    return full.rss, getattr(full, "pss", 0)


def _row(sizes: Sizes) -> str:
    numbers = (sizes.workers, sizes.workers_shared, sizes.java, sizes.java_shared)
    return f"| {sizes.requests:,} | " + " | ".join(f"{it / 2**20:.0f}" for it in numbers) + " |"


def to_markdown(result: Fire, facts: dict[str, str]) -> str:
    """Return the tables and what must be known to read them."""
    failures = result.failures()
    totals: Counter[str] = Counter()
    for counts in result.answers.values():
        totals.update(counts)
    growth = f"{result.growth() / 2**20:+.0f} MiB"
    rate = totals.total() / result.seconds
    lines = [
        "# Under fire",
        "",
        "FAILED: " + "; ".join(failures) if failures else "No 5xx, no worker was started again.",
        "",
        f"From the second tenth to the end all workers together grew by {growth}.",
        f"{rate:.0f} requests a second were answered.",
        "",
        "| requests | workers, MiB | shared parts divided | Java, MiB | shared parts divided |",
        "|---|---|---|---|---|",
        *map(_row, result.sizes),
        "",
        "| answer | number |",
        "|---|---|",
        *(f"| {answer} | {number:,} |" for answer, number in totals.most_common()),
        "",
        "| sent | number | answers |",
        "|---|---|---|",
        *(
            f"| {kind} | {sum(counts.values()):,} | "
            + ", ".join(f"{number:,} {answer}" for answer, number in counts.items())
            + " |"
            for kind, counts in result.answers.items()
        ),
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m benchmarks.under_fire",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--requests",
        type=at_least_one,
        default=50_000,
        metavar="N",
        help="to send (default: 50000)",
    )
    parser.add_argument(
        "--connections",
        type=at_least_one,
        default=8,
        metavar="N",
        help="at once, kept open (default: 8)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the requests (default: 0)")
    output.add_output_option(parser, BENCHMARK, "every count")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    output.check_output(options, parser, BENCHMARK)
    output.interrupt_at_any_signal()
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "seed": str(options.seed),
        "connections": str(options.connections),
        **describe_machine(),
        **describe_software(),
    }
    try:
        with start_ours(Path()) as server:
            wait_until_ready(server, encode(Image.new("RGB", (32, 32))))
            # Workers start one after another, and all must be there before they are counted.
            time.sleep(WORKERS_APART_SECONDS)
            result = fire(server, options.requests, options.connections, options.seed)
    except ProgramError as error:
        print(f"benchmarks.under_fire: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was written.", file=sys.stderr)
        return 130
    document: dict[str, Any] = {"facts": facts, **asdict(result), "failures": result.failures()}
    output.write(to_markdown(result, facts), document, options.output)
    return 1 if result.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
