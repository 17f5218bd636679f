from typing import Any

import pytest
import torch

from model.training.optimizer import Muon, orthogonalise


def group(parameter: torch.Tensor, **settings: Any) -> dict[str, Any]:
    defaults = {"lr": torch.tensor(0.1), "momentum": 0.8, "weight_decay": 0.0}
    return {"params": [parameter], "orthogonalise": False, **defaults, **settings}


@pytest.mark.parametrize("shape", [(8, 50), (50, 8)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_their_sizes(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, before, right = torch.linalg.svd(matrix, full_matrices=False)
    assert before.max() / before.min() > 1.5
    after = left.T @ orthogonalise(matrix, torch.float32) @ right.T
    torch.testing.assert_close(after, after.diagonal().diag(), atol=1e-4, rtol=0)
    assert ((after.diagonal() > 0.4) & (after.diagonal() < 1.6)).all()


def test_what_is_not_orthogonalised_is_updated_as_sgd_does() -> None:
    ours, theirs = (torch.ones(3, requires_grad=True) for _ in range(2))
    muon = Muon([group(ours, weight_decay=0.1)], torch.float32)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.1)
    for optimizer, weights in ((muon, ours), (sgd, theirs)):
        for factor in (1, 2, 3):
            optimizer.zero_grad()
            (weights.square().sum() * factor).backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_filter_banks_keep_their_size_whatever_the_size_of_the_gradient() -> None:
    for size in (1e-3, 1e3):
        bank = torch.randn(16, 4, 3, 3, requires_grad=True)
        (bank * torch.randn_like(bank) * size).sum().backward()
        before = bank.detach().clone()
        Muon([group(bank, orthogonalise=True)], torch.float32).step()
        change = bank - before * (16**0.5 / before.norm())
        # Sixteen orthogonal directions, each of a size of about the rate.
        assert change.norm().item() == pytest.approx(0.1 * 16**0.5, rel=0.35)
