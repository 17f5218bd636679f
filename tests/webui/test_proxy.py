"""The real nginx in front of the web UI, with the configuration that is shipped."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from benchmarks.common.server import free_ports
from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.nginx import HOST, Site, running_nginx
from tests.helpers.running_app import running_app
from tests.helpers.sending import AS_HTML, AS_JSON, PNG
from tests.webui.conftest import CreateClient
from webui import create_app
from webui.settings import Settings


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    """Return the page at nginx."""
    app = create_app(replace(settings, proxies=1, allowed_hosts=(HOST,)))
    with running_app(app) as port, running_nginx(tmp_path, port) as running:
        yield running


def test_page_files_and_pictures_go_through_nginx_and_tls(
    site: Site, torchserve: FakeTorchServe
) -> None:
    page = site.http.request("GET", f"{site.url}/")
    assert "max-age" in page.headers["Strict-Transport-Security"]
    addresses = set(
        re.findall(r'(?:src|href|action|data-ready-url)="([^"#]+)"', page.data.decode())
    )
    assert len(addresses) > 15
    root = site.url.removesuffix("/classify")
    for address in addresses:
        assert address.startswith("/classify/"), address
        response = site.http.request("GET", root + address, redirect=False)
        assert response.status == (303 if "predict" in address else 200), address
    assert "/classify/predict" in addresses
    fields = {"image": ("a.png", PNG)}
    for accept, media_type in ((AS_HTML, "text/html"), (AS_JSON, "application/json")):
        headers = {"Host": HOST, "Origin": f"https://{HOST}", **accept}
        response = site.http.request("POST", f"{site.url}/predict", fields=fields, headers=headers)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(media_type)
        if accept is AS_HTML:
            # The code to copy leads through nginx and TLS, too.
            assert f"https://{HOST}/classify/predict" in response.data.decode()
    assert torchserve.images[-2:] == [PNG] * 2


def test_who_comes_without_tls_is_sent_to_it(site: Site) -> None:
    response = site.http.request("GET", f"{site.plain_url}/?lang=de", redirect=False)
    assert response.status == 308
    assert response.headers["Location"] == f"https://{HOST}/classify/?lang=de"


@pytest.mark.parametrize("is_up", [False, True])
def test_a_picture_that_one_server_can_not_answer_goes_to_the_other(
    settings: Settings, tmp_path: Path, *, is_up: bool
) -> None:
    settings = replace(settings, proxies=1, allowed_hosts=(HOST,))
    nobody, gone = free_ports(2)
    without_model = create_app(replace(settings, torchserve_inference_port=nobody))
    with (
        running_app(create_app(settings)) as port,
        running_app(without_model) as impaired,
        running_nginx(tmp_path, port, impaired if is_up else gone) as site,
    ):
        headers = {"Host": HOST, "Content-Type": "image/png", **AS_JSON}
        for _ in range(6):
            response = site.http.request("POST", f"{site.url}/predict", body=PNG, headers=headers)
            assert response.status == 200
    # The log names both for a request that was sent again.
    assert f"127.0.0.1:{port}\n" in site.access_log.read_text()
    assert ", " in site.access_log.read_text()


def test_addresses_behind_a_proxy_are_told_apart(client_with: CreateClient) -> None:
    client = client_with(proxies=1, rate_limit="1 per hour")

    def send(client: FlaskClient, forwarded: str) -> int:
        headers = {**AS_JSON, "X-Forwarded-For": forwarded, "Content-Type": "image/png"}
        return client.post("/predict", data=PNG, headers=headers).status_code

    # Only what the last proxy says counts.
    visitors = ["192.0.2.1", "192.0.2.2", "192.0.2.9, 192.0.2.1"]
    assert [send(client, visitor) for visitor in visitors] == [200, 200, 429]
