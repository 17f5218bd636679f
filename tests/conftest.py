"""What all tests share: pictures made on the spot, and the real data where it is at hand."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from model.archive import make_archive
from tests.helpers.browser.chromium import launch_options
from tests.helpers.networks import lay_weights
from tests.helpers.pictures import SHARED, encode, make_gradient, write_image_folder
from tests.helpers.server import Server, running_server
from tests.helpers.training import FinishedRun, train_once


@pytest.fixture
def gradient() -> Image.Image:
    return make_gradient()


@pytest.fixture
def png(gradient: Image.Image) -> bytes:
    return encode(gradient)


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[..., Path]:
    return lambda images_per_class=12: write_image_folder(tmp_path / "pictures", images_per_class)


@pytest.fixture
def error_line(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What returns the one line that a command wrote of what is wrong."""

    def read() -> str:
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        return error

    return read


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures to train on; three of the test split lie in the wrong class."""
    folder = write_image_folder(tmp_path_factory.mktemp("training") / "pictures")
    for name in ("000.png", "001.png", "002.png"):
        moved = folder / "test" / "snow" / f"moved-{name}"
        (folder / "test" / "night" / name).rename(moved)
    return folder


@pytest.fixture(scope="session")
def finished_run(pictures: Path) -> FinishedRun:
    """A run with its report, for tests that only read it or change a copy."""
    return train_once(pictures, "finished")


@pytest.fixture(scope="session")
def weather_archive(finished_run: FinishedRun) -> Path:
    return make_archive(finished_run.path, finished_run.pictures.parent, "weather", "3.1")


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``--start-from`` takes for a network of torchvision, whose weights lie at hand."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # Nothing is downloaded.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    lay_weights(tmp_path, "mobilenet_v3_small")
    return "torchvision:mobilenet_v3_small"


@pytest.fixture
def shared_images() -> Path:
    folder = SHARED / "images"
    if not folder.is_dir():
        pytest.skip(f"the public test images are not at {folder.parent.name}/{folder.name}")
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One real server, TorchServe and web UI, for all tests that only ask it."""
    # Sockets lie in there, whose paths must be short; pytest's own folders are too deep on macOS.
    with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # A request that a test never answers would be reported in the middle of a later test.
    logging.getLogger("asyncio").disabled = True
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()
