import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.dataset import DataError
from model.evaluation.strangers import (
    DRAWN_PICTURES,
    draw_strangers,
    find_ood_threshold,
    measure_strangers,
    write_strangers_report,
)
from model.inference.classifier import Classifier
from tests.helpers.pictures import RED, SHIPPED_ARCHIVES


def test_five_of_a_hundred_held_out_pictures_exceed_the_threshold() -> None:
    scores = torch.rand(1000)
    threshold = find_ood_threshold(scores)
    assert threshold is not None
    assert (scores > threshold).sum() == 50


@pytest.mark.parametrize("scores", [torch.rand(29), torch.full((100,), torch.nan)])
def test_few_pictures_or_no_scores_give_no_threshold(scores: torch.Tensor) -> None:
    assert find_ood_threshold(scores) is None


def test_strangers_are_drawn_in_every_size_and_the_same_each_time() -> None:
    for size in (32, 48):
        drawn, again = draw_strangers(size), draw_strangers(size)
        for kind, pixels in drawn.items():
            assert pixels.shape == (DRAWN_PICTURES, size, size, 3)
            assert pixels.dtype == np.uint8
            assert np.array_equal(pixels, again[kind])
            # Hardly two are the same.
            assert len(np.unique(pixels.reshape(DRAWN_PICTURES, -1), axis=0)) > 240


def test_a_folder_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no picture that can be read"):
        measure_strangers(Classifier.load(SHIPPED_ARCHIVES[0]), torch.zeros(9), [tmp_path])


def test_what_the_shipped_model_notices_is_measured_and_written(tmp_path: Path) -> None:
    classifier = Classifier.load(SHIPPED_ARCHIVES[1])
    (tmp_path / "red things").mkdir()
    (tmp_path / "red things" / "red.png").write_bytes(RED)
    (tmp_path / "red things" / "damaged.png").write_bytes(RED[:20])
    measured = measure_strangers(classifier, torch.zeros(90), [tmp_path / "red things"])
    *strangers, known = measured
    assert [one.kind for one in strangers] == [*draw_strangers(32), "red things"]
    assert strangers[-1].noticed.of == 1
    score = classifier.classify(RED)["ood_score"]
    assert strangers[-1].auroc == (score > 0) + (score == 0) / 2
    noise, flat = strangers[:2]
    assert min(noise.auroc or 0, flat.auroc or 0) > 0.9
    assert known[:2] == ("test images", None)
    assert known.noticed[:2] == (0, 90)
    text = write_strangers_report(tmp_path, measured)
    assert "red things" in text
    rows = json.loads((tmp_path / "strangers.json").read_text())
    assert [row["noticed"]["right"] for row in rows] == [one.noticed.right for one in measured]
