"""The command that prints a card, and what stands on it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import train
from model.card import main
from model.evaluation.scores import classify
from model.inference import CARD_FILE_NAME
from model.inference.card import ModelCard, Share, Strangers
from model.inference.classifier import Classifier
from model.training.batches import hold_out
from model.training.config import Config
from tests.helpers.pictures import SHIPPED_ARCHIVE
from tests.helpers.training import FinishedRun, train_once


def test_the_card_of_an_archive_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SHIPPED_ARCHIVE)]) == 0
    text = capsys.readouterr().out
    assert text == ModelCard.load(SHIPPED_ARCHIVE).to_markdown()
    for fact in (
        "# cifar10 1.0",
        "| Recipe | tuned, 60 epochs |",
        "| Temperature | 0.75 |",
        "must not be used to decide about people, for medical purposes, or where safety",
        "has only 32 pixels",
        "under the MIT licence",
        "Krizhevsky 2009",
    ):
        assert fact in text


def test_json_is_the_file_of_a_run(
    capsys: pytest.CaptureFixture[str], finished_run: FinishedRun
) -> None:
    capsys.readouterr()
    assert main(["--json", str(finished_run.path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((finished_run.path / CARD_FILE_NAME).read_text())
    calibration = json.loads((finished_run.path / "calibration.json").read_text())
    assert printed["calibration_error"] == calibration["after"]["expected calibration error"]


def test_nothing_is_claimed_about_pictures_of_ones_own(finished_run: FinishedRun) -> None:
    text = ModelCard.load(finished_run.path).to_markdown()
    assert "The licence of its training data is not recorded." in text
    assert "CIFAR" not in text


def test_recalls_need_no_bands(finished_run: FinishedRun) -> None:
    card = ModelCard.load(finished_run.path)
    text = replace(card, bands=()).to_markdown()
    assert "Its confidence is not measured on held-out pictures." in text
    assert "| Class | Test images that were right | 95 % interval |" in text
    right, of, *_ = card.recalls[0]
    assert f"| {card.class_names[0]} | {right} of {of}: " in text


def test_strangers_stand_in_a_table(finished_run: FinishedRun) -> None:
    strangers = (
        Strangers("noise", 0.97, Share(9, 10, 0.6, 0.98)),
        Strangers("test images", None, Share(5, 100, 0.02, 0.11)),
    )
    text = replace(ModelCard.load(finished_run.path), strangers=strangers).to_markdown()
    assert "| noise | 9 of 10: 90.0% | 60.0% to 98.0% | 0.970 |" in text
    assert "| test images | 5 of 100: 5.0% | 2.0% to 11.0% | – |" in text


@pytest.mark.parametrize("content", [None, "[]", '{"name": "a"}', "{"])
def test_a_bad_source_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / CARD_FILE_NAME).write_text(content)
    assert main([str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"model.card: error: {tmp_path} is not a finished run or an arch")
    assert output.err.count("\n") == 1


def test_the_card_tells_what_the_served_graph_answers_to_the_validation_images(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.evaluation.calibration.LEAST_PICTURES", 1)
    run = train_once(pictures, "watched", "--no-test").path
    answers = ModelCard.load(run).validation_answers
    _, held_out = hold_out(train.load_data(Config.load(run)), Config.load(run))
    probabilities, _ = classify(Classifier.load(run), held_out)
    counts = probabilities.argmax(dim=1).bincount(minlength=2)
    confidence = probabilities.amax(dim=1).mean().item()
    assert answers is not None
    assert answers.class_shares == tuple((counts / len(held_out)).tolist())
    assert answers.confidence == pytest.approx(confidence)
    assert f"mean confidence {confidence:.1%} |" in ModelCard.load(run).to_markdown()
