"""The page that takes pictures."""

import json
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from webui import create_app
from webui.settings import Settings


def test_form_sends_files_to_predict(client: FlaskClient) -> None:
    page = client.get("/").text
    assert re.search(r'<form[^>]* action="/predict" method="post"\s+enctype="multipart/', page)
    assert re.search(r'<input[^>]* type="file"[^>]* name="image" multiple', page)


def test_form_names_its_limits(settings: Settings) -> None:
    page = create_app(replace(settings, max_pictures=7)).test_client().get("/").text
    assert 'data-max-bytes="1000000"' in page
    assert 'data-max-pictures="7"' in page
    assert "up to 976.6 KiB each, 7 at once" in page


@pytest.mark.parametrize(
    "type_name",
    ["NoFileError", "EmptyFileError", "UploadTooLargeError", "TooManyPicturesError"],
)
def test_form_holds_the_errors_that_its_script_finds(client: FlaskClient, type_name: str) -> None:
    page = client.get("/").text
    (template,) = re.findall(rf'<template id="{type_name}">(.*?)</template>', page, re.DOTALL)
    assert f"<code>{type_name}</code>" in template


def test_form_holds_the_words_that_its_script_says(client: FlaskClient) -> None:
    (words,) = re.findall(
        r'<script type="application/json" id="words">(.*?)</script>', client.get("/").text
    )
    # Its placeholders are the script's to fill in.
    assert json.loads(words)["announcement"] == "{name}: {label}, {percentage}"


def test_everything_a_page_links_to_exists(client: FlaskClient) -> None:
    addresses = re.findall(r'(?:src|href)="(/[^"]*)"', client.get("/").text)
    assert "/static/main.js" in addresses
    for address in addresses:
        with client.get(address) as response:
            assert response.status_code == 200, address


def test_ids_are_unique(client: FlaskClient) -> None:
    ids = re.findall(r'\sid="([^"]*)"', client.get("/").text)
    assert len(ids) > 10
    assert len(ids) == len(set(ids))


def test_reloading_a_result_leads_to_the_form(client: FlaskClient) -> None:
    response = client.get("/predict")
    assert (response.status_code, response.location) == (303, "/")


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "77")
    assert create_app().config["MAX_UPLOAD_BYTES"] == 77
