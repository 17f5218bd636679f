"""The number format of the training's matrix products."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ("auto", "fp32", "bf16")


def supports_bf16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bfloat16 matrices in hardware, so that it gains time."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Older releases of PyTorch can't tell; fp32 is right everywhere.
        get_capabilities = getattr(torch.cpu, "get_capabilities", None)
        return bool(get_capabilities and get_capabilities().get("avx512_bf16"))
    return False


def choose_precision(requested: str, device: torch.device) -> str:
    """Resolve ``auto`` to ``bf16`` where ``device`` is fast at it, else to ``fp32``."""
    if requested == "auto":
        return "bf16" if supports_bf16(device) else "fp32"
    return requested


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Return a maker of contexts in which a net computes in ``precision``.

    Weights and their updates stay float32 in both.
    """
    if precision == "fp32":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)
