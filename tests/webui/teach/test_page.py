"""The page that teaches: who gets it, the classes and their pictures, and what is refused."""

import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from model import PROJECT
from model.data.folders import load_splits
from tests.helpers.fake_torchserve import FakeTorchServe, error_answer
from tests.helpers.lessons import draw, write_lessons
from tests.helpers.pictures import RED
from tests.helpers.sending import AS_JSON, headings, status_and_type, upload_all
from tests.webui.conftest import CreateClient

SHIP = (PROJECT / "docs" / "ship.png").read_bytes()
DAMAGED = b"\x89PNG damaged"
POSTS = [
    "/teach/classes",
    "/teach/classes/cat/remove",
    "/teach/classes/cat/pictures",
    "/teach/classes/cat/pictures/remove",
    "/teach/training",
    "/teach/training/stop",
    "/teach/try",
    "/teach/keep",
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "teach"


@pytest.fixture
def client(client_with: CreateClient, directory: Path) -> FlaskClient:
    return client_with(webui_teach=True, teach_directory=directory)


def add(client: FlaskClient, name: str) -> Any:
    return client.post("/teach/classes", data={"name": name}, headers=AS_JSON)


def send(client: FlaskClient, name: str, *contents: bytes) -> Any:
    return upload_all(client, *contents, path=f"/teach/classes/{name}/pictures")


@pytest.mark.parametrize(
    "changes",
    [
        {"webui_teach": False},
        {"webui_host": "0.0.0.0"},  # noqa: S104
        {"allowed_hosts": ("localhost",)},
        {"proxies": 1},
    ],
)
def test_there_is_no_such_page_unless_it_is_set_and_nobody_else_can_reach_it(
    client_with: CreateClient, directory: Path, changes: dict[str, Any]
) -> None:
    client = client_with(**{"webui_teach": True, "teach_directory": directory, **changes})
    assert client.get("/teach").status_code == 404
    assert [client.post(path).status_code for path in POSTS] == [404] * len(POSTS)
    assert "/teach" not in client.get("/").text
    assert not directory.exists()


def test_the_start_page_leads_to_it(client: FlaskClient) -> None:
    assert 'href="/teach"' in client.get("/").text
    assert client.get("/teach").status_code == 200


def test_the_pictures_are_in_a_tree_that_train_takes(client: FlaskClient, directory: Path) -> None:
    # One is called as a split's folder may be.
    names = ["Wald & Wiese", "train", "砂漠", "Cafe\u0301"]
    for index, name in enumerate(names):
        location = add(client, name).headers["Location"]
        assert re.fullmatch("/teach#class-[1-4]", location)
        composed = unicodedata.normalize("NFC", name)
        assert send(client, composed, draw("diagonal", index), RED).status_code == 200
    images = load_splits(directory / "pictures", 32)["train"]
    assert set(images.class_names) == {unicodedata.normalize("NFC", name) for name in names}
    assert len(images) == 8


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", ".cat", "a/b", "a\\b", "/", "a\nb", "a\0b", "@eaDir", "x" * 61, "CAT"],
)
def test_a_name_that_no_other_folder_can_have_is_refused(
    client: FlaskClient, directory: Path, name: str
) -> None:
    add(client, "cat")
    assert status_and_type(add(client, name)) == (400, "BadRequestError")
    assert [file.name for file in directory.rglob("*")] == ["pictures", "train", "cat"]


def test_a_damaged_picture_is_left_out_and_said(
    client: FlaskClient, torchserve: FakeTorchServe, directory: Path
) -> None:
    torchserve.answers_to[DAMAGED] = error_answer(400, "UnreadableImageError", "It is cut off.")
    add(client, "cat")
    page = send(client, "cat", RED, DAMAGED, b"")
    assert re.findall("<li>(.*? was left out. .*?)</li>", page.text) == [
        "1.png was left out. It is cut off.",
        "2.png was left out. The file has no content (0 bytes). Choose another one.",
    ]
    (kept,) = (directory / "pictures" / "train" / "cat").iterdir()
    assert kept.read_bytes() == RED


def test_too_many_pictures_at_once_are_refused(client: FlaskClient, directory: Path) -> None:
    add(client, "cat")
    assert send(client, "cat", *[RED] * 17).status_code == 413
    assert list((directory / "pictures" / "train" / "cat").iterdir()) == []


