"""Two classifiers on the same images: which one is better, and whether that may be chance."""

import json
from pathlib import Path
from typing import Any

from scipy.stats import binomtest
from torch import Tensor

from model.command_line import visible
from model.evaluation.page import MAX_PIXELS, encode_picture, render_page
from model.evaluation.scores import Evaluation

# The probability below which a difference is taken for more than chance.
SIGNIFICANCE = 0.05


def write_comparison(directory: Path, a: Evaluation, b: Evaluation) -> str:
    """Write ``comparison.txt``, ``.json`` and ``.html``, and return the text and where they are."""
    groups = group_differing(a, b)
    comparison = compare(a, b, groups)
    room = MAX_PIXELS // a.images.store.shape[-1] ** 2 // len(groups)
    page = render_page(
        "comparison.html",
        ["page.css", "tables.css", "comparison.css"],
        comparison=comparison,
        encoded={
            group: list(map(encode_picture, a.images.subset(indices[:room]).pixels))
            for group, indices in groups.items()
        },
    )
    text = describe(comparison)
    (directory / "comparison.txt").write_text(text, encoding="utf-8")
    (directory / "comparison.json").write_text(json.dumps(comparison, indent=2) + "\n")
    file = directory / "comparison.html"
    file.write_text(page, encoding="utf-8")
    return f"{text}Everything is in {directory}/. This page shows where the two differ:\n{file}"


def group_differing(a: Evaluation, b: Evaluation) -> dict[str, Tensor]:
    """Return indices of images with different answers, int64, with the most confident first."""
    labels = a.images.labels
    a_right, b_right = a.predictions == labels, b.predictions == labels
    groups = {
        "Only A is right": a_right & ~b_right,
        "Only B is right": b_right & ~a_right,
        "Both are wrong, differently": ~a_right & ~b_right & (a.predictions != b.predictions),
    }
    order = (a.confidences + b.confidences).argsort(descending=True, stable=True)
    return {group: order[chosen[order]] for group, chosen in groups.items()}


def compare(a: Evaluation, b: Evaluation, groups: dict[str, Tensor]) -> dict[str, Any]:
    """Return what ``comparison.json`` holds; shares are in [0, 1], and differences are B - A."""
    models = {"A": a, "B": b}
    p, verdict = judge(len(groups["Only A is right"]), len(groups["Only B is right"]))
    names, labels, image_names = a.images.class_names, a.images.labels, a.images.names
    scores = zip(a.scores["classes"].items(), b.scores["classes"].values(), strict=True)
    classes = {
        name: {
            "images": int(x["support"]),
            "A": x["recall"],
            "B": y["recall"],
            "difference": y["recall"] - x["recall"],
        }
        for (name, x), y in scores
    }
    return {
        letter: {
            "model": model.model,
            "accuracy": model.accuracy,
            "95 % interval": model.interval,
        }
        for letter, model in models.items()
    } | {
        "difference": b.accuracy - a.accuracy,
        "p": p,
        "verdict": verdict,
        "images": len(a.images),
        "source": a.source,
        "classes": dict(sorted(classes.items(), key=lambda item: -item[1]["difference"])),
        "pictures": {
            group: [
                {"image": image_names[index], "class": names[labels[index]]}
                | {
                    letter: [names[model.predictions[index]], float(model.confidences[index])]
                    for letter, model in models.items()
                }
                for index in indices.tolist()
            ]
            for group, indices in groups.items()
        },
    }


def judge(only_a: int, only_b: int) -> tuple[float, str]:
    """Return the p value of McNemar's exact test on how many only A and only B has right."""
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"  # noqa: PLR2004 - as it is written
    return p, (
        f"B is right on {only_b:,} picture{'s' * (only_b != 1)} where A is wrong, A on {only_a:,} "
        f"where B is wrong; {shown} (McNemar's exact test): the difference "
        + ("is unlikely to be chance" if p < SIGNIFICANCE else "may be chance")
    )


def describe(comparison: dict[str, Any]) -> str:
    """Return a comparison as text."""
    width = max(map(len, ["class", *comparison["classes"]]))
    lines = [
        f"{comparison['images']:,} images ({comparison['source']})",
        *(
            f"{letter}: accuracy {comparison[letter]['accuracy']:.2%}, 95 % interval "
            "{:.2%} to {:.2%}: ".format(*comparison[letter]["95 % interval"])
            + comparison[letter]["model"]
            for letter in "AB"
        ),
        f"B - A: {100 * comparison['difference']:+.2f} percentage points",
        comparison["verdict"],
        "",
        f"{'class':>{width}}    images  recall of A  recall of B   B - A",
        *(
            f"{name:>{width}}{row['images']:>10,}{row['A']:>13.2%}{row['B']:>13.2%}"
            f"{100 * row['difference']:>+8.2f}"
            for name, row in comparison["classes"].items()
        ),
    ]
    return "".join(f"{visible(line)}\n" for line in lines)
