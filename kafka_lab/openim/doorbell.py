"""Calling into an event loop from other threads, with one wake-up for many calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Doorbell"]


class Doorbell:
    """Lets an event loop call functions; may be used from any thread.

    ``loop.call_soon_threadsafe`` wakes the loop, by a system call, for each function. Acknowledgements and
    pushes come by the hundred at once: here only the first of them wakes it.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        Whose.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[Callable[[], object]] = deque()
        self._rung = False

    def call(self, function: Callable[[], object]) -> None:
        """Let the loop call a function soon.

        Raises
        ------
        RuntimeError
            The loop is closed.
        """
        self._waiting.append(function)
        if not self._rung:
            self._rung = True
            self.loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._rung = False  # before it looks: who comes after that look rings again
        while self._waiting:
            self._waiting.popleft()()
