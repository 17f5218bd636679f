"""The code that a page offers works as it is pasted, whatever the picture is called."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, CARD, PNG, send_body, upload
from webui.openapi.code_snippets import create_code_snippets

FALLBACK = "picture.jpg"
EVIL = "$(touch x) 'a' \"b\"; touch y.png"
# Names that a file can have, and that a shell, curl or Python may take for something else.
ODD_NAMES = [
    *(
        "cat.png",
        FALLBACK,
        "my cat.png",
        " cat.png ",
        "-cat.png",
        "--help",
        "@cat.png",
        ".png",
        "~",
    ),
    *("cat;type=text.html", "cat,dog.png", 'a "cat".png', "the cat's.png", "'\"'\"'.png", '"'),
    *('";filename="x', EVIL, "`touch x`.png", "${HOME}.png", "cat.png; touch x", "a|b>c<d.png"),
    *("*?[a]{b,c}!~.png", "%41%%s{url!r}{}.png", "猫 😀 é.png", "a" * 200),
]
# Names that cannot be a file's here, or cannot be seen in full.
UNUSABLE_NAMES = [
    *("", ".", "..", "-", "a\nb.png", "a\0b.png", "\x1b[31m.png", "a/b.png", "a\\b.png"),
    *("cat\u202egnp.exe", "cat\u200b.png", "cat\u00a0.png", "cat\udc80.png"),
]


def snippets_for(app: Flask, name: str, base_url: str = "http://localhost") -> dict[str, str]:
    with app.test_request_context("/predict", base_url=base_url):
        return create_code_snippets(name)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_code_sends_the_picture_of_that_name_and_does_nothing_else(
    app: Flask, port: int, torchserve: FakeTorchServe, tmp_path: Path, language: str
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ODD_NAMES:
        (folder / name).write_bytes(name.encode())
    snippets = [snippets_for(app, name, f"http://127.0.0.1:{port}") for name in ODD_NAMES]
    # One after the other, as they would be pasted.
    code = "\n".join(each[language] for each in snippets)
    command = {"curl": ["sh", "-e", "-c", code], "Python": [sys.executable, "-c", code]}[language]
    completed = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 0, completed.stderr
    # Python prints a dictionary in its own way.
    answers = [json.loads(line.replace("'", '"')) for line in completed.stdout.splitlines()]
    assert answers == [torchserve.prediction] * len(ODD_NAMES)
    assert torchserve.images == [name.encode() for name in ODD_NAMES]
    assert {file.name for file in folder.iterdir()} == set(ODD_NAMES)


@pytest.mark.parametrize("name", UNUSABLE_NAMES)
def test_a_name_that_cannot_be_used_gives_way_to_another_one(app: Flask, name: str) -> None:
    assert snippets_for(app, name) == snippets_for(app, FALLBACK)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:5000", "http://[::1]:5000", "https://pictures.example"]
)
def test_code_asks_the_server_that_showed_it(app: Flask, base_url: str) -> None:
    for code in snippets_for(app, "cat.png", base_url).values():
        assert f"{base_url}/predict" in code


def snippets_in(page: str) -> list[str]:
    return [html.unescape(code) for code in re.findall(r"<code>(.*?)</code>", page, re.DOTALL)]


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_every_answer_shows_the_code_for_its_picture(
    app: Flask, client: FlaskClient, path: str
) -> None:
    for name in ("cat.png", "the cat's <b>.png", EVIL):
        # Browsers write a quotation mark like this.
        page = upload(client, name=name.replace('"', "%22"), path=path).text
        assert snippets_in(page) == list(snippets_for(app, name).values())
    page = send_body(client, PNG, accept=AS_HTML).text
    assert snippets_in(page) == list(snippets_for(app, FALLBACK).values())


def test_code_speaks_no_language(client: FlaskClient) -> None:
    for code in snippets_in(upload(client, path="/predict?language=en").text):
        assert "/predict" in code
        assert "language" not in code
