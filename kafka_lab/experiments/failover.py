"""The anatomy of a failover: what happens between a leader's end and the next acknowledged message.

While one record goes to each partition every 20 ms, the leader of one partition is broken, a few times over.
All steps are read off the lab's timeline, on one clock, from the moment of the act.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from kafka.errors import KafkaError

from kafka_lab.errors import ConfigurationError, WaitTimeoutError, unknown
from kafka_lab.events import (
    BrokerLost,
    ControllerElected,
    Event,
    FaultStarted,
    LeaderChanged,
    NodeExited,
    RecordAcknowledged,
    RecordRead,
)
from kafka_lab.experiments.report import Report
from kafka_lab.experiments.subject import Subject
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.threads import Threads
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.plots import Plot, steps_plot
from kafka_lab.views.scene import Scene

__all__ = ["FailoverReport", "FailoverRun", "failover"]

E = TypeVar("E", bound=Event)

MOST_RUNS = 20
STEPS = {
    "process_gone_s": "the process is gone",
    "session_expired_s": "its session has expired",
    "controller_elected_s": "another controller is elected",
    "leader_elected_s": "the partition has a new leader",
    "acknowledged_s": "a record is acknowledged again",
    "read_s": "and read by a consumer",
    "stall_of_others_s": "longest pause of acknowledgements elsewhere",
    "healed_s": "from the healing until every ISR is full",
}
_WAY = {  # the steps up to the first acknowledgement, as what they wait for
    "process_gone_s": "the process ends",
    "session_expired_s": "its session expires",
    "controller_elected_s": "a controller is elected",
    "leader_elected_s": "a leader is elected",
    "acknowledged_s": "the client finds it",
}
_CLIENTS = ("failover-load", "failover-reader")
_EVERY_S = 0.02
_WAIT_S = 90.0
_STUCK_S = 20.0
_PATIENCE_MS = 300_000
_SETTLE = 5  # acknowledged records per partition before each act


@dataclass(frozen=True)
class FailoverRun:
    """One failover, in seconds since the act; None for a step that did not happen.

    Attributes
    ----------
    leader, successor : str
        Who led before, and after.
    was_controller : bool
        The broken broker was the controller too, which makes a failover longer.
    process_gone_s, session_expired_s, controller_elected_s : float or None
        What the cluster did. A broker that stops in order hands its leaders over before its session ends.
    leader_elected_s : float
        The partition had another leader in ZooKeeper.
    acknowledged_s, read_s : float
        The first record that the new leader acknowledged, and that it was read.
    stall_of_others_s : float
        The longest pause of acknowledgements on any other partition of the topic.
    healed_s : float
        From the beginning of the healing until every ISR was full.
    stuck : bool
        The producer or the reader did not find the new leader before the old one was healed.
    """

    leader: str
    successor: str
    was_controller: bool
    process_gone_s: float | None
    session_expired_s: float | None
    controller_elected_s: float | None
    leader_elected_s: float
    acknowledged_s: float
    read_s: float
    stall_of_others_s: float
    healed_s: float
    stuck: bool = False


@dataclass(frozen=True)
class FailoverReport(Report):
    """Some failovers of one kind.

    Attributes
    ----------
    how : str
        What was done to the leader.
    topic, partition
        Which partition.
    runs : tuple of FailoverRun
        One for each time.
    """

    how: str
    topic: str
    partition: int
    runs: tuple[FailoverRun, ...]

    def median(self, step: str) -> float | None:
        """Return a step's median in seconds, or None if it never happened."""
        values = self._values(step)
        return statistics.median(values) if values else None

    def table(self) -> Table:
        """Return every step with its median, its least and its most."""
        rows = []
        for step, what in STEPS.items():
            if values := self._values(step):
                figures = (statistics.median(values), min(values), max(values))
                rows.append((what, *(f"{value:.2f} s" for value in figures), str(len(values))))
        if stuck := sum(run.stuck for run in self.runs):
            rows.append(("a client was stuck until the healing", "-", "-", "-", str(stuck)))
        return Table((f"{self.how} of the leader until ...", "median", "least", "most", "runs"), rows)

    def compare(self, other: FailoverReport, names: tuple[str, str] = ("this", "other")) -> Table:
        """Return the medians of two reports side by side."""
        rows = []
        for step, what in STEPS.items():
            pair = self.median(step), other.median(step)
            if any(value is not None for value in pair):
                rows.append((what, *("-" if value is None else f"{value:.2f} s" for value in pair)))
        return Table(("median until ...", *names), rows)

    def scene(self) -> Scene:
        """Return the medians as bars on one time axis."""
        return bars_scene(
            f"Failover of {self.topic}-{self.partition} by {self.how}",
            f"medians of {len(self.runs)} runs",
            [
                Bar(what, value, f"{value:.2f} s")
                for step, what in STEPS.items()
                if (value := self.median(step)) is not None
            ],
            self.table(),
        )

    def steps(self) -> list[tuple[str, float]]:
        """Return the way to the first acknowledgement as steps that follow each other, in seconds.

        They are the medians of the runs; what did not happen, or not in this order, is left out.
        """
        begin_s, steps = 0.0, []
        for name, what in _WAY.items():
            end_s = self.median(name)
            if end_s is not None and end_s > begin_s:
                steps.append((what, end_s - begin_s))
                begin_s = end_s
        return steps

    def plot(self, *others: FailoverReport, names: Sequence[str] = ()) -> Plot:
        """Return the steps as stacked bars, beside those of other reports.

        Parameters
        ----------
        *others : FailoverReport
            To compare with.
        names : sequence of str, optional
            What the bars are called; by default how the leader was broken.

        Raises
        ------
        ConfigurationError
            There are other than one name per report.
        """
        reports = (self, *others)
        called = names or [f"{number}: {report.how}" for number, report in enumerate(reports, start=1)]
        if len(called) != len(reports):
            raise ConfigurationError(f"{len(called)} names for {len(reports)} reports: expected one for each")
        series = {name: report.steps() for name, report in zip(called, reports, strict=True)}
        return steps_plot("Anatomy of a failover", series)

    def _values(self, step: str) -> list[float]:
        return [value for run in self.runs if (value := getattr(run, step)) is not None]


