"""Who may reach the real TorchServe, and with which key."""

import psutil
import pytest

from tests.helpers.pictures import RED
from tests.helpers.server import Server


@pytest.mark.parametrize("path", ["/predictions/cifar10", "/ping"])
def test_nothing_is_answered_without_the_key(server: Server, path: str) -> None:
    response = server.http.request("POST", server.settings.inference_url + path, body=RED)
    assert response.status == 400
    assert response.json()["type"] == "InvalidKeyException"


def test_no_model_can_be_registered_even_with_the_key(server: Server) -> None:
    response = server.http.request(
        "POST",
        f"{server.settings.management_url}/models?url=cifar10.mar&model_name=second",
        headers=server.authorization("management"),
    )
    assert response.status == 405
    assert response.json()["type"] == "MethodNotAllowedException"


def test_a_renewed_key_replaces_the_old_one_and_the_web_ui_goes_on(server: Server) -> None:
    old = server.authorization()
    assert server.ask_page(RED).status == 200
    url = f"{server.settings.management_url}/token?type=inference"
    assert server.http.request("GET", url, headers=server.authorization("API")).status == 200
    assert server.post(headers=old, body=RED).status == 400
    assert server.predict(RED).status == 200
    assert server.ask_page(RED).status == 200


def test_everything_listens_on_loopback_only(server: Server) -> None:
    listening = {
        connection.laddr
        for process in [server.process, *server.process.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.port for address in listening} >= set(server.ports.values())
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_keys_are_readable_by_their_owner_alone(server: Server) -> None:
    assert server.settings.torchserve_run_directory.stat().st_mode & 0o777 == 0o700
    assert server.settings.key_file.stat().st_mode & 0o077 == 0
