"""Texts that go over the wire compressed, and what does not."""

import gzip
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

GZIP = {"Accept-Encoding": "gzip"}
TEXTS = ["/api", "/api/openapi.json", "/static/styles/base.css", "/static/modules/main.js"]


def get(client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> TestResponse:
    # Buffered, as that closes files.
    return client.get(path, headers=headers, buffered=True)


@pytest.mark.parametrize("path", TEXTS)
def test_a_text_is_compressed_for_those_who_take_it(client: FlaskClient, path: str) -> None:
    plain = get(client, path)
    compressed = get(client, path, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.data) < len(plain.data) / 1.5
    assert gzip.decompress(compressed.data) == plain.data
    for response in (plain, compressed):
        assert "Accept-Encoding" in response.vary


@pytest.mark.parametrize("refusal", ["identity", "deflate"])
def test_those_who_do_not_take_it_get_the_plain_text(client: FlaskClient, refusal: str) -> None:
    response = get(client, "/", headers={"Accept-Encoding": refusal})
    assert response.text.startswith("<!doctype html>")


def test_a_kept_file_is_not_sent_again(client: FlaskClient) -> None:
    first = get(client, "/static/styles/base.css", headers=GZIP)
    kept = first.headers["ETag"]
    again = get(client, "/static/styles/base.css", headers={**GZIP, "If-None-Match": kept})
    assert again.status_code == 304
    assert again.data == b""


def test_a_part_of_a_file_and_its_head_are_right(client: FlaskClient) -> None:
    whole = get(client, "/static/styles/base.css").data
    part = get(client, "/static/styles/base.css", headers={**GZIP, "Range": "bytes=10-19"})
    assert part.data == whole[10:20]
    head = client.head("/static/styles/base.css", headers=GZIP, buffered=True)
    sent = get(client, "/static/styles/base.css", headers=GZIP)
    assert head.data == b""
    assert head.headers["Content-Length"] == sent.headers["Content-Length"]


def test_a_page_that_is_mostly_pictures_and_a_short_text_stay_as_they_are(
    client: FlaskClient,
) -> None:
    large = b"\x89PNG\r\n\x1a\n" + bytes(300_000)
    page = client.post("/predict", data={"image": (BytesIO(large), "large.png")}, headers=GZIP)
    assert page.status_code == 200
    assert "Content-Encoding" not in page.headers
    assert get(client, "/healthz", headers=GZIP).get_json() == {"status": "ok"}
