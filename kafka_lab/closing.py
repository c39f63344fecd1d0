"""Closing several things, whatever some of them say."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Closers"]


class Closers:
    """What is to be closed, last in first out; one that fails does not keep the others open.

    Examples
    --------
    >>> closers = Closers()
    >>> closers.add(lambda: print("opened first, closed last"))
    >>> closers.add(lambda: print("opened last, closed first"))
    >>> closers.close("demonstration")
    opened last, closed first
    opened first, closed last
    >>> closers.close("a second time does nothing")
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closers: list[Callable[[], object]] = []

    def add(self, close: Callable[[], object]) -> None:
        """Remember what closes a thing that was just opened."""
        with self._lock:
            self._closers.append(close)

    def close(self, what: str) -> None:
        """Close everything once. Interrupted, it goes on with the rest before the interruption is passed on.

        Raises
        ------
        ExceptionGroup
            Some could not be closed; its message names ``what`` they are part of.
        """
        errors: list[Exception] = []
        interruption: BaseException | None = None
        while (close := self._take()) is not None:
            try:
                close()
            except Exception as error:  # noqa: BLE001 - every one is raised below
                errors.append(error)
            except BaseException as error:  # noqa: BLE001 - raised when all is closed
                interruption = error
        if interruption is not None:
            raise interruption
        if errors:
            raise ExceptionGroup(f"{what}: not everything closed in order", errors)

    def _take(self) -> Callable[[], object] | None:
        with self._lock:
            return self._closers.pop() if self._closers else None