def test_the_same_picture_is_kept_once(client: FlaskClient) -> None:
    add(client, "cat")
    page = send(client, "cat", RED, RED)
    assert "1 picture<" in page.text
    (source,) = re.findall('src="(/teach/[^"]+)"', page.text)
    with client.get(source) as picture:
        assert (picture.data, picture.mimetype) == (RED, "image/png")


def test_hidden_files_are_neither_classes_nor_pictures(
    client: FlaskClient, directory: Path
) -> None:
    add(client, "cat")
    folder = directory / "pictures" / "train"
    for place in (folder, folder / "cat"):
        (place / ".DS_Store").touch()
    page = client.get("/teach")
    assert page.status_code == 200
    assert ".DS_Store" not in page.text


def test_pictures_and_classes_are_removed(client: FlaskClient, directory: Path) -> None:
    write_lessons(directory)
    folder = directory / "pictures" / "train"
    client.post("/teach/classes/vertical/pictures/remove", data={"picture": "2.png"})
    assert sorted(file.name for file in (folder / "vertical").iterdir()) == [
        *("0.png", "1.png", "3.png", "4.png", "5.png")
    ]
    client.post("/teach/classes/vertical/remove")
    assert sorted(file.name for file in folder.iterdir()) == ["diagonal", "horizontal"]


@pytest.mark.parametrize("picture", ["", "9.png", "../horizontal/0.png", "..", "../../../job.json"])
def test_what_is_not_there_is_not_removed_or_sent(
    client: FlaskClient, directory: Path, picture: str
) -> None:
    write_lessons(directory)
    before = sorted(directory.rglob("*"))
    answers = [
        client.post("/teach/classes/vertical/pictures/remove", data={"picture": picture}),
        client.post("/teach/classes/cat/pictures/remove", data={"picture": "0.png"}),
        client.post("/teach/classes/cat/remove"),
        client.post("/teach/classes/../remove"),
        client.get(f"/teach/classes/vertical/pictures/{picture or '9.png'}"),
        send(client, "cat", RED),
    ]
    assert {answer.status_code for answer in answers} <= {404, 405}
    assert sorted(directory.rglob("*")) == before


def test_a_training_waits_for_enough_pictures(client: FlaskClient, directory: Path) -> None:
    write_lessons(directory, pictures=4)
    assert "It takes two classes with 5 pictures each" in client.get("/teach").text
    answer = client.post("/teach/training", headers=AS_JSON)
    assert status_and_type(answer) == (400, "BadRequestError")


def test_without_pytorch_the_page_says_what_to_install(
    client: FlaskClient, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lessons(directory)
    monkeypatch.setitem(sys.modules, "torch", None)
    page = client.get("/teach").text
    assert "Run “make setup”" in page
    assert ">Train again<" not in page
    assert client.post("/teach/training").status_code == 400


def test_a_trained_model_is_tried(client: FlaskClient, directory: Path) -> None:
    write_lessons(directory)
    page = upload_all(client, SHIP, DAMAGED, path="/teach/try")
    answer, refusal = headings(page, 3)[-2:]
    assert "ship" in answer
    assert refusal == "The model cannot read that kind of file"


@pytest.mark.parametrize("name", ["", "zoo", "a/b", "-a", "a b", "ä"])
def test_a_model_is_not_kept_under_a_name_that_none_can_have(
    client: FlaskClient, directory: Path, name: str
) -> None:
    write_lessons(directory)
    answer = client.post("/teach/keep", data={"name": name}, headers=AS_JSON)
    assert status_and_type(answer) == (400, "BadRequestError")


def test_where_it_can_not_be_kept_the_page_says_why(client: FlaskClient, directory: Path) -> None:
    write_lessons(directory)
    answer = client.post("/teach/keep", data={"name": "lines"}, headers=AS_JSON)
    assert "refused" in answer.get_json()["message"]


@pytest.mark.parametrize("path", ["/teach/try", "/teach/keep"])
def test_without_a_trained_model_nothing_is_tried_or_kept(client: FlaskClient, path: str) -> None:
    answer = upload_all(client, RED, path=path, accept=AS_JSON)
    assert status_and_type(answer) == (400, "BadRequestError")
