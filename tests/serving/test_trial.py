"""What counts as worse, slower or damaged."""

import pytest

from serving import ServeError
from serving.trial import Result, check_claim, compare

SECONDS = [0.1, 0.2, 9.0]


def results(only_new: int, only_old: int, both: int = 100) -> tuple[Result, Result]:
    """How two versions did of which each alone was right about some pictures."""
    new = [True] * only_new + [False] * only_old + [True] * both
    old = [False] * only_new + [True] * only_old + [True] * both
    return Result(new, SECONDS), Result(old, SECONDS)


@pytest.mark.parametrize(
    ("gained", "lost", "is_refused"),
    # 1/2^4 is above 5 %, and 1/2^5 below; 12 of 17 are 7.2 %, and 13 of 18 are 4.8 %.
    [(0, 0, False), (0, 4, False), (0, 5, True), (5, 12, False), (5, 13, True), (13, 5, False)],
)
def test_a_version_is_worse_if_chance_seldom_does_that(
    gained: int, lost: int, *, is_refused: bool
) -> None:
    new, old = results(gained, lost)
    if is_refused:
        with pytest.raises(ServeError, match=f"right about {100 + gained} of"):
            compare(new, old, 1)
    else:
        compare(new, old, 1)


def test_a_version_is_too_slow_by_its_median() -> None:
    new, old = results(0, 0)
    slow = new._replace(seconds=[0.0, 0.5, 0.5])
    compare(slow, old, 2.5)
    with pytest.raises(ServeError, match=r"takes 2\.5 times as long .* 2\.4 times are allowed"):
        compare(slow, old, 2.4)


def test_a_version_that_is_far_from_what_its_card_says_is_refused() -> None:
    two_of_four = Result([True, True, False, False], SECONDS)
    # That few are right 11.8 % and 1.5 % of the time.
    check_claim(two_of_four, 0.83)
    with pytest.raises(ServeError, match=r"about 2 of 4 known pictures, .* says 94\.8 %"):
        check_claim(two_of_four, 0.9475)
    check_claim(two_of_four, None)
    check_claim(Result([], SECONDS), 0.9475)
