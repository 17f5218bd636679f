"""The code that a page offers works as it is pasted, whatever the picture is called."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import urllib3
from flask import Flask
from flask.testing import FlaskClient

from tests.webui.conftest import FakeTorchServe
from tests.webui.sending import PNG, send_body, upload
from webui.code_snippets import CodeSnippets, create_code_snippets

FALLBACK = "picture.jpg"
# Names that a file can have, and that a shell, curl or Python may take for something else.
ODD_NAMES = [
    "cat.png",
    "my cat.png",
    " cat.png ",
    "-cat.png",
    "--help",
    "@cat.png",
    "=cat.png",
    "cat;type=text.html",
    "cat,dog.png",
    'a "cat".png',
    "the cat's.png",
    "'\"'\"'.png",
    '"',
    '";filename="x',
    "$(touch x).png",
    "`touch x`.png",
    "${HOME}.png",
    "cat.png; touch x",
    "cat.png & touch x #",
    "a|b>c<d.png",
    "*?[a]{b,c}!~.png",
    "~",
    "%41%%s{url!r}{}.png",
    "猫 😀 é.png",
    "\u05d7\u05ea\u05d5\u05dc.png",
    ".png",
    "...",
    "a" * 200,
]
# Names that cannot be a file's here, or cannot be seen in full.
UNUSABLE_NAMES = [
    "",
    ".",
    "..",
    "-",
    "a\nb.png",
    "a\rb.png",
    "a\tb.png",
    "a\0b.png",
    "\x1b[31m.png",
    "../../etc/passwd",
    "a/b.png",
    "a\\b.png",
    "C:\\cat.png",
    "cat\u202egnp.exe",
    "cat\u2066.png",
    "cat\u200b.png",
    "cat\u00a0.png",
    "cat\u2028.png",
    "cat\ufeff.png",
    "cat\udc80.png",
]


def snippets_for(app: Flask, name: str, base_url: str = "http://localhost") -> CodeSnippets:
    with app.test_request_context("/predict", base_url=base_url):
        return create_code_snippets(name)


@pytest.fixture
def live_snippets(app: Flask, port: int) -> Callable[[str], CodeSnippets]:
    """Return what makes the code that asks a real server for the picture of a name."""
    return lambda name: snippets_for(app, name, f"http://127.0.0.1:{port}")


def run(snippets: CodeSnippets, language: str, folder: Path) -> subprocess.CompletedProcess[str]:
    commands = {
        "curl": ["sh", "-c", snippets.curl],
        "python": [sys.executable, "-c", snippets.python],
    }
    return subprocess.run(
        commands[language], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


def answer_to(completed: subprocess.CompletedProcess[str], language: str) -> object:
    assert completed.returncode == 0, completed.stderr
    if language == "curl":
        return json.loads(completed.stdout)
    # Python prints a dictionary in its own way.
    return json.loads(completed.stdout.replace("'", '"'))


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_code_sends_the_picture_of_that_name_and_does_nothing_else(
    live_snippets: Callable[[str], CodeSnippets],
    torchserve: FakeTorchServe,
    tmp_path: Path,
    name: str,
    language: str,
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / name).write_bytes(PNG)
    completed = run(live_snippets(name), language, folder)
    assert answer_to(completed, language) == torchserve.prediction
    assert torchserve.images == [PNG]
    assert [file.name for file in folder.iterdir()] == [name]


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("name", UNUSABLE_NAMES)
def test_a_name_that_cannot_be_used_gives_way_to_another_one(
    live_snippets: Callable[[str], CodeSnippets],
    torchserve: FakeTorchServe,
    tmp_path: Path,
    name: str,
    language: str,
) -> None:
    (tmp_path / FALLBACK).write_bytes(PNG)
    snippets = live_snippets(name)
    assert snippets == live_snippets(FALLBACK)
    assert answer_to(run(snippets, language, tmp_path), language) == torchserve.prediction


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:5000", "http://[::1]:5000", "https://pictures.example"]
)
def test_code_asks_the_server_that_showed_it(app: Flask, base_url: str) -> None:
    for code in snippets_for(app, "cat.png", base_url):
        assert f"{base_url}/predict" in code


def test_the_usual_name_needs_no_quotation_marks(app: Flask) -> None:
    assert snippets_for(app, "cat.png").curl == (
        "curl -H 'Accept: application/json' -F image=@cat.png http://localhost/predict"
    )


def snippets_in(page: str) -> list[str]:
    return [html.unescape(code) for code in re.findall(r"<code>(.*?)</code>", page, re.DOTALL)]


@pytest.mark.parametrize("path", ["/predict", "/predict?as=card"])
def test_every_answer_shows_the_code_for_its_picture(
    app: Flask, client: FlaskClient, path: str
) -> None:
    for name in ("cat.png", "the cat's <b>.png", "$(touch x)"):
        page = upload(client, name=name, path=path).text
        assert snippets_in(page) == list(snippets_for(app, name))


def test_a_quotation_mark_survives_the_form(app: Flask, client: FlaskClient) -> None:
    # As browsers write it.
    page = upload(client, name="a %22cat%22.png").text
    assert snippets_in(page) == list(snippets_for(app, 'a "cat".png'))


def test_a_picture_without_a_name_has_code_too(app: Flask, client: FlaskClient) -> None:
    page = send_body(client, PNG, accept={"Accept": "text/html"}).text
    assert snippets_in(page) == list(snippets_for(app, FALLBACK))


def test_code_speaks_no_language(client: FlaskClient) -> None:
    for code in snippets_in(upload(client, path="/predict?language=en").text):
        assert "/predict" in code
        assert "language" not in code


def test_what_a_form_hides_in_a_name_stays_hidden_from_the_shell(
    port: int, tmp_path: Path, torchserve: FakeTorchServe
) -> None:
    """All the way: from a form through a real server to a page, and from there into a shell."""
    name = "$(touch x) 'a' \"b\"; touch y.png"
    (tmp_path / name).write_bytes(PNG)
    disposition = f'form-data; name="image"; filename="{name.replace(chr(34), quote(chr(34)))}"'
    response = urllib3.request(
        "POST",
        f"http://127.0.0.1:{port}/predict",
        body=f"--x\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + PNG + b"\r\n--x--\r\n",
        headers={
            "Content-Type": "multipart/form-data; boundary=x",
            "Accept": "text/html",
            "Connection": "close",
        },
    )
    for language in ("curl", "python"):
        snippets = CodeSnippets(*snippets_in(response.data.decode()))
        assert answer_to(run(snippets, language, tmp_path), language) == torchserve.prediction
    assert {file.name for file in tmp_path.iterdir()} == {name, "key_file.json"}
