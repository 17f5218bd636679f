"""A web UI in front of a fake TorchServe, and something that sends requests to it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from tests.helpers.fake_torchserve import FakeTorchServe, running_fake_torchserve
from tests.helpers.running_app import running_app
from webui import create_app
from webui.settings import Settings

MAX_UPLOAD_BYTES = 1_000_000
MAX_FORM_BYTES = 2_500_000

CreateClient = Callable[..., FlaskClient]


class CompiledTemplates(BytecodeCache):
    """Templates that were compiled once: that takes longer than most tests."""

    def __init__(self) -> None:
        self._templates: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._templates:
            bucket.bytecode_from_string(self._templates[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._templates[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Share compiled templates among the apps of all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


@pytest.fixture
def torchserve(tmp_path: Path) -> Iterator[FakeTorchServe]:
    """Return a server that speaks as TorchServe does."""
    with running_fake_torchserve(tmp_path) as fake:
        yield fake


@pytest.fixture
def settings(torchserve: FakeTorchServe) -> Settings:
    """Return settings that lead to the fixture ``torchserve``."""
    return replace(
        torchserve.settings,
        torchserve_timeout_seconds=20,
        max_upload_bytes=MAX_UPLOAD_BYTES,
        max_form_bytes=MAX_FORM_BYTES,
    )


@pytest.fixture
def app(settings: Settings) -> Flask:
    """Return the web UI in front of the fixture ``torchserve``."""
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return something that sends requests to the fixture ``app``."""
    return app.test_client()


@pytest.fixture
def client_with(settings: Settings) -> CreateClient:
    """Return what creates a client of a web UI with other settings."""

    def create(**changes: Any) -> FlaskClient:
        return create_app(replace(settings, **changes)).test_client()

    return create


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """Return where a real server serves the fixture ``app``."""
    with running_app(app) as found:
        yield found
