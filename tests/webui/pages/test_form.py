"""The page that accepts pictures."""

import json
import re

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import CreateClient


def test_form_sends_files_to_predict(client: FlaskClient) -> None:
    page = client.get("/").text
    assert re.search(r'<form[^>]* action="/predict" method="post"\s+enctype="multipart/', page)
    assert re.search(r'<input[^>]* type="file"[^>]* name="image" multiple', page)


def test_form_names_its_limits(client_with: CreateClient) -> None:
    page = client_with(max_pictures=7).get("/").text
    assert 'data-max-bytes="1000000"' in page
    assert "up to 976.6 KiB each, 7 at once" in page


def test_form_contains_the_errors_and_words_that_its_script_shows(client: FlaskClient) -> None:
    page = client.get("/").text
    for name in ("NoFileError", "EmptyFileError", "UploadTooLargeError", "NoAnswerError"):
        (template,) = re.findall(rf'<template id="{name}">(.*?)</template>', page, re.DOTALL)
        assert f"<code>{name}</code>" in template
    (words,) = re.findall(r'<script type="application/json" id="words">(.*?)</script>', page)
    # Its placeholders are the script's to fill in.
    assert json.loads(words)["announcement"] == "{name}: {headline}, {percentage}"


@pytest.mark.parametrize("path", ["/", "/api"])
def test_everything_a_page_links_to_exists_and_ids_are_unique(
    client: FlaskClient, path: str
) -> None:
    page = client.get(path).text
    addresses = re.findall(r'(?:src|href)="(/[^"]*)"', page)
    assert "/static/styles/base.css" in addresses
    for address in addresses:
        with client.get(address) as response:
            assert response.status_code == 200, address
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) > 10
    assert len(ids) == len(set(ids))
