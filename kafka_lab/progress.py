"""How long work says how far it is; who shows it to a person is :mod:`kafka_lab.showing`."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Report", "silent"]

#: Called with what is being done, how much of it is done, and how much there is (0: unknown).
Report = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """Report to nobody."""
