"""How the memory of tensors is kept from one training step to the next."""

import ctypes

# Numbers of the parameters of glibc's mallopt(3).
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
LARGEST_KEPT_BLOCK = 2**30
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let freed memory be used again instead of going back to the operating system.

    Every step of a training on the CPU allocates and frees the same tensors of some megabytes.
    glibc gives such blocks back, and the kernel clears each of their pages at the next step: a
    third of the time (measured in benchmarks/README.md). C libraries without ``mallopt`` are left
    as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(MMAP_THRESHOLD, LARGEST_KEPT_BLOCK)
    mallopt(TRIM_THRESHOLD, LARGEST_INT)
    mallopt(TOP_PAD, 2**26)
