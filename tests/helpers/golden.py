"""Golden answers of the shipped archives; `python -m tests.helpers.golden` writes them anew.

Do that only when the answers are meant to change: with another model, or better preprocessing.
"""

import json

from model import PROJECT
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVES, encode, make_gradient

FILE = PROJECT / "tests" / "helpers" / "golden.json"


def golden_pictures() -> dict[str, bytes]:
    """Pictures in which a change of resizing, turning or colour shows."""
    gradient = make_gradient()
    return {
        "ship": (PROJECT / "docs" / "ship.png").read_bytes(),
        "gradient": encode(gradient),
        "gradient, half transparent": encode(gradient.convert("RGBA").rotate(30, expand=True)),
        "gradient, grey": encode(gradient.convert("L").resize((301, 203))),
    }


if __name__ == "__main__":
    answers = {
        archive.name: {
            name: Classifier.load(archive).classify(image)["probabilities"]
            for name, image in golden_pictures().items()
        }
        for archive in SHIPPED_ARCHIVES
    }
    FILE.write_text(json.dumps(answers, indent=1) + "\n")
