"""Threads that belong to one owner, which starts them and sees to their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

__all__ = ["Threads"]


class Threads:
    """Some loops, each in a thread of its own.

    Attributes
    ----------
    closing : threading.Event
        Set when the threads are to end.

    Examples
    --------
    >>> threads = Threads()
    >>> threads.start({"waiter": threads.closing.wait})
    >>> threads.close()
    """

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, work: Mapping[str, Callable[[], object]]) -> None:
        """Start a thread for each function, by name; a function ends soon after ``closing`` is set."""
        for name, target in work.items():
            thread = threading.Thread(target=target, name=f"kafka-lab-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Tell the threads to end, and wait until they have."""
        self.closing.set()
        for thread in self._threads:
            thread.join()
