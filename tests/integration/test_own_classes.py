"""Pictures of other classes go all the way: training, archive, TorchServe, web page."""

import html
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from model import archive, evaluate, predict
from tests.helpers.pictures import encode
from tests.helpers.server import running_server

COLOURS = {"Meer": (20, 60, 200), "Wald & Wiese": (30, 150, 40), "砂漠": (210, 170, 90)}


def paint(generator: np.random.Generator, colour: tuple[int, ...], size: tuple[int, int]) -> bytes:
    noise = generator.integers(-20, 21, (size[1], size[0], 3))
    pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
    return encode(Image.fromarray(pixels), "JPEG", quality=95)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three unbalanced classes of photos of all sizes, and no test split."""
    generator = np.random.default_rng(0)
    for count, (name, colour) in zip((60, 20, 8), COLOURS.items(), strict=True):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(count):
            size = (40 + 3 * index, 90 - index)
            file = tmp_path / "pictures" / name / f"{index}.jpeg"
            file.write_bytes(paint(generator, colour, size))
    return tmp_path / "pictures"


def test_own_classes_are_trained_archived_served_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, store = folder.parent / "runs", folder.parent / "my store"
    arguments = ["--data", folder, "--runs", runs, "--name", "mine"]
    arguments += ["--epochs", 30, "--no-test"]
    assert train.main(list(map(str, arguments))) == 0
    output = capsys.readouterr().out
    assert "18 of its 88 images" in output
    assert "recipe fine-tuned, starting from cifar10-2.0.mar" in output
    run = runs / "mine"
    assert archive.main([str(run), "--model-store", str(store), "--examples"]) == 0
    *settings, make, serve = shlex.split(capsys.readouterr().out.partition("To serve it: ")[2])
    assert (make, serve) == ("make", "serve")
    environment = dict(setting.split("=") for setting in settings)

    unseen = paint(np.random.default_rng(1), COLOURS["Wald & Wiese"], (300, 200))
    file = folder.parent / "unseen.jpg"
    file.write_bytes(unseen)
    with running_server(folder.parent, **environment) as server:
        answer = server.post("/predictions/mine", body=unseen).json()
        start_page = server.http.request("GET", server.web_ui).data.decode()
        page = server.ask_page(unseen, accept="text/html")
    assert "It knows 3 things: " in start_page
    examples = re.findall('<img src="data:image/webp;base64,[^"]+" alt="([^"]+)">', start_page)
    names = [*map(html.unescape, examples)]
    assert names == [*sorted(COLOURS), *(f"{name} 2" for name in sorted(COLOURS))]
    assert answer["label"] == "Wald & Wiese"
    assert set(answer["probabilities"]) == set(COLOURS)
    text = html.unescape(page.data.decode())
    assert page.status == 200
    for name in COLOURS:
        assert name in text

    capsys.readouterr()
    assert predict.main([str(file), "--model", str(store / "mine.mar")]) == 0
    assert "Wald & Wiese" in capsys.readouterr().out
    assert evaluate.main([str(run), "--data", str(folder)]) == 0
    assert "of 18 images" in capsys.readouterr().out
