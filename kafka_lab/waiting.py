"""Waiting for what no event tells of, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from kafka_lab.errors import WaitTimeoutError

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(
    look: Callable[[], T | None],
    *,
    timeout_s: float,
    expected: str,
    last_seen: Callable[[], str],
    again_s: float = 0.05,
) -> T:
    """Return the first result of ``look`` that is not None, looking again and again.

    What is on a timeline is waited for by :meth:`kafka_lab.Timeline.wait_until`: it looks after each event.

    Parameters
    ----------
    look : callable
        Whatever it raises ends the wait.
    timeout_s : float
        How long to wait, in seconds.
    expected : str
        What is waited for, for the error.
    last_seen : callable
        Returns what was seen instead, for the error.
    again_s : float, default 0.05
        How long to wait between two looks.

    Raises
    ------
    WaitTimeoutError
        The deadline passed.
    """
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise WaitTimeoutError(expected, waited_s=timeout_s, last_seen=last_seen())
        pause.wait(again_s)
    return found
