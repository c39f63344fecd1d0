"""Plots of numbers, by matplotlib: for a projector, in colours that colour-blind people tell apart."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka_lab import events as ev
from kafka_lab.errors import ConfigurationError
from kafka_lab.views import scene as s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["Plot", "lag_plot", "latency_plot", "load_plot", "steps_plot"]

_SIZE = (10.0, 4.6)  # inches
_COLOURS = (s.BLUE, s.ORANGE, "#009E73", "#CC79A7", "#56B4E9", s.VERMILION, s.GREY)
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")
_BINS = 40
_STYLE: Any = {
    "font.size": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": s.GREY,
    "text.color": s.INK,
    "axes.labelcolor": s.INK,
    "xtick.color": s.INK,
    "ytick.color": s.INK,
}


class Plot:
    """A plot that shows itself in a notebook, with an alternative text.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        Yours to change.
    said : str
        What it shows, in a sentence with the main figures.
    """

    def __init__(self, figure: MatplotlibFigure, said: str) -> None:
        self.figure = figure
        self.said = said

    def save(self, path: str | Path) -> Path:
        """Write it to a file of the kind that its name ends with (.svg, .png, .pdf), and return its path."""
        self.figure.savefig(path)
        return Path(path)

    def __repr__(self) -> str:
        return self.said

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=110)
        data = base64.b64encode(file.getvalue()).decode()
        picture = f'<img style="max-width:100%" alt="{escape(self.said)}" src="data:image/png;base64,{data}">'
        return {"text/plain": self.said, "text/html": picture, "image/png": data}


def _axes(title: str) -> tuple[MatplotlibFigure, Axes]:
    import matplotlib as mpl
    from matplotlib.figure import Figure as MatplotlibFigure

    with mpl.rc_context(_STYLE):
        figure = MatplotlibFigure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title)
    return figure, axes


def steps_plot(title: str, series: Mapping[str, Sequence[tuple[str, float]]]) -> Plot:
    """Return stacked bars: how long each step took, one after the other, a bar for each of several series.

    Parameters
    ----------
    title : str
        The headline.
    series : mapping
        By name: steps with their lengths in seconds, in order.
    """
    figure, axes = _axes(title)
    reached = dict.fromkeys(series, 0.0)  # where each bar ends
    steps_of = {name: dict(steps) for name, steps in series.items()}
    for number, step in enumerate(dict.fromkeys(step for steps in series.values() for step, _ in steps)):
        widths = [steps.get(step, 0.0) for steps in steps_of.values()]
        axes.barh(
            list(series), widths, left=list(reached.values()), label=step, edgecolor="white",
            color=_COLOURS[number % len(_COLOURS)], hatch=_HATCHES[number % len(_HATCHES)],
        )  # fmt: skip
        reached = {name: reached[name] + width for name, width in zip(series, widths, strict=True)}
    for row, total in enumerate(reached.values()):
        axes.text(total, row, f" {total:.2f} s", va="center", fontweight="bold")
    axes.set_xlabel("seconds since the act")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    said = []
    for name, steps in series.items():
        parts = ", ".join(f"{step} {length:.2f} s" for step, length in steps)
        said.append(f"{name}: {parts}, together {reached[name]:.2f} s")
    return Plot(figure, f"{title}. {'; '.join(said)}")


def latency_plot(events: Iterable[ev.Event], topics: Sequence[str] = ()) -> Plot:
    """Return the distribution of the times from sending a record to its acknowledgement, by topic.

    Raises
    ------
    ConfigurationError
        No producer of the lab got an acknowledgement there.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if (
            isinstance(event, ev.RecordAcknowledged)
            and event.latency_s > 0
            and event.topic in (topics or [event.topic])
        ):
            found[event.topic].append(1000 * event.latency_s)
    if not found:
        raise ConfigurationError("no producer of the lab got an acknowledgement there yet: nothing to draw")
    figure, axes = _axes("From sending to the acknowledgement")
    least, most = min(map(min, found.values())), max(map(max, found.values()))
    ratio = max(most / least, 1.01)
    edges = [least * ratio ** (number / _BINS) for number in range(_BINS + 1)]
    said = []
    for number, (topic, values) in enumerate(sorted(found.items())):
        values.sort()
        median, slow = values[len(values) // 2], values[min(len(values) - 1, int(0.99 * len(values)))]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.hist(values, bins=edges, histtype="step", linewidth=2.2, color=colour, label=topic)
        axes.axvline(median, color=colour, linestyle=":", linewidth=1.8)
        said.append(f"{topic}: {len(values)} records, median {median:.1f} ms, 99 % within {slow:.1f} ms")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds (dotted: the median)")
    axes.set_ylabel("records")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return Plot(figure, "From sending to the acknowledgement. " + "; ".join(said))


def lag_plot(events: Iterable[ev.Event], groups: Sequence[str] = ()) -> Plot:
    """Return how many records waited for consumer groups, over time: a step for each look of the polls.

    Raises
    ------
    ConfigurationError
        No committed offset was seen.
    """
    ends: dict[tuple[str, int], int] = {}
    committed: dict[str, dict[tuple[str, int], int]] = defaultdict(dict)
    lines: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for event in events:
        if isinstance(event, ev.HighWatermarkMoved):
            ends[event.topic, event.partition] = event.offset
        elif isinstance(event, ev.OffsetCommitted) and event.group in (groups or [event.group]):
            committed[event.group][event.topic, event.partition] = event.offset
        elif isinstance(event, ev.TopicDeleted):
            ends = {where: end for where, end in ends.items() if where[0] != event.topic}
            for offsets in committed.values():
                for where in [where for where in offsets if where[0] == event.topic]:
                    del offsets[where]
        else:
            continue
        for group, offsets in committed.items():
            lag = sum(max(0, ends.get(where, offset) - offset) for where, offset in offsets.items())
            lines[group].append((event.at_s, lag))
    if not lines:
        raise ConfigurationError("no committed offset was seen yet: nothing to draw")
    figure, axes = _axes("Lag of consumer groups")
    said = []
    for number, (group, points) in enumerate(sorted(lines.items())):
        times, lags = zip(*points, strict=True)
        axes.step(
            times, lags, where="post", linewidth=2.2, label=group,
            color=_COLOURS[number % len(_COLOURS)], linestyle=("-", "--", "-.", ":")[number % 4],
        )  # fmt: skip
        said.append(f"{group}: {lags[-1]} at the end, {max(lags)} at most")
    axes.set_xlabel("seconds of the timeline")
    axes.set_ylabel("records that wait")
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return Plot(figure, "Lag of consumer groups. " + "; ".join(said))


def load_plot(per_second: Sequence[float], asked_per_s: float, killed: str = "") -> Plot:
    """Return what was accepted in each second, beside what was asked for.

    Parameters
    ----------
    per_second : sequence of float
        Accepted requests in each second.
    asked_per_s : float
        Requests a second that were sent.
    killed : str
        Who was killed meanwhile, for the title.
    """
    figure, axes = _axes(f"Notifications accepted{f', {killed} killed' if killed else ''}")
    axes.bar(range(len(per_second)), per_second, color=s.BLUE, label="accepted")
    axes.axhline(asked_per_s, color=s.ORANGE, linestyle="--", label="asked for")
    axes.set_xlabel("seconds")
    axes.set_ylabel("a second")
    axes.legend(frameon=False)
    most = max(per_second, default=0)
    return Plot(figure, f"Up to {most:g} accepted in a second; {asked_per_s:g} asked for.")
