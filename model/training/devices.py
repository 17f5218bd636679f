"""What a training computes on: the device, its number format, its set-up, the step on a GPU."""

import ctypes
from collections.abc import Callable
from dataclasses import replace

import torch

from model.training import RunError
from model.training.batches import Batch
from model.training.config import Config
from model.training.distributed import ProcessGroup

# Names of settings in glibc's malloc.h, and a value that no tensor of a step exceeds.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30
# Number of steps until libraries have set themselves up, so that the next one can be captured.
STEPS_BEFORE_CAPTURE = 3


def choose_device(requested: str, processes: ProcessGroup) -> torch.device:
    """Resolve ``auto`` to a GPU where there is one, a different one for each process.

    Raises:
        RunError: A GPU was asked for and there is none, or there are too few.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "cuda" and not gpus:
        raise RunError("--device cuda: PyTorch finds no GPU here; use --device cpu")
    if requested == "cpu" or not gpus:
        return torch.device("cpu")
    if processes.local_rank >= gpus:
        raise RunError(
            f"process {processes.local_rank + 1} on this machine has no GPU of its own; start "
            f"{gpus} on it, one for each GPU, or use --device cpu"
        )
    device = torch.device("cuda", processes.local_rank)
    torch.cuda.set_device(device)
    return device


def set_up_computation(config: Config, device: torch.device, processes: ProcessGroup) -> Config:
    """Set up this process for training, and return the configuration with what it then computes in.

    The order of a sum, and so its rounding, depends on the number of threads, so that a resumed run
    needs the same number. Several processes take it from ``OMP_NUM_THREADS``.
    """
    if config.threads and not processes.is_distributed:
        torch.set_num_threads(config.threads)
    # What is called fp32 is not to be rounded to TF32.
    torch.backends.cudnn.allow_tf32 = False
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt"):
        # Memory that glibc gives back comes as new pages in each step: 5 to 8 percent of its time.
        c_library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        c_library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    return replace(
        config,
        threads=None if processes.is_distributed else torch.get_num_threads(),
        precision=_choose_precision(config.precision, device),
    )


def _choose_precision(requested: str, device: torch.device) -> str:
    """Resolve ``auto`` to ``bf16`` where ``device`` is fast at it, and else to ``fp32``."""
    if requested != "auto":
        return requested
    if device.type == "cuda":
        in_hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        in_hardware = torch.cpu.get_capabilities().get("avx512_bf16")
    return "bf16" if in_hardware else "fp32"


class CapturedStep:
    """Runs the first steps one kernel at a time, then captures a step as a graph and replays it.

    At a batch size of 64, a GPU finishes each kernel of the network before Python has launched the
    next one. A captured step is launched as a whole. See "CUDA Graphs" in PyTorch's notes on CUDA
    semantics.

    Args:
        step: The function to run, which must not wait for the GPU. What it changes (weights, sums)
            must stay in the same tensors. Numbers that it reads in Python keep the values that they
            had when it was captured.
        batch_size: Number of images in the batches that are captured; others run as they are.
    """

    def __init__(self, step: Callable[[Batch], None], batch_size: int) -> None:
        self._step = step
        self._batch_size = batch_size
        self._steps_before_capture = STEPS_BEFORE_CAPTURE
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch) -> None:
        """Run one step."""
        if len(batch.labels) != self._batch_size:
            self._step(batch)
        elif self._steps_before_capture:
            self._steps_before_capture -= 1
            self._run_on_side_stream(batch)
        else:
            self._replay(batch)

    def _replay(self, batch: Batch) -> None:
        if self._graph is None:
            self._captured = Batch(batch.images.clone(), batch.labels.clone(), batch.size)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step(self._captured)
        self._captured.images.copy_(batch.images)
        self._captured.labels.copy_(batch.labels)
        self._graph.replay()

    def _run_on_side_stream(self, batch: Batch) -> None:
        # Libraries set themselves up at their first call, which must not be captured. The steps run
        # on a side stream because the capture will, too.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(batch)
        torch.cuda.current_stream().wait_stream(stream)
