"""The real nginx, with the configuration that is shipped, on ports of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from benchmarks.common.server import free_ports
from model import PROJECT
from tests.helpers.waiting import wait_until

HOST = "pictures.example"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
FRAME = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
  log_format upstreams "$upstream_addr"; access_log {folder}/access.log upstreams;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Site:
    """The page at nginx: its addresses with and without TLS, and who trusts its certificate."""

    url: str
    plain_url: str
    http: urllib3.PoolManager
    access_log: Path


@contextmanager
def running_nginx(folder: Path, *web_uis: int) -> Iterator[Site]:
    """Run nginx in front of web UIs on these ports; skips the test where it is not installed."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _certify(certificate, key)
    plain_port, port = free_ports(2)
    server = "server 127.0.0.1:{} max_fails=0;"
    config = (PROJECT / "deploy" / "nginx.conf").read_text()
    for shipped, own in {
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/nginx/cifar10.pem": str(certificate),
        "/etc/nginx/cifar10.key": str(key),
        server.format(5000): "".join(map(server.format, web_uis)),
    }.items():
        assert shipped in config
        config = config.replace(shipped, own)
    (folder / "site.conf").write_text(config)
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"])
    http = urllib3.PoolManager(
        ca_certs=str(certificate), headers={"Host": HOST}, retries=False, maxsize=16, timeout=30
    )
    url = f"https://127.0.0.1:{port}/classify"
    try:
        wait_until(lambda: _is_up(http, f"{url}/healthz"))
        yield Site(url, f"http://127.0.0.1:{plain_port}/classify", http, folder / "access.log")
    finally:
        process.terminate()
        process.wait(10)


def _certify(certificate: Path, key: Path) -> None:
    names = f"subjectAltName=DNS:{HOST},IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", f"/CN={HOST}", "-addext", names, "-days", "2"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)


def _is_up(http: urllib3.PoolManager, url: str) -> bool:
    try:
        return http.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False
