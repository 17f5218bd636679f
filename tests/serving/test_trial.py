"""What counts as worse, and what as damaged."""

import pytest

from serving import ServeError
from serving.trial import require_as_good, require_claim


@pytest.mark.parametrize(
    ("gained", "lost", "is_refused"),
    # 1/2^4 is above 5 %, and 1/2^5 below; 5 or fewer of 17 are 7.2 %, of 18 they are 4.8 %.
    [(0, 0, False), (0, 4, False), (0, 5, True), (5, 12, False), (5, 13, True), (13, 5, False)],
)
def test_a_version_is_worse_if_chance_seldom_does_that(
    gained: int, lost: int, *, is_refused: bool
) -> None:
    both = [True] * 100 + [False] * 7
    new = [True] * gained + [False] * lost + both
    old = [False] * gained + [True] * lost + both
    if is_refused:
        with pytest.raises(ServeError, match=f"about {100 + gained} of .* about {100 + lost}"):
            require_as_good(new, old)
    else:
        require_as_good(new, old)


def test_a_version_that_is_far_from_what_its_card_says_is_refused() -> None:
    two_of_four = [True, True, False, False]
    # That few are right 11.8 % and 1.5 % of the time.
    require_claim(two_of_four, 0.83)
    with pytest.raises(ServeError, match=r"about 2 of 4 known pictures, .* says 94\.8 %"):
        require_claim(two_of_four, 0.9475)
    require_claim(two_of_four, None)
    require_claim([], 0.9475)
