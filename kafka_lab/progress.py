"""Telling a person how far long work is: a bar in a terminal, a widget in a notebook, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Report", "silent", "visible"]

#: Called with what is being done, how much of it is done, and how much there is (0: unknown).
Report = Callable[[str, int, int], None]


def silent(step: str, done: int = 0, total: int = 0) -> None:
    """Report to nobody."""


@contextmanager
def visible() -> Iterator[Report]:
    """Yield a report that a person sees, if there is one to see it."""
    if not (sys.stderr.isatty() or _in_notebook()):
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("", total=None)

        def report(step: str, done: int = 0, total: int = 0) -> None:
            bars.update(task, description=step, completed=done, total=total or None)

        yield report


def _in_notebook() -> bool:
    """Tell whether this runs in an IPython kernel, without importing IPython."""
    shell = sys.modules.get("IPython")
    return shell is not None and "ipykernel" in type(shell.get_ipython()).__module__
