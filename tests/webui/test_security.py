"""What other sites cannot do with the page, and what the page itself never does."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, heading, status_and_type, upload
from tests.webui.conftest import CreateClient

ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("OPTIONS", "/predict"),
        ("POST", "/predict"),
        ("POST", "/predict?as=card"),
        ("GET", "/predict"),
        ("GET", "/healthz"),
        ("GET", "/nothing-here"),
        ("PUT", "/"),
        ("GET", "/static/styles/base.css"),
    ],
)
def test_every_answer_has_security_headers(client: FlaskClient, method: str, path: str) -> None:
    with client.open(path, method=method, headers=ELSEWHERE) as response:
        headers, mimetype = response.headers, response.mimetype
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    if mimetype != "text/html":
        return
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"].startswith("camera=(self), geolocation=(), ")
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:5000", "Host": "localhost:5000"},
        {"Origin": "http://[::1]:5000", "Host": "[::1]:5000"},
        # Behind a proxy that passes on another host.
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://pictures.example"},
    ],
)
def test_pictures_are_taken_from_the_page_itself_and_from_programs(
    client: FlaskClient, torchserve: FakeTorchServe, headers: dict[str, str]
) -> None:
    assert upload(client, accept={**AS_JSON, **headers}).status_code == 200
    assert len(torchserve.images) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        # Another port or name of the same machine.
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "Same-Origin"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:5001", "Host": "localhost:5000"},
        {"Origin": "http://localhost", "Host": "localhost:5000"},
        {"Origin": "http://127.0.0.1:5000", "Host": "localhost:5000"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "file://"},
    ],
)
def test_pictures_of_other_sites_are_refused(
    client: FlaskClient, torchserve: FakeTorchServe, headers: dict[str, str]
) -> None:
    answer = upload(client, accept={**AS_JSON, **headers})
    assert status_and_type(answer) == (403, "CrossSiteError")
    page = upload(client, accept={**AS_HTML, **headers})
    assert page.status_code == 403
    assert heading(page) == "Another site sent that picture"
    assert torchserve.images == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_links_of_other_sites_work(client: FlaskClient, method: str) -> None:
    headers = {**ELSEWHERE, "Origin": "http://evil.example"}
    for path in ("/", "/predict", "/healthz", "/static/styles/base.css"):
        with client.open(path, method=method, headers=headers) as response:
            assert response.status_code in {200, 303}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_else_of_other_sites_is_answered(client: FlaskClient, method: str) -> None:
    for path in ("/", "/predict", "/nothing-here"):
        assert client.open(path, method=method, headers=ELSEWHERE).status_code == 403


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:1", "[::1]", "[::1]:80"]
)
def test_a_page_on_this_machine_is_reached_by_its_names_only(
    client: FlaskClient, host: str
) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200
    for other in ("evil.example", "localhost.evil.example", "10.0.0.1:5000", "web_ui", "[::2]", ""):
        for path in ("/", "/static/styles/base.css", "/nothing-here"):
            answer = client.get(path, headers={**AS_JSON, "Host": other})
            assert status_and_type(answer) == (400, "BadRequestError")
        page = upload(client, accept={**AS_HTML, "Host": other})
        assert (page.status_code, heading(page)) == (400, "That request could not be understood")
        # Those who watch over servers ask by address.
        assert client.get("/healthz", headers={"Host": other}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "allowed", "refused"),
    [
        ({"allowed_hosts": ("a.example", "web_ui")}, ["A.example:5000", "web_ui"], ["b.example"]),
        ({"webui_host": "0.0.0.0"}, ["a.example", "10.0.0.1:5000", "web_ui:5000"], []),  # noqa: S104
        (
            {"webui_host": "10.0.0.1", "allowed_hosts": ("a.example",)},
            ["a.example", "10.0.0.1:5000", "localhost"],
            ["10.0.0.2"],
        ),
    ],
)
def test_other_names_can_be_allowed(
    client_with: CreateClient, changes: dict[str, Any], allowed: list[str], refused: list[str]
) -> None:
    client = client_with(**changes)
    for host in allowed:
        assert client.get("/", headers={"Host": host}).status_code == 200
        origin = {"Host": host, "Origin": f"http://{host}"}
        assert upload(client, accept={**AS_JSON, **origin}).status_code == 200
    for host in refused:
        assert client.get("/", headers={"Host": host}).status_code == 400
