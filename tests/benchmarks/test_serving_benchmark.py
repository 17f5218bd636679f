"""What the serving benchmark makes of its measurements, and one real load."""

import os
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from benchmarks.common.programs import ProgramError
from benchmarks.common.server import ARCHIVES, Server
from benchmarks.serving import __main__ as serving
from benchmarks.serving.__main__ import COMMAND, CONNECTIONS, PICTURES, Run, check_answer
from benchmarks.serving.wrk import Load, put_load
from model.inference.classifier import Classifier

PNG = PICTURES["png"]()
NEEDS_WRK = pytest.mark.skipif(
    not shutil.which("wrk"), reason="needs wrk: sudo apt-get install wrk"
)


def make_run(p50: float, rate: float) -> Run:
    loads = [Load(connections, p50, 3 * p50, rate) for connections in CONNECTIONS]
    return Run(5.0, 1e-6, 2**20, 2**21, {PNG.label: loads})


@NEEDS_WRK
def test_the_tables_hold_medians_and_ratios_of_those_that_never_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = {
        "ours": [make_run(0.001, 400), make_run(0.002, 600), make_run(0.009, 100)],
        "fastapi": [make_run(0.004, 50)] * 3,
    }

    def measure_server(name: str, *_: object) -> Run:
        if name not in runs:
            raise ProgramError("it ended")
        return runs[name].pop()

    monkeypatch.setattr(serving, "measure_server", measure_server)
    monkeypatch.setattr(serving, "prepare", lambda _group: None)
    output = tmp_path / "trial.md"
    assert COMMAND.run(["--pictures", "png", "--output", str(output)]) == 1
    text, peer = output.read_text(), "FastAPI and ONNX Runtime, 2 processes"
    assert "| 8 | ours, TorchServe | 2.00 ms | 6.00 ms | 400.0 |" in text
    assert f"| 32 | {peer} | 4.00 ms | 12.00 ms | 50.0 | 0.50 | 0.50 | 8.00 |" in text
    assert f"| {peer} | 1 MiB | 2 MiB | 5.0 s | 1e-06 |" in text
    assert f"## Failed: {peer}, on our quantised graph\n\n```\nit ended" in text


@pytest.mark.parametrize(
    ("difference", "label", "right"),
    [
        (0.005, "ship", True),
        (0.02, "ship", False),
        (float("nan"), "ship", False),
        (0.0, "cat", False),
    ],
)
def test_a_server_with_wrong_answers_is_refused(
    monkeypatch: pytest.MonkeyPatch, difference: float, label: str, *, right: bool
) -> None:
    network = Classifier.load(ARCHIVES["1.0"])
    answer: dict[str, Any] = network.classify(PNG.data) | {"label": label}
    answer["probabilities"]["cat"] += difference
    monkeypatch.setattr(serving, "ask", lambda *_: answer)
    server = Server(0, "")
    if right:
        assert check_answer(server, PNG, network) == pytest.approx(difference)
    else:
        with pytest.raises(ProgramError, match="its answers are wrong"):
            check_answer(server, PNG, network)


@NEEDS_WRK
def test_a_load_sends_the_picture_and_errors_fail_the_server() -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.headers["Authorization"] == 'a "b"'
            right = self.rfile.read(int(self.headers["Content-Length"])) == PNG.data
            self.send_response(200 if right else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever).start()
        url, headers = f"http://127.0.0.1:{http.server_port}/", {"Authorization": 'a "b"'}
        server = Server(os.getpid(), url, headers)
        try:
            load = put_load(server, PNG.data, 2, 1)
            assert 0 < load.p50 < load.p99 < 1 < load.requests_per_second
            with pytest.raises(ProgramError, match=r"errors under load: .*'status': [1-9]"):
                put_load(server, b"other", 2, 1)
        finally:
            http.shutdown()
