"""Print the card of a model: what it knows, how good it is, and what it is not for.

    python -m model.card runs/NAME
    python -m model.card model_store/cifar10-2.0.mar
    python -m model.card --json runs/NAME | jq .test_accuracy

The card is that of "Model Cards for Model Reporting" (Mitchell et al. 2019, arXiv:1810.03993).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from model.command_line import OneLineParser, command, expect_model, visible
from model.inference.card import ModelCard


@command("model.card")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser("python -m model.card", __doc__)
    parser.add_argument("source", type=Path, help="a run's directory, or an archive")
    text = "print model_card.json instead of Markdown"
    parser.add_argument("--json", action="store_true", help=text)
    options = parser.parse_args(arguments)
    with expect_model(options.source):
        card = ModelCard.load(options.source)
    text = card.to_json() if options.json else card.to_markdown()
    print("\n".join(map(visible, text.splitlines())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
