"""Which parts of a picture count for an answer; the sanity check is that of arXiv:1810.03292."""

from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from model.images.preprocessing import Pixels
from model.inference import GRAPH_FILE_NAME, read_file
from model.inference.classifier import Classifier
from model.inference.explanation import MOST_CLASSES, explain
from tests.helpers.browser.states import DRAWINGS
from tests.helpers.pictures import SHIPPED_ARCHIVES, encode

NAMES = ("blue", "red")


def see_red(pixels: Pixels) -> NDArray[np.float32]:
    """Classify a picture as red, the more of its pixels are."""
    red = (pixels[..., 0] > pixels[..., 2]).mean((1, 2)) * 0.98 + 0.01
    return np.stack([1 - red, red], axis=1).astype(np.float32)


def make_picture(width: int, height: int) -> Pixels:
    """A blue picture whose lower right corner, of 8×8 pixels, is red."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (width - 8, height - 8, width, height))
    return np.array(image)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (45, 32), (32, 64)])
def test_the_heat_is_where_the_class_is(width: int, height: int) -> None:
    explanation = explain(see_red, make_picture(width, height), NAMES)
    red, blue = (np.array(explanation["heat"][name]) for name in ("red", "blue"))
    assert red.shape == blue.shape == (round(height / 4), round(width / 4))
    assert red[-2:, -2:].min() > max(red[:-2].max(), red[:, :-2].max())
    assert red[:-3, :-3] == pytest.approx(0, abs=1e-9)
    assert blue == pytest.approx(-red, abs=1e-3)
    assert explanation["lowest"]["red"] == pytest.approx(0.01)
    assert list(explanation["heat"]) == list(explanation["lowest"]) == ["blue", "red"]
    assert (explanation["method"], explanation["patch"], explanation["stride"]) == (
        *("occlusion", 8, 4),
    )


def test_one_class_or_the_likeliest_are_explained() -> None:
    picture = make_picture(32, 32)
    assert list(explain(see_red, picture, NAMES, "red")["heat"]) == ["red"]
    names = [str(index) for index in range(MOST_CLASSES + 50)]

    def see_last(pixels: Pixels) -> NDArray[np.float32]:
        ranks = np.arange(len(names), dtype=np.float32)
        return np.repeat([ranks / ranks.sum()], len(pixels), axis=0)

    assert list(explain(see_last, picture, names)["heat"]) == names[: -MOST_CLASSES - 1 : -1]


def test_certainty_hides_no_heat() -> None:
    """Where a probability is 1 in 32 bits, whatever is covered, the others still tell it."""

    def be_certain(pixels: Pixels) -> NDArray[np.float32]:
        other = 10 ** (-8 + 2 * (1 - see_red(pixels)[:, 1]))
        return np.stack([other, 1 - other], axis=1).astype(np.float32)

    heat = np.array(explain(be_certain, make_picture(32, 32), NAMES)["heat"]["red"])
    assert heat[-1, -1] == heat.max() > 0


@pytest.mark.parametrize("archive", SHIPPED_ARCHIVES, ids=lambda file: file.name)
def test_the_shipped_networks_find_a_car_in_its_corner(archive: Path) -> None:
    classifier = Classifier.load(archive)
    car = Image.open(BytesIO(DRAWINGS["automobile.jpg"])).resize((40, 30))
    picture = Image.new("RGB", (64, 64), car.getpixel((0, 0)))
    picture.paste(car, (22, 32))
    prepared = classifier.prepare(encode(picture))
    heat = np.array(classifier.explain(prepared, "automobile")["heat"]["automobile"]).clip(0)
    assert heat[4:, 2:].sum() > 0.6 * heat.sum()


def rank(heat: list[list[float]]) -> NDArray[np.int64]:
    return np.ravel(heat).argsort().argsort()


def randomise(graph: bytes) -> bytes:
    """Shuffle every weight matrix of a network, which keeps its mean and its variance."""
    generator = np.random.default_rng(0)
    model = onnx.load_from_string(graph)
    for initializer in model.graph.initializer:
        weights = numpy_helper.to_array(initializer)
        if weights.ndim > 1:
            shuffled = generator.permutation(weights.ravel()).reshape(weights.shape)
            initializer.CopyFrom(numpy_helper.from_array(shuffled, initializer.name))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("archive", SHIPPED_ARCHIVES, ids=lambda file: file.name)
def test_the_heat_comes_from_what_was_learned(archive: Path) -> None:
    """With other weights, the map is another one; an edge detector's would stay."""
    served = Classifier.load(archive)
    graph = read_file(archive, GRAPH_FILE_NAME)
    others = [Classifier(each, served.card) for each in (graph, randomise(graph))]
    correlations = []
    for name, drawing in DRAWINGS.items():
        image, label = served.prepare(drawing), Path(name).stem
        first, again, *maps = (
            rank(each.explain(image, label)["heat"][label]) for each in (served, served, *others)
        )
        assert (first == again).all()
        correlations.append([np.corrcoef(first, other)[0, 1] for other in maps])
    trained, untrained = np.mean(correlations, axis=0)
    assert trained > 0.8
    assert abs(untrained) < 0.4
