import os
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.images.preprocessing import prepare
from tests.fuzz import judge as limits
from tests.fuzz.judge import Judge
from tests.helpers.samples import make_samples


def decode_badly(data: bytes, size: int) -> Any:
    """Do what the data names, or decode it."""
    match data:
        case b"crash":
            os.abort()
        case b"other error":
            raise ValueError
        case b"other pixels":
            return SimpleNamespace(pixels=np.zeros((size, size, 4), np.uint8))
        case b"memory":
            return prepare(b"x" * 2**29, size)
        case b"slow" | b"hang":
            end = time.process_time() + (0.2 if data == b"slow" else 100)
            while time.process_time() < end:
                pass
    return prepare(data, size)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge(decode_badly)
    yield judge
    judge.stop()


def test_pixels_and_the_errors_of_images_are_no_faults(judge: Judge) -> None:
    picture = make_samples()["PNG"]
    verdicts = [judge.judge(data) for data in (picture, b"", b"text", picture[:50])]
    outcomes = ["answer", "EmptyBodyError", "UnsupportedFormatError", "UnreadableImageError"]
    assert [verdict.outcome for verdict in verdicts] == outcomes
    assert not any(verdict.fault for verdict in verdicts)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("crash", "crash"),
        ("hang", "hang"),
        ("slow", "it took 0.2 s"),
        ("memory", "MiB of memory"),
        ("other error", "ValueError"),
        ("other pixels", "(32, 32, 4)"),
    ],
)
def test_everything_else_is_a_fault_and_the_next_input_is_judged_again(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, kind: str, fault: str
) -> None:
    monkeypatch.setattr(limits, "HANG_SECONDS", 1)
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.15 if kind == "slow" else 5)
    monkeypatch.setattr(limits, "MAX_MEMORY", 2**29)
    assert fault in judge.judge(kind.encode()).fault
    monkeypatch.undo()
    verdict = judge.judge(b"text")
    assert (verdict.outcome, verdict.fault) == ("UnsupportedFormatError", "")
