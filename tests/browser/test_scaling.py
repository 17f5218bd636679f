"""Large photos, which are made smaller in the browser: less is sent, and the answer stays."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from playwright.sync_api import Browser, Page, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.pages import opened_page
from tests.helpers.browser.start_page import SHIP, answers, expect_labels, wait_for_answers
from tests.helpers.browser.web_uis import WebUI, running_web_ui
from tests.helpers.pictures import encode, exif, make_gradient
from tests.helpers.server import Server
from webui.languages import format_percentage

LARGE = 3200, 2400
HALF = 1600, 1200
# Number of bytes below which a file is sent as it is.
LARGE_BYTES = 512 * 1024
# Largest difference of any probability. For 48 photos made of CIFAR-10's images, it was 0.018 at
# most and 0.005 on average.
LARGEST_DIFFERENCE = 0.05
LARGEST_SHARE_SENT = 0.25
MADE_SMALLER = "Made smaller by your browser, from {} pixels."
UPRIGHT, LIES_ON_ITS_SIDE = 1, 6


def make_scenes() -> list[Image.Image]:
    ship = Image.open(io.BytesIO(SHIP)).convert("RGB")
    return [
        ship,
        ImageOps.mirror(ship).crop((0, 60, 560, 480)),
        make_gradient(),
        Image.merge("RGB", (ship.getchannel("B"), ship.getchannel("R"), ship.getchannel("G"))),
    ]


def make_photo(scene: Image.Image, seed: int, **options: object) -> bytes:
    """Return a JPEG like a camera's: eight megapixels with smooth shapes, texture and noise."""
    generator = np.random.default_rng(seed)
    width, height = LARGE
    texture = generator.normal(0, 10, (height // 8, width // 8)).astype(np.float32)
    grain = np.asarray(Image.fromarray(texture).resize(LARGE, Image.Resampling.BICUBIC))
    noise = generator.integers(-12, 13, (height, width), np.int8)
    pixels = np.asarray(scene.resize(LARGE, Image.Resampling.BICUBIC), np.float32)
    photo = (pixels + (grain + noise)[..., None]).clip(0, 255).astype(np.uint8)
    return encode(Image.fromarray(photo), "JPEG", quality=88, **options)


def swapped_profile() -> bytes:
    """Return a colour profile by which red is blue, and blue is red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")


def make_still(scene: Image.Image, seed: int, image_format: str, **options: object) -> bytes:
    """Return a large picture like a screenshot of a photo, which is no JPEG."""
    photo = Image.open(io.BytesIO(make_photo(scene, seed)))
    # Writing a larger PNG takes seconds.
    return encode(photo.resize(HALF) if image_format == "PNG" else photo, image_format, **options)


def make_transparent(scene: Image.Image) -> bytes:
    """Return a large PNG that is clear at one side, above a colour that nobody is to see."""
    photo = Image.open(io.BytesIO(make_photo(scene, 7))).resize(HALF)
    photo.putalpha(Image.linear_gradient("L").resize(photo.size).rotate(90))
    return encode(photo, "PNG")


PHOTOS: dict[str, Callable[[list[Image.Image]], bytes]] = {
    "ship": lambda scenes: make_photo(scenes[0], 0),
    "lying": lambda scenes: make_photo(scenes[1], 1, exif=exif(LIES_ON_ITS_SIDE)),
    "gradient": lambda scenes: make_photo(scenes[2], 2, exif=exif(UPRIGHT), progressive=True),
    "profile": lambda scenes: make_photo(scenes[3], 3, icc_profile=swapped_profile()),
    "png": lambda scenes: make_still(scenes[0], 4, "PNG", icc_profile=swapped_profile()),
    "upright": lambda scenes: make_still(scenes[3], 5, "PNG", exif=exif(UPRIGHT)),
    "webp": lambda scenes: make_still(scenes[2], 6, "WEBP", quality=95),
    "transparent": lambda scenes: make_transparent(scenes[0]),
}
# Width and height of each, if it is not LARGE.
SIZES = {"lying": LARGE[::-1], **dict.fromkeys(("png", "upright", "transparent"), HALF)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The photos as files, as large ones take long through the browser's protocol."""
    folder = tmp_path_factory.mktemp("photos")
    scenes = make_scenes()
    files = {name: folder / f"{name}.jpg" for name in PHOTOS}
    for name, make in PHOTOS.items():
        files[name].write_bytes(make(scenes))
    return files


@pytest.fixture(scope="module")
def web_ui(server: Server) -> Iterator[WebUI]:
    with running_web_ui(server.settings) as running:
        yield running


@pytest.fixture
def page(browser: Browser, web_ui: WebUI) -> Iterator[Page]:
    web_ui.uploads.clear()
    with opened_page(browser, web_ui.url) as opened:
        opened.goto("/")
        yield opened


def choose(page: Page, *files: Path) -> None:
    page.locator("#image").set_input_files(files)


def difference(classifier: Classifier, one: bytes, other: bytes) -> float:
    """Return how far the answers to two files are apart, by the class that differs most."""
    first, second = (classifier.classify(each)["probabilities"] for each in (one, other))
    return max(abs(float(probability - second[name])) for name, probability in first.items())


@pytest.mark.parametrize("name", list(PHOTOS))
def test_a_large_photo_is_sent_smaller_and_its_answer_stays(
    page: Page, web_ui: WebUI, classifier: Classifier, photos: dict[str, Path], name: str
) -> None:
    photo = photos[name].read_bytes()
    choose(page, photos[name])
    wait_for_answers(page)
    (sent,) = web_ui.uploads
    assert len(sent) < LARGEST_SHARE_SENT * len(photo)
    offline = classifier.classify(photo)
    size = (768, 1024) if name == "lying" else (1024, 768)
    assert Image.open(io.BytesIO(sent)).size == size
    expect_labels(page, [offline["label"]])
    assert difference(classifier, photo, sent) < LARGEST_DIFFERENCE
    shown = classifier.classify(sent)["confidence"]
    expect(answers(page).locator(".confidence strong")).to_have_text(format_percentage(shown))
    width, height = SIZES.get(name, LARGE)
    described = MADE_SMALLER.format(f"{width} × {height}")
    expect(answers(page)).to_contain_text(described)
    expect(answers(page).locator(".filename")).to_have_text(f"{name}.jpg")


def test_a_photo_beyond_the_limit_is_taken_when_a_smaller_one_is_within(
    page: Page, web_ui: WebUI, photos: dict[str, Path], tmp_path: Path
) -> None:
    # Phones append films to their photos.
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photos["ship"].read_bytes() + bytes(16 * 1024 * 1024))
    choose(page, photo)
    wait_for_answers(page)
    assert len(web_ui.uploads[0]) < 1024 * 1024


def make_unchanged_files() -> dict[str, bytes]:
    generator = np.random.default_rng(5)
    noise = Image.fromarray(generator.integers(0, 256, (900, 900, 3), np.uint8))
    large, frames = noise.resize((1200, 1200)), {"save_all": True, "append_images": [noise]}
    cmyk = Image.merge("CMYK", [*noise.split(), noise.getchannel("R")])
    return {
        "small.jpg": encode(noise.resize((300, 300)), "JPEG"),
        # Other pixels would cost more than a few bytes.
        "noise.png": encode(noise, "PNG"),
        "animated.gif": encode(large, "GIF", **frames),
        "animated.png": encode(noise, "PNG", **frames),
        "animated.webp": encode(noise, "WEBP", quality=95, **frames),
        "turned.png": encode(large, "PNG", exif=exif(LIES_ON_ITS_SIDE)),
        "turned.webp": encode(large, "WEBP", quality=95, exif=exif(LIES_ON_ITS_SIDE)),
        "cmyk.jpg": encode(cmyk.resize((1200, 1200)), "JPEG"),
        # The browser's version of it would be larger.
        "coarse.jpg": encode(noise, "JPEG", quality=80),
    }


def test_other_files_are_sent_as_they_are(page: Page, web_ui: WebUI, tmp_path: Path) -> None:
    files = make_unchanged_files()
    assert [name for name, content in files.items() if len(content) < LARGE_BYTES] == ["small.jpg"]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    choose(page, *(tmp_path / name for name in files))
    wait_for_answers(page, len(files))
    assert sorted(web_ui.uploads) == sorted(files.values())
    assert "Made smaller" not in page.locator("#answers").inner_text()


def test_a_browser_that_falsifies_what_is_drawn_makes_nothing_smaller(
    browser: Browser, web_ui: WebUI, photos: dict[str, Path]
) -> None:
    web_ui.uploads.clear()
    noise = """
        const original = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = function (...area) {
            const read = original.apply(this, area);
            read.data.forEach((value, index) => { read.data[index] = value ^ 8; });
            return read;
        };
    """
    with opened_page(browser, web_ui.url) as page:
        page.add_init_script(noise)
        page.goto("/")
        choose(page, photos["ship"])
        wait_for_answers(page)
        assert web_ui.uploads == [photos["ship"].read_bytes()]