@visible("Failovers, measured")
def failover(
    lab: Subject, topic: str, partition: int = 0, *, how: str = "kill", runs: int = 5
) -> FailoverReport:
    """Break the leader of a partition a few times, under load, and measure what follows.

    Parameters
    ----------
    lab : Lab
        A running lab; it is whole again afterwards.
    topic, partition
        Whose leader.
    how : str
        ``"kill"``, ``"kill, wait skipped"`` (its session is ended by hand), ``"stop"``, ``"pause"`` or
        ``"cut"``: from all others, clients included (needs a lab with links).
    runs : int
        How many times, 1 to 20.

    Raises
    ------
    ConfigurationError
        There is no such way to break it, or ``runs`` is out of range.
    WaitTimeoutError
        The cluster did not come back.
    """
    acts: Mapping[str, Callable[[str], object]] = {
        "kill": lab.kill,
        "kill, wait skipped": lambda node: lab.kill(node, skip_wait=True),
        "stop": lab.stop,
        "pause": lab.pause,
        "cut": lambda node: [lab.cut(node, other) for other in ({*lab.state.nodes, *_CLIENTS} - {node})],
    }
    if how not in acts:
        raise ConfigurationError(unknown("way to break a leader", how, acts))
    if type(runs) is not int or not 1 <= runs <= MOST_RUNS:
        raise ConfigurationError(f"runs is {runs!r}; expected a whole number from 1 to {MOST_RUNS}")
    lab.leader_of(topic, partition)  # says so if there is no such partition
    lab.heal_all()
    load = _Load(lab, topic)
    try:
        load.start()
        done = tuple(_run(lab, topic, partition, acts[how]) for _ in range(runs))
    finally:
        load.close()
    return FailoverReport(how, topic, partition, done)


