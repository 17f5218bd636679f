"""Waits for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value], seconds: float = 60, pause: float = 0.01) -> Value:
    """Return the first true value of ``condition``, which is asked every ``pause`` seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s there was only {value!r}")
        time.sleep(pause)
    return value
