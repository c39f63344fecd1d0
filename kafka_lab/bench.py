"""Figures of the lab itself on this machine: each measured some times, with its spread."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from kafka_lab.errors import ConfigurationError
from kafka_lab.events import Event, IsrExpanded, LeaderChanged
from kafka_lab.experiments import failover
from kafka_lab.lab import Lab
from kafka_lab.progress import Report
from kafka_lab.state import node_name
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline

__all__ = ["Benchmark", "Figure", "bench", "observation_delays_ms"]

MOST_RUNS = 20
_TOPIC = "bench"
_MESSAGES = 5000
_LINE = re.compile(r"^\[(?P<at>[\d-]+ [\d:]+,\d{3})\] INFO (?P<text>.*)$", re.MULTILINE)
_LED = re.compile(r"Leader (?P<partition>\S+) with topic id .* starts at leader epoch (?P<epoch>\d+) ")
_GROWN = re.compile(r"\[Partition (?P<partition>\S+) broker=\d+\] ISR updated to (?P<isr>[\d,]+) ")


@dataclass(frozen=True)
class Figure:
    """One figure: its name, its unit, and every value that was measured."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Benchmark:
    """What was measured."""

    figures: tuple[Figure, ...]

    def table(self) -> Table:
        """Return each figure with its median, its least, its most and the number of runs."""
        rows = [
            (
                figure.name,
                *(f"{v:.2f} {figure.unit}" for v in (figure.median, min(figure.values), max(figure.values))),
                str(len(figure.values)),
            )
            for figure in self.figures
        ]
        return Table(("figure", "median", "least", "most", "runs"), rows)

    def compare(self, earlier: Benchmark) -> Table:
        """Return the medians beside those of an earlier time on this machine, and their ratio."""
        before = {figure.name: figure for figure in earlier.figures}
        rows = [
            (
                figure.name,
                f"{before[figure.name].median:.2f} {figure.unit}",
                f"{figure.median:.2f} {figure.unit}",
                f"{figure.median / before[figure.name].median:.2f}" if before[figure.name].median else "-",
            )
            for figure in self.figures
            if figure.name in before
        ]
        return Table(("figure", "earlier median", "median now", "ratio"), rows)

    @classmethod
    def load(cls, path: Path) -> Benchmark:
        """Read what ``kafka-lab bench --json`` printed.

        Raises
        ------
        ConfigurationError
            It is no such file.
        """
        try:
            figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
            return cls(tuple(Figure(f["name"], f["unit"], tuple(map(float, f["values"]))) for f in figures))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path} has no earlier figures ({type(error).__name__}: {error}): expected what "
                "`kafka-lab bench --json` printed"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {"figures": [{**asdict(figure), "median": figure.median} for figure in self.figures]}


