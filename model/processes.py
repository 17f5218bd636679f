"""Several processes that train one net together, as ``torchrun`` starts them.

The processes share every batch: each computes its part, gradients are averaged, and all of them
hold the same weights after each step. All draw the same random numbers, so what a training does
depends neither on their number nor on who they are.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psutil
import torch
from torch import Tensor, distributed, nn
from torch.distributed import DistNetworkError, TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

# The others wait while the first decodes the images.
LONGEST_WAIT = timedelta(hours=6)
LONGEST_START = timedelta(minutes=5)
PATIENCE = timedelta(seconds=2)
STORE_KEY = "port of the store of this start"


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: its number, from 0; the first alone writes files.
        size: how many there are, on all machines.
        local_rank: its number on its machine.
        restarts: how often ``torchrun`` has started them anew.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0

    @classmethod
    def from_environment(cls) -> "Processes":
        """Read what ``torchrun`` tells each process; without it there is a single one."""
        return cls(
            rank=int(os.environ.get("RANK", "0")),
            size=int(os.environ.get("WORLD_SIZE", "1")),
            local_rank=int(os.environ.get("LOCAL_RANK", "0")),
            restarts=int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")),
        )

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.rank == 0

    @property
    def are_several(self) -> bool:
        """Whether there is anybody to talk to."""
        return self.size > 1

    def own_part(self, images: int) -> slice:
        """Return this process's part of a batch of ``images``; it may be empty."""
        return slice(images * self.rank // self.size, images * (self.rank + 1) // self.size)

    def share(self, net: nn.Module) -> nn.Module:
        """Wrap ``net`` so that gradients are averaged over the processes."""
        if not self.are_several:
            return net
        return DistributedDataParallel(net)

    def sum(self, values: Tensor) -> Tensor:
        """Add up ``values`` of all processes, in place."""
        if self.are_several:
            distributed.all_reduce(values)
        return values

    def largest(self, value: int) -> int:
        """Return the largest ``value`` of all processes."""
        if not self.are_several:
            return value
        # On the CPU, so that no GPU has to be waited for.
        largest = torch.tensor(value)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def agree(self, text: str) -> str:
        """Return the ``text`` of the first process."""
        if not self.are_several:
            return text
        texts = [text]
        distributed.broadcast_object_list(texts)
        return texts[0]

    @contextmanager
    def first_on_each_machine_first(self) -> Iterator[None]:
        """Let one process of each machine through, and the others after it."""
        if self.local_rank > 0:
            self._wait_for_all()
        yield
        if self.local_rank == 0:
            self._wait_for_all()

    def _wait_for_all(self) -> None:
        self.largest(0)

    @contextmanager
    def connected(self, device: torch.device) -> Iterator[None]:
        """Connect the processes, over NCCL on GPUs and Gloo on CPUs."""
        if not self.are_several:
            yield
            return
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            distributed.init_process_group(
                backend,
                store=self._store_of_this_start(),
                rank=self.rank,
                world_size=self.size,
                timeout=LONGEST_WAIT,
            )
        else:
            distributed.init_process_group(backend, timeout=LONGEST_WAIT)
        yield
        # Not after an error: it would wait for processes that may be gone.
        distributed.destroy_process_group()

    def _store_of_this_start(self) -> TCPStore:
        """Return a store that holds nothing of processes that ``torchrun`` has started before.

        Its own store outlives a restart, and processes that find the addresses of dead ones there
        wait for them for ever (https://github.com/pytorch/pytorch/issues/135712). So the first
        process opens a new one and tells where; whoever reads where the one before was, finds
        nobody there and asks again.
        """
        host = os.environ["MASTER_ADDR"]
        agents = TCPStore(host, int(os.environ["MASTER_PORT"]), is_master=False)
        if self.is_first:
            store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
            agents.set(STORE_KEY, str(store.port))
            return store
        deadline = time.monotonic() + LONGEST_START.total_seconds()
        while True:
            port = int(agents.get(STORE_KEY))
            try:
                store = TCPStore(host, port, is_master=False, timeout=PATIENCE)
            except DistNetworkError:
                if time.monotonic() > deadline:
                    raise
            else:
                store.set_timeout(LONGEST_WAIT)
                return store


def launch_time() -> float:
    """When this training was launched, in seconds since 1970: the same after each restart."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return float(psutil.Process(os.getppid()).create_time())
    return float(psutil.Process().create_time())
