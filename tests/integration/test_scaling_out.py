"""Two servers behind nginx: when one is killed under load, the other answers everything."""

import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from tests.helpers.nginx import HOST, Site, running_nginx
from tests.helpers.server import running_server

CLIENTS = 8


def kill(process: psutil.Process) -> None:
    """Kill a `serve.py` and all that it started, before it could start anything anew."""
    for one in [process, *process.children(recursive=True)]:
        one.kill()


def send_until(stop: threading.Event, site: Site, image: bytes, answers: Counter[str]) -> None:
    while not stop.is_set():
        response = site.http.request(
            "POST", f"{site.url}/predict", fields={"image": ("a.png", image)}, redirect=False,
            headers={"Host": HOST, "Accept": "application/json"},
        )  # fmt: skip
        is_answer = response.status == 200
        answers[response.json()["label"] if is_answer else str(response.status)] += 1


def test_no_request_is_lost_when_one_of_two_servers_is_killed(tmp_path: Path, png: bytes) -> None:
    first_folder, second_folder = tmp_path / "1", tmp_path / "2"
    first_folder.mkdir()
    second_folder.mkdir()
    behind = {"PROXIES": "1", "ALLOWED_HOSTS": HOST}
    answers: Counter[str] = Counter()
    stop = threading.Event()
    with (
        running_server(first_folder, **behind) as first,
        running_server(second_folder, **behind) as second,
        running_nginx(tmp_path, first.settings.webui_port, second.settings.webui_port) as site,
    ):
        clients = [
            threading.Thread(target=send_until, args=(stop, site, png, answers))
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(2)
        kill(first.process)
        before = answers.total()
        time.sleep(2)
        stop.set()
        for client in clients:
            client.join()
        answered_by = site.access_log.read_text().splitlines()
    assert len(answers) == 1, answers
    assert min(before, answers.total() - before) > 50
    killed, left = (f"127.0.0.1:{one.settings.webui_port}" for one in (first, second))
    assert {killed, left} <= set(answered_by)
    # Also what was in its hands was sent again.
    assert f"{killed}, {left}" in answered_by
