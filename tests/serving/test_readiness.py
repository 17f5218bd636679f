"""How long TorchServe may stay as it is, by what it answers."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import readiness
from serving.readiness import IMPAIRED_SECONDS, NO_ANSWER_SECONDS, find_patience
from tests.helpers.fake_torchserve import FakeTorchServe, running_fake_torchserve


@pytest.fixture
def torchserve(tmp_path: Path) -> Iterator[FakeTorchServe]:
    with running_fake_torchserve(tmp_path) as fake:
        yield fake


def patience_with(torchserve: FakeTorchServe) -> float:
    return find_patience(torchserve.settings)


def test_what_works_or_is_full_may_stay(torchserve: FakeTorchServe) -> None:
    assert patience_with(torchserve) == math.inf
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    assert patience_with(torchserve) == math.inf


def test_a_missing_worker_may_still_come(torchserve: FakeTorchServe) -> None:
    torchserve.workers["7.3"] = ["READY", "UNLOADING"]
    assert patience_with(torchserve) == IMPAIRED_SECONDS


def test_a_slow_answer_may_come_from_a_busy_worker(
    torchserve: FakeTorchServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.2)
    for state, patience in (("READY", IMPAIRED_SECONDS), ("UNLOADING", NO_ANSWER_SECONDS)):
        torchserve.will_answer(200, torchserve.prediction, delay=0.4)
        torchserve.workers["7.3"] = [state]
        assert patience_with(torchserve) == patience


def test_no_answer_and_no_key_are_not_borne_for_long(torchserve: FakeTorchServe) -> None:
    torchserve.will_answer_error(500, "InternalServerException")
    assert patience_with(torchserve) == NO_ANSWER_SECONDS
    torchserve.key_file.write_text("")
    assert patience_with(torchserve) == NO_ANSWER_SECONDS
    torchserve.key_file.unlink()
    assert patience_with(torchserve) == NO_ANSWER_SECONDS
