"""The real nginx in front of the web UI, with the configuration that is shipped."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from flask.testing import FlaskClient

from benchmarks.common.server import free_ports
from model import PROJECT
from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, PNG
from tests.helpers.waiting import wait_until
from tests.webui.conftest import CreateClient, running_app
from webui import create_app
from webui.settings import Settings

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
FRAME = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/site.conf;
}}
"""


def is_up(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Return the address of the page at nginx."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    (port,) = free_ports(1)
    shipped = (PROJECT / "deploy" / "nginx.conf").read_text()
    app = create_app(replace(settings, proxies=1, allowed_hosts=("pictures.example",)))
    with running_app(app) as app_port:
        config = shipped.replace("listen 80;", f"listen 127.0.0.1:{port};")
        (tmp_path / "site.conf").write_text(
            config.replace("127.0.0.1:5000", f"127.0.0.1:{app_port}")
        )
        (tmp_path / "nginx.conf").write_text(FRAME.format(folder=tmp_path))
        process = subprocess.Popen([NGINX, "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
        try:
            wait_until(lambda: is_up(f"http://127.0.0.1:{port}/classify/healthz"))
            yield f"http://127.0.0.1:{port}/classify"
        finally:
            process.terminate()
            process.wait(10)


def test_page_files_and_pictures_go_through_nginx(site: str, torchserve: FakeTorchServe) -> None:
    host = {"Host": "pictures.example"}
    page = urllib3.request("GET", f"{site}/", headers=host).data.decode()
    addresses = set(re.findall(r'(?:src|href|action|data-ready-url)="([^"#]+)"', page))
    assert len(addresses) > 15
    root = site.removesuffix("/classify")
    for address in addresses:
        assert address.startswith("/classify/"), address
        response = urllib3.request("GET", root + address, headers=host, redirect=False)
        assert response.status == (303 if "predict" in address else 200), address
    assert "/classify/predict" in addresses
    fields = {"image": ("a.png", PNG)}
    for accept, media_type in ((AS_HTML, "text/html"), (AS_JSON, "application/json")):
        headers = {**host, **accept, "Origin": "http://pictures.example"}
        response = urllib3.request("POST", f"{site}/predict", fields=fields, headers=headers)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(media_type)
        if accept is AS_HTML:
            # The code to copy leads through nginx, too.
            assert "http://pictures.example/classify/predict" in response.data.decode()
    assert torchserve.images[-2:] == [PNG] * 2


def test_addresses_behind_a_proxy_are_told_apart(client_with: CreateClient) -> None:
    client = client_with(proxies=1, rate_limit="1 per hour")

    def send(client: FlaskClient, forwarded: str) -> int:
        headers = {**AS_JSON, "X-Forwarded-For": forwarded, "Content-Type": "image/png"}
        return client.post("/predict", data=PNG, headers=headers).status_code

    # Only what the last proxy says counts.
    visitors = ["192.0.2.1", "192.0.2.2", "192.0.2.9, 192.0.2.1"]
    assert [send(client, visitor) for visitor in visitors] == [200, 200, 429]
