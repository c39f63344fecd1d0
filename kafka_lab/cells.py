"""Which labs belong to which notebook cell, so that running a cell again replaces its lab."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Cell", "current", "replace"]


class Cell(NamedTuple):
    """A cell of a notebook, and the number of the execution."""

    identity: str
    execution: int


_closers: dict[Cell, list[Callable[[], object]]] = {}


def current() -> Cell | None:
    """Return the cell that is being run, or None outside a notebook."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    request = shell.get_parent()
    identity = request.get("metadata", {}).get("cellId") or request.get("content", {}).get("code")
    return Cell(str(identity), shell.execution_count) if identity else None


def replace(closer: Callable[[], object]) -> int:
    """Close what earlier runs of the current cell left open, and remember ``closer`` for later runs.

    Returns
    -------
    int
        How many were closed.
    """
    now = current()
    if now is None:
        return 0
    earlier = [cell for cell in _closers if cell.identity == now.identity and cell != now]
    closers = [close for cell in earlier for close in _closers.pop(cell)]
    for close in closers:
        close()
    _closers.setdefault(now, []).append(closer)
    return len(closers)


def in_kernel() -> bool:
    """Tell whether this runs in a notebook's kernel, without importing IPython."""
    module = sys.modules.get("IPython")
    return module is not None and hasattr(module.get_ipython(), "kernel")
