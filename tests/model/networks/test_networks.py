import io

import pytest
import torch

from model.networks import build_network, load_network


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="ReferenceCNN"):
        build_network("Transformer", 10, 0.5)


@pytest.mark.parametrize("damage", ["empty", "text", "other tensors"])
def test_weights_of_something_else_are_refused(damage: str) -> None:
    other = io.BytesIO()
    torch.save({"other": torch.zeros(1)}, other)
    weights = {"empty": b"", "text": b"not weights at all", "other tensors": other.getvalue()}
    with pytest.raises(ValueError, match="don't fit"):
        load_network(weights[damage], "ReferenceCNN", 10, 0.5)
