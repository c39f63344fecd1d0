"""Telling a person how far long work is: a bar in a terminal or a notebook, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kafka_lab import cells

__all__ = ["Report", "silent", "visible"]

#: Called with what is being done, how much of it is done, and how much there is (0: unknown).
Report = Callable[[str, int, int], None]

_shown: ContextVar[Report | None] = ContextVar("_shown", default=None)


def silent(step: str, done: int, total: int) -> None:
    """Report to nobody."""


@contextmanager
def visible() -> Iterator[Report]:
    """Yield a report that a person sees, if there is one to see it; work inside other work shares its bar."""
    outer = _shown.get()
    if outer is not None or not (sys.stderr.isatty() or cells.in_kernel()):
        yield outer or silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def report(step: str, done: int, total: int) -> None:
            bars.update(task, description=step, completed=done, total=total or None)

        token = _shown.set(report)
        try:
            yield report
        finally:
            _shown.reset(token)
