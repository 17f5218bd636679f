import pytest
import torch

from model.training.distributed import ProcessGroup, SharedDropout


def test_dropout_drops_the_share_asked_for_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropout = SharedDropout(0.25, ProcessGroup())
    dropout.batch_size = 1000
    dropped = dropout(torch.ones(1000, 100))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(dropout.eval()(torch.ones(2, 2)), torch.ones(2, 2))


def test_two_processes_drop_what_one_would() -> None:
    activations = torch.ones(7, 5)
    masks = []
    for rank, size in ((0, 1), (0, 2), (1, 2)):
        processes = ProcessGroup(rank=rank, size=size)
        dropout = SharedDropout(0.5, processes)
        dropout.batch_size = 7
        torch.manual_seed(0)
        masks.append(dropout(activations[processes.own_part(7)]))
    assert torch.equal(masks[0], torch.cat(masks[1:]))
