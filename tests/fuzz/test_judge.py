from collections.abc import Iterator

import pytest

from tests.fuzz.judge import Judge
from tests.fuzz.samples import make_samples


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    judge.stop()


def test_pixels_and_the_four_errors_are_no_faults(judge: Judge) -> None:
    picture = make_samples()["PNG"]
    outcomes = [judge.judge(data) for data in (picture, b"", b"text", picture[:50])]
    assert [verdict.outcome for verdict in outcomes] == [
        "answer",
        "EmptyBodyError",
        "UnsupportedFormatError",
        "UnreadableImageError",
    ]
    assert not any(verdict.fault for verdict in outcomes)


def test_a_dead_process_is_a_fault_and_the_next_input_is_judged_again(judge: Judge) -> None:
    judge._process.kill()  # noqa: SLF001 - stands for a decoder that crashes
    assert "died" in judge.judge(b"text").fault
    assert judge.judge(b"text").outcome == "UnsupportedFormatError"
