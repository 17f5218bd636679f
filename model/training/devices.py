"""What a training computes on: the device, its number format, and the set-up of the CPU."""

import ctypes

import torch

from model.training import RunError
from model.training.distributed import ProcessGroup

# Names of settings in glibc's malloc.h, and a value that no tensor of a step exceeds.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30


def choose_device(requested: str, process_group: ProcessGroup) -> torch.device:
    """Resolve ``auto`` to a GPU where there is one, a different one for each process.

    Args:
        requested: ``auto``, ``cpu`` or ``cuda``.
        process_group: the processes that train together.

    Raises:
        RunError: a GPU was asked for and there is none, or there are too few.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "cuda" and not gpus:
        raise RunError("--device cuda: PyTorch finds no GPU here; use --device cpu")
    if requested == "cpu" or not gpus:
        return torch.device("cpu")
    if process_group.local_rank >= gpus:
        raise RunError(
            f"process {process_group.local_rank + 1} on this machine has no GPU of its own; start "
            f"{gpus} on it, one for each GPU, or use --device cpu"
        )
    device = torch.device("cuda", process_group.local_rank)
    torch.cuda.set_device(device)
    return device


def choose_precision(requested: str, device: torch.device) -> str:
    """Resolve ``auto`` to ``bf16`` where ``device`` is fast at it, and else to ``fp32``."""
    if requested != "auto":
        return requested
    if device.type == "cuda":
        in_hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Older releases of PyTorch don't report this; fp32 runs everywhere.
        get_capabilities = getattr(torch.cpu, "get_capabilities", None)
        in_hardware = get_capabilities and get_capabilities().get("avx512_bf16")
    return "bf16" if in_hardware else "fp32"


def set_up_computation(threads: int | None, process_group: ProcessGroup) -> int | None:
    """Set up this process for training.

    Args:
        threads: Number of threads that compute on the CPU; None for PyTorch's own choice, and for
            several processes, which take it from ``OMP_NUM_THREADS``.
        process_group: The processes that train together.

    Returns:
        The number of threads that a resumed run needs for the same result, bit for bit, as the
        order of a sum, and so its rounding, depends on it; None for several processes.
    """
    if threads and not process_group.is_distributed:
        torch.set_num_threads(threads)
    # What is called fp32 is not to be rounded to TF32.
    torch.backends.cudnn.allow_tf32 = False
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt"):
        # Memory that glibc gives back comes as new pages in each step: 5 to 8 percent of its time.
        c_library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        c_library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    return None if process_group.is_distributed else torch.get_num_threads()