def _run(lab: Subject, topic: str, partition: int, act: Callable[[str], object]) -> FailoverRun:
    timeline = lab.timeline
    _wait_until_it_flows(lab, topic, partition, len(timeline))
    leader = lab.state.topics[topic][partition].leader or ""
    was_controller = leader == lab.state.controller
    begin = len(timeline)
    act(leader)
    broken = timeline.wait_for(FaultStarted, since=begin, node=leader, timeout_s=_WAIT_S)

    elected = timeline.wait_for(
        LeaderChanged, since=begin, topic=topic, partition=partition, timeout_s=_WAIT_S
    )
    first, writer_stuck = _wait_or_heal(
        lab,
        lambda timeout_s: timeline.wait_for(
            RecordAcknowledged, since=elected.seq, topic=topic, partition=partition, timeout_s=timeout_s
        ),
    )
    read, reader_stuck = _wait_or_heal(
        lab,
        lambda timeout_s: timeline.wait_until(
            lambda: _first_read(timeline.since(elected.seq), topic, partition, first.offset),
            timeout_s=timeout_s,
            expected=f"a record of {topic}-{partition} that is read",
            since=elected.seq,
        ),
    )
    _wait_until_it_flows(lab, topic, partition, read.seq)
    process_gone = timeline.find(NodeExited, since=begin, node=leader)
    session_expired = timeline.find(BrokerLost, since=begin, node=leader)
    controller_elected = timeline.find(ControllerElected, since=begin)
    stall_of_others_s = _longest_pause(timeline.since(begin), topic, partition, broken.at_s)
    healing_s = timeline.now_s()
    lab.heal_all()

    def after(event: Event | None) -> float | None:
        return None if event is None else elapsed(event)

    def elapsed(event: Event) -> float:
        return round(event.at_s - broken.at_s, 3)

    return FailoverRun(
        leader=leader,
        successor=elected.leader,
        was_controller=was_controller,
        process_gone_s=after(process_gone),
        session_expired_s=after(session_expired),
        controller_elected_s=after(controller_elected),
        leader_elected_s=elapsed(elected),
        acknowledged_s=elapsed(first),
        read_s=elapsed(read),
        stall_of_others_s=stall_of_others_s,
        healed_s=round(timeline.now_s() - healing_s, 3),
        stuck=writer_stuck or reader_stuck,
    )


def _wait_or_heal(lab: Subject, wait: Callable[[float], E]) -> tuple[E, bool]:
    """Return what a wait returns, and whether it took a healing to get it.

    kafka-python asks the frozen leader for metadata again and again, sometimes for as long as it is frozen.
    """
    try:
        return wait(_STUCK_S), False
    except WaitTimeoutError:
        lab.heal_all()
        return wait(_WAIT_S), True


def _first_read(events: list[Event], topic: str, partition: int, offset: int) -> RecordRead | None:
    """Return the first read of the acknowledged record or a later one: it may have been read before."""
    reads = (event for event in events if isinstance(event, RecordRead))
    return next(
        (e for e in reads if (e.topic, e.partition) == (topic, partition) and e.offset >= offset), None
    )


def _longest_pause(events: list[Event], topic: str, partition: int, begin_s: float) -> float:
    """Return the longest time between two acknowledgements on one of the other partitions."""
    times: dict[int, list[float]] = {}
    for event in events:
        if isinstance(event, RecordAcknowledged) and event.topic == topic:
            times.setdefault(event.partition, [begin_s]).append(event.at_s)
    times.pop(partition, None)
    return round(max((b - a for t in times.values() for a, b in pairwise(t)), default=0.0), 3)


def _wait_until_it_flows(lab: Subject, topic: str, partition: int, begin: int) -> None:
    """Wait until the load flows on the partition, to its reader: who has no position yet finds no leader."""

    def flowing() -> bool | None:
        events = lab.timeline.since(begin)
        acknowledged = [
            event
            for event in events
            if isinstance(event, RecordAcknowledged) and (event.topic, event.partition) == (topic, partition)
        ]
        if len(acknowledged) < _SETTLE:
            return None
        return True if _first_read(events, topic, partition, acknowledged[0].offset) else None

    lab.timeline.wait_until(
        flowing, timeout_s=_WAIT_S, expected=f"records of {topic}-{partition} that are read", since=begin
    )


class _Load:
    """Sends one record to each partition of a topic every 20 ms, and reads them."""

    def __init__(self, lab: Subject, topic: str) -> None:
        self._topic = topic
        self._partitions = sorted(lab.state.topics[topic])
        # An idempotent producer of kafka-python 3.0.12 can get stuck when it gives a record up: not this one.
        self._producer = lab.producer(client_id=_CLIENTS[0], delivery_timeout_ms=_PATIENCE_MS)
        self._consumer = lab.consumer(topic, client_id=_CLIENTS[1], auto_offset_reset="latest")
        self._threads = Threads()

    def start(self) -> None:
        """Begin."""
        self._threads.start({"load": self._send, "reader": self._read})

    def close(self) -> None:
        """Stop, and close the clients."""
        self._threads.close()
        self._producer.close(timeout=2)
        self._consumer.close(autocommit=False)

    def _send(self) -> None:
        while not self._threads.closing.wait(_EVERY_S):
            for partition in self._partitions:
                try:
                    self._producer.send(self._topic, b"load", partition=partition)
                except KafkaError:  # no room or no metadata: a pause in the load, which the report shows
                    break

    def _read(self) -> None:
        while not self._threads.closing.is_set():
            try:
                self._consumer.poll(timeout_ms=100)
            except KafkaError:  # between two leaders
                self._threads.closing.wait(_EVERY_S)
