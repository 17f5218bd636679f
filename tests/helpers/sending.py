"""Sends pictures to the web UI as browsers and programs do, and reads its pages."""

import re
from base64 import b64decode

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
CARD = "/predict?as=card"
AS_JSON = {"Accept": "application/json"}
AS_HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def part(field: str, content: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form; werkzeug's client would write large ones to disk."""
    disposition = f'form-data; name="{field}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return f"--x\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def send(
    client: FlaskClient, *parts: bytes, accept: dict[str, str] = AS_JSON, path: str = "/predict"
) -> TestResponse:
    """Send a form of such parts."""
    body = b"".join(parts) + b"--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    return client.post(path, data=body, content_type=content_type, headers=accept)


def upload(
    client: FlaskClient,
    content: bytes = PNG,
    name: str = "cat.png",
    accept: dict[str, str] = AS_HTML,
    path: str = "/predict",
) -> TestResponse:
    """Send one picture in a form."""
    return send(client, part("image", content, name), accept=accept, path=path)


def upload_all(
    client: FlaskClient, *contents: bytes, accept: dict[str, str] = AS_HTML, path: str = "/predict"
) -> TestResponse:
    """Send several pictures in one form, called 0.png, 1.png and so on."""
    parts = [part("image", content, f"{index}.png") for index, content in enumerate(contents)]
    return send(client, *parts, accept=accept, path=path)


def send_body(
    client: FlaskClient,
    content: bytes,
    content_type: str | None = "application/octet-stream",
    accept: dict[str, str] = AS_JSON,
) -> TestResponse:
    """Send a picture as it is, without a form."""
    return client.post("/predict", data=content, content_type=content_type, headers=accept)


def status_and_type(response: TestResponse) -> tuple[int, str]:
    """Return the status of an error in JSON and its type."""
    document = response.get_json()
    assert set(document) == {"code", "type", "message"}
    assert document["code"] == response.status_code
    return response.status_code, document["type"]


def filenames(response: TestResponse) -> list[str]:
    """Return the names of the pictures on a page or on cards."""
    return re.findall(r'class="filename"[^>]*>(.*?)</span>', response.text)


def heading(response: TestResponse, level: int = 1) -> str:
    """Return the only heading of a level."""
    (text,) = headings(response, level)
    return text


def headings(response: TestResponse, level: int) -> list[str]:
    """Return the headings of a level, in their order."""
    found = re.findall(rf"<h{level}[^>]*>(.*?)</h{level}>", response.text)
    return [re.sub("</?span[^>]*>", "", text) for text in found]
