"""What the start page says of the model before there is a picture, and its examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babel.lists import format_list
from flask_babel import ngettext

from webui.languages import current_language
from webui.torchserve.client import READY
from webui.torchserve.descriptions import Description, Descriptions

# Number of classes that the page names; others are only counted.
MOST_NAMED = 12
# Number of test images that the accuracy is told of.
TOLD_IMAGES = 100


@dataclass(frozen=True)
class Introduction:
    """What the page says of the model.

    Attributes:
        count: Number of classes.
        classes: The names of the first ones, in the words of the page's language.
        right: Number of test images that it named rightly, ``of`` some; 0 of 0 without a test.
        of: The number of these, at most a hundred.
        examples: Pictures to try, as far as the archive has some: the ``name`` of each, and its
            WebP file in base64 as ``webp``.
    """

    count: int
    classes: str
    right: int
    of: int
    examples: Sequence[Mapping[str, str]]


def introduce(
    descriptions: Descriptions, workers: Mapping[str, Sequence[str]], chosen: str | None
) -> Introduction | None:
    """Introduce the chosen version, or the default; None where it does not tell.

    Args:
        descriptions: What the versions say of themselves.
        workers: The states of the workers of each version, with the default first.
        chosen: The version that the address names, which may be none of these.
    """
    version = chosen if chosen and chosen in workers else next(iter(workers), "")
    # A worker that loads the model would describe itself only afterwards.
    is_ready = READY in workers.get(version, ())
    if not is_ready or (description := descriptions.get(version)) is None:
        return None
    names = description["class_names"]
    right, of = _tell_accuracy(description)
    examples = description.get("examples", ())
    return Introduction(len(names), _enumerate(names), right, of, examples)


def _enumerate(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    shown = list(names[:MOST_NAMED])
    # For a single one more, its name takes no more room than saying so.
    if more == 1:
        shown = list(names)
    elif more > 1:
        shown.append(ngettext("%(num)d more", "%(num)d more", more))
    return format_list(shown, locale=current_language())


def _tell_accuracy(description: Description) -> tuple[int, int]:
    match description:
        case {"test_accuracy": float() | int() as accuracy, "test_images": int(images)}:
            of = min(images, TOLD_IMAGES)
            # Only a model without an error is right about all of them.
            return min(round(accuracy * of), of - (accuracy < 1)), of
    return 0, 0