def bench(report: Report, *, runs: int = 5) -> Iterator[Figure]:
    """Measure start, stop, memory, failovers and the delay of observation; takes some minutes.

    Each figure comes when it is known.

    Parameters
    ----------
    report : callable
        Is told how far it is.
    runs : int, default 5
        How often each is done, 1 to 20.

    Raises
    ------
    ConfigurationError
        ``runs`` is out of range.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ConfigurationError(f"runs is {runs}; expected 1 to {MOST_RUNS}")
    yield from life(report, runs)
    yield from life(report, runs, mode="kraft")
    yield from work(report, runs)
    for profile, ways in {"lab": ("kill", "kill, wait skipped", "stop"), "fast": ("kill",)}.items():
        with Lab(profile=profile) as lab:
            lab.create_topic(_TOPIC, partitions=3, replication_factor=3)
            for how in ways:
                report(f"Failover by {how} in the profile {profile}", 0, 0)
                done = failover(lab, _TOPIC, how=how, runs=runs).runs
                name = f"first acknowledgement after {how} ({profile})"
                yield Figure(name, "s", tuple(run.acknowledged_s for run in done))
            if profile == "lab":
                delays = observation_delays_ms(lab.timeline, _logs(lab))
                yield Figure("event after the broker's log line", "ms", tuple(delays))


def life(report: Report, runs: int, **kind: Any) -> list[Figure]:  # noqa: ANN401 - Lab's arguments
    """Measure start, memory and stop of a kind of lab."""
    starts, stops, memory = [], [], []
    named = "".join(f" ({value})" for value in kind.values())
    for number in range(runs):
        report(f"Starting and stopping{named}", number, runs)
        begin = time.monotonic()
        with Lab(**kind) as lab:
            starts.append(time.monotonic() - begin)
            pids = [node.pid for node in lab.state.nodes.values()]
            memory.append(sum(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20)
            begin_stop = time.monotonic()
        stops.append(time.monotonic() - begin_stop)
    return [
        Figure(f"start of three brokers, until all acknowledge{named}", "s", tuple(starts)),
        Figure(f"stop{named}", "s", tuple(stops)),
        Figure(f"memory of all processes when started{named}", "MiB", tuple(memory)),
    ]


def work(report: Report, runs: int) -> list[Figure]:
    """Measure what an isolated test costs, a reset, and how much one client gets through."""
    isolated, resets, sent, read = [], [], [], []
    with Lab(profile="fast") as lab:
        for number in range(runs):
            report("Topics, resets and clients", number, runs)
            begin = time.monotonic()
            lab.create_topic(f"isolated-{number}", partitions=3)
            lab.heal_all()
            lab.delete_topic(f"isolated-{number}", wait=False)
            isolated.append(time.monotonic() - begin)
            lab.create_topic(_TOPIC, partitions=3)
            sent.append(_MESSAGES / _seconds_to_send(lab))
            begin = time.monotonic()
            found = len(lab.read(_TOPIC))
            read.append(found / (time.monotonic() - begin))
            begin = time.monotonic()
            lab.reset()
            resets.append(time.monotonic() - begin)
    return [
        Figure("cost of an isolated test: a topic made, healed, its deletion ordered", "s", tuple(isolated)),
        Figure("reset of a lab with one topic", "s", tuple(resets)),
        Figure("one kafka-python producer, acks=all, 100 bytes", "messages/s", tuple(sent)),
        Figure("one kafka-python consumer, 100 bytes", "messages/s", tuple(read)),
    ]


def _seconds_to_send(lab: Lab) -> float:
    with lab.producer(linger_ms=5) as producer:
        producer.send(_TOPIC, bytes(100), partition=0).get(30)  # the connection is there
        begin = time.monotonic()
        last = [producer.send(_TOPIC, bytes(100), partition=n % 3) for n in range(_MESSAGES)]
        producer.flush(60)
        for future in last:
            future.get(30)
        return time.monotonic() - begin


def _logs(lab: Lab) -> list[str]:
    return [
        Path(row[-1]).read_text(encoding="utf-8", errors="replace")
        for row in lab.nodes().rows
        if row[1] == "broker"
    ]


def observation_delays_ms(timeline: Timeline, logs: Iterable[str]) -> list[float]:
    """Return how long after a broker's own log line each leader and each grown ISR was on the timeline.

    A negative delay means that ZooKeeper's watch was quicker than the broker's log. Both clocks are the
    machine's; the log's has milliseconds.

    Parameters
    ----------
    timeline : Timeline
        The events.
    logs : iterable of str
        What the brokers of this cluster wrote, in the local time zone.
    """
    said: dict[tuple[str, object], float] = {}
    for log in logs:
        for line in _LINE.finditer(log):
            at_s = datetime.strptime(line["at"], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
            if led := _LED.search(line["text"]):
                said.setdefault((led["partition"], int(led["epoch"])), at_s)
            elif grown := _GROWN.search(line["text"]):
                isr = frozenset(map(node_name, map(int, grown["isr"].split(","))))
                said.setdefault((grown["partition"], (isr, at_s)), at_s)
    origin_s = timeline.started_at.timestamp()
    delays = []
    for event in timeline:
        line_s = _line_of(event, said, origin_s)
        if line_s is not None:
            delays.append(1000 * (origin_s + event.at_s - line_s))
    return delays


def _line_of(event: Event, said: dict[tuple[str, object], float], origin_s: float) -> float | None:
    """Return when a broker wrote about an event, or None if none did."""
    if isinstance(event, LeaderChanged) and event.leader != event.previous:
        return said.get((event.subject, event.leader_epoch))
    if isinstance(event, IsrExpanded):
        near = [
            at_s
            for (partition, about), at_s in said.items()
            if partition == event.subject
            and isinstance(about, tuple)
            and about[0] == frozenset(event.isr)
            and abs(origin_s + event.at_s - at_s) < 1.0
        ]
        return min(near, default=None, key=lambda at_s: abs(origin_s + event.at_s - at_s))
    return None
