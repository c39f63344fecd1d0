"""Showing a person how far long work is: a bar in a terminal, a widget in a notebook, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from kafka_lab import cells
from kafka_lab.progress import Report, silent

__all__ = ["told_to", "visible"]

_shown: ContextVar[Report | None] = ContextVar("_shown", default=None)


@contextmanager
def visible(work: str) -> Iterator[Report]:
    """Yield a report that a person sees, if there is one to see it; work inside other work shares its bar."""
    outer = _shown.get()
    if outer is not None:
        outer(work, 0, 0)
        yield outer
        return
    if cells.in_kernel():
        bar = _in_notebook(work)
    elif sys.stderr.isatty():
        bar = _in_terminal(work)
    else:
        yield silent
        return
    with bar as report, told_to(report):
        yield report


@contextmanager
def told_to(report: Report) -> Iterator[None]:
    """Let all work inside report to somebody else."""
    token = _shown.set(report)
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def _in_terminal(work: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(work, total=None)

        def report(step: str, done: int, total: int) -> None:
            nonlocal task
            if bars.tasks[-1].description != step:  # a bar cannot become one of unknown length
                bars.remove_task(task)
                task = bars.add_task(step, total=total or None)
            bars.update(task, completed=done)

        yield report


@contextmanager
def _in_notebook(work: str) -> Iterator[Report]:
    """Show a bar that becomes one line of text at the end: the line is what a saved notebook keeps."""
    import ipywidgets
    from IPython.display import display

    begin = monotonic()
    bar = ipywidgets.IntProgress(layout={"width": "240px"})
    text = ipywidgets.Label(work)
    box = ipywidgets.HBox([bar, text])
    handle = display(box, display_id=True)  # type: ignore[no-untyped-call]

    def report(step: str, done: int, total: int) -> None:
        bar.max, bar.value, text.value = max(total, 1), done, step

    ended = "not finished"
    try:
        yield report
        ended = "done"
    finally:
        line = f"{work}: {ended} in {monotonic() - begin:.1f} s"
        handle.update({"text/plain": line}, raw=True)
        for widget in (box, bar, text):
            widget.close()
