"""Several processes that train one network together, as ``torchrun`` starts them.

The processes share every batch: each computes its part, the gradients are averaged, and all of
them hold the same weights after each step. All processes draw the same random numbers, so the
result of a training does not depend on their number, except for rounding.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.distributed import DistNetworkError, TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

# Longest time that a process waits for the others, such as for the first one to decode the images.
COLLECTIVE_TIMEOUT = timedelta(hours=6)
# Longest time of one attempt to connect to the store.
CONNECTION_TIMEOUT = timedelta(seconds=2)
# Key under which torchrun's own store holds the port of ours.
STORE_KEY = "port of the store of this start"


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together, as one of them sees the group."""

    rank: int = 0
    """Number of this process, from 0; only the first process writes files."""
    size: int = 1
    """Number of processes on all machines."""
    local_rank: int = 0
    """Number of this process on its machine, from 0."""
    restarts: int = 0
    """How many times ``torchrun`` has restarted the processes."""

    @classmethod
    def from_environment(cls) -> "ProcessGroup":
        """Read the variables that ``torchrun`` sets; without them this process is alone."""
        return cls(
            rank=int(os.environ.get("RANK", "0")),
            size=int(os.environ.get("WORLD_SIZE", "1")),
            local_rank=int(os.environ.get("LOCAL_RANK", "0")),
            restarts=int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")),
        )

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        """Whether there is more than one process."""
        return self.size > 1

    def own_part(self, images: int) -> slice:
        """Return the part of a batch of ``images`` that this process computes; it may be empty."""
        return slice(images * self.rank // self.size, images * (self.rank + 1) // self.size)

    def average_gradients(self, network: nn.Module) -> nn.Module:
        """Wrap ``network`` so that its gradients are averaged over the processes."""
        return DistributedDataParallel(network) if self.is_distributed else network

    def average_buffers(self, network: nn.Module) -> None:
        """Average what each process has measured in its normalisations, in place."""
        for buffer in network.buffers():
            buffer.copy_(self.sum(buffer.clone()) / self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Add up the ``values`` of all processes, in place, and return them."""
        if self.is_distributed:
            distributed.all_reduce(values)
        return values

    def maximum(self, value: int) -> int:
        """Return the largest ``value`` of all processes."""
        if not self.is_distributed:
            return value
        # The tensor is on the CPU, so that no process has to wait for its GPU.
        maximum = torch.tensor(value)
        distributed.all_reduce(maximum, distributed.ReduceOp.MAX)
        return int(maximum)

    def broadcast(self, text: str) -> str:
        """Return the ``text`` of the first process."""
        if not self.is_distributed:
            return text
        texts = [text]
        distributed.broadcast_object_list(texts)
        return texts[0]

    @contextmanager
    def first_of_each_machine_goes_first(self) -> Iterator[None]:
        """Let the first process of each machine run the block, and then the others."""
        if self.local_rank > 0:
            self.maximum(0)
        yield
        if self.local_rank == 0:
            self.maximum(0)

    @contextmanager
    def connected(self, device: torch.device) -> Iterator[None]:
        """Connect the processes for the block, over NCCL if they train on GPUs, else over Gloo."""
        if not self.is_distributed:
            yield
            return
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        restartable = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        distributed.init_process_group(
            backend,
            store=self._store_of_this_start() if restartable else None,
            rank=self.rank,
            world_size=self.size,
            timeout=COLLECTIVE_TIMEOUT,
        )
        yield
        # After an error this is skipped: it would wait for processes that may have ended.
        distributed.destroy_process_group()

    def _store_of_this_start(self) -> TCPStore:
        """Return a store that knows only the processes of this start.

        ``torchrun``'s own store outlives a restart, and processes that find the addresses of dead
        ones there wait for them for ever (https://github.com/pytorch/pytorch/issues/135712). So the
        first process opens a new store and publishes its port in the old one. A process that still
        reads the port of an earlier store can't connect to it, and tries again.
        """
        host = os.environ["MASTER_ADDR"]
        torchrun_store = TCPStore(host, int(os.environ["MASTER_PORT"]), is_master=False)
        if self.is_first:
            store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
            torchrun_store.set(STORE_KEY, str(store.port))
            return store
        while True:
            with suppress(DistNetworkError):
                port = int(torchrun_store.get(STORE_KEY))
                store = TCPStore(host, port, is_master=False, timeout=CONNECTION_TIMEOUT)
                store.set_timeout(COLLECTIVE_TIMEOUT)
                return store


class SharedDropout(nn.Dropout):
    """Dropout that draws its mask for the whole batch, of which each process applies its part.

    So several processes drop the activations that a single one would (dropout itself: Srivastava et
    al. 2014).

    Attributes:
        batch_size: Number of images in the whole batch; it must be set before each training step.
    """

    def __init__(self, p: float, processes: ProcessGroup) -> None:
        super().__init__(p)
        self.batch_size = 0
        self._part = processes.own_part

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Drop a share ``p`` of the activations in training and scale up the others."""
        if not self.training or self.p == 0:
            return input
        drawn = torch.rand(self.batch_size, input.shape[1], device=input.device)
        kept = drawn[self._part(self.batch_size)] >= self.p
        return input * (kept / (1 - self.p)).to(input.dtype)
