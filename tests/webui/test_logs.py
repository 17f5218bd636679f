"""The log has each request's id, and does not grow with what is refused."""

import json
import logging
import sys
from io import StringIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_JSON, PNG, upload, upload_all
from tests.webui.conftest import CreateClient
from webui import logs


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> StringIO:
    """Return the log, as the program sets it up; the parameter is its format."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.log_to_stderr(getattr(request, "param", "text"))
    return stream


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing-here", "/static/styles/base.css"])
def test_every_answer_has_an_id(client: FlaskClient, path: str) -> None:
    ids = []
    for sent, kept in (
        ({}, None),
        ({"X-Request-Id": "a-1"}, "a-1"),
        ({"X-Request-Id": "a b"}, None),
    ):
        with client.get(path, headers=sent) as response:
            ids.append(response.headers["X-Request-Id"])
        assert kept in {None, ids[-1]}
    assert len(set(ids)) == 3
    assert all(len(each) == 32 for each in (ids[0], ids[2]))


def test_torchserve_and_the_log_get_the_id(
    client: FlaskClient, torchserve: FakeTorchServe, log: StringIO
) -> None:
    torchserve.will_answer(200, b"garbage")
    headers = {**AS_JSON, "X-Request-Id": "b.2"}
    upload_all(client, PNG, PNG, PNG, accept=headers)
    assert torchserve.request_ids == ["b.2"] * 3
    (line,) = log.getvalue().splitlines()
    assert "ERROR [b.2] ModelServerError: " in line


def test_refusals_of_a_kind_are_one_line_a_minute(
    client_with: CreateClient,
    torchserve: FakeTorchServe,
    log: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_with(rate_limit="3 per hour")
    torchserve.will_answer_error(503, "ServiceUnavailableException", times=2)
    statuses = [upload(client).status_code for _ in range(9)]
    assert statuses == [503, 503, 200, *[429] * 6]
    assert [line.split("] ")[1].split(":")[0] for line in log.getvalue().splitlines()] == [
        "OverloadedError",
        "RateLimitError",
    ]
    monkeypatch.setattr(logs, "PAUSE_SECONDS", 0)
    upload(client)
    assert log.getvalue().endswith(" (5 more since the last line)\n")


def test_mistakes_of_the_program_are_all_in_the_log(app: Flask, log: StringIO) -> None:
    app.extensions["models"] = None
    for _ in range(3):
        assert upload(app.test_client()).status_code == 500
    assert log.getvalue().count("Traceback") == 3


@pytest.mark.parametrize("log", ["json"], indirect=True)
def test_each_line_is_json_if_that_is_asked_for(
    app: Flask, torchserve: FakeTorchServe, log: StringIO
) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    upload(app.test_client(), accept={**AS_JSON, "X-Request-Id": "b.2"})
    app.extensions["models"] = None
    upload(app.test_client())
    refusal, mistake = map(json.loads, log.getvalue().splitlines())
    assert refusal.keys() == {"time", "level", "logger", "message", "request_id"}
    assert (refusal["level"], refusal["request_id"]) == ("ERROR", "b.2")
    assert refusal["message"].startswith("OverloadedError: ")
    assert "TypeError" in mistake["traceback"]
