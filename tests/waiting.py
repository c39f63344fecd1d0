"""Waiting for what happens in other threads, with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["until"]

_AGAIN_S = 0.02


def until(check: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return when ``check`` is true; fail if it is not in time."""
    pause = threading.Event()
    for _ in range(int(timeout_s / _AGAIN_S)):
        if check():
            return
        pause.wait(_AGAIN_S)
    raise AssertionError(f"it did not happen within {timeout_s:g} s")
