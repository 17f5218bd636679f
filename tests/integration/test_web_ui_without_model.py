"""The web UI when the real TorchServe behind it lacks the model, or has other keys."""

import io
import json
from dataclasses import replace
from pathlib import Path

from flask.testing import FlaskClient

from tests.helpers.server import Server
from webui import create_app
from webui.settings import Settings


def client_of(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


def assert_page_and_json(client: FlaskClient, png: bytes, status: int, kind: str) -> None:
    for accept in ("text/html", "application/json"):
        response = client.post(
            "/predict",
            data={"image": (io.BytesIO(png), "picture.png")},
            headers={"Accept": accept},
        )
        assert response.status_code == status
        assert response.mimetype == accept
        assert kind in response.text
        if accept == "application/json":
            assert set(response.get_json()) == {"code", "type", "message"}


def test_a_model_that_torchserve_does_not_have_yet_is_not_ready(server: Server, png: bytes) -> None:
    client = client_of(replace(server.settings, model_name="absent"))
    assert_page_and_json(client, png, 503, "ModelNotReadyError")
    assert client.get("/readyz").status_code == 503


def test_keys_of_another_torchserve_are_refused_as_our_fault(
    server: Server, tmp_path: Path, png: bytes
) -> None:
    keys = {kind: {"key": "wrongkey"} for kind in ("inference", "management", "API")}
    (tmp_path / "key_file.json").write_text(json.dumps(keys))
    client = client_of(replace(server.settings, torchserve_run_directory=tmp_path))
    assert_page_and_json(client, png, 502, "ModelServerKeyError")
