"""The moments of a timeline that are worth going to, each in a few words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch

from kafka_lab import events as ev
from kafka_lab.timeline import Timeline

__all__ = ["Marks", "marks_of", "said"]

_LONGEST = 120


def marks_of(events: Iterable[ev.Event], most: int) -> list[tuple[float, str]]:
    """Return the last moments worth going to, ``most`` at most: when, and what happened in a few words.

    What happened to Kafka's own topics is left out.

    Examples
    --------
    >>> marks_of([ev.FaultStarted("broker-1", "kill", at_s=1.5)], most=10)
    [(1.5, '✂ kill broker-1')]
    """
    marks = Marks()
    marks.add(events)
    return marks.last(most)


class Marks:
    """The moments of a timeline that still grows; each event is looked at once."""

    def __init__(self) -> None:
        self._worth: list[tuple[float, str]] = []
        self._seen = 0  # events of the timeline that is followed
        self._failing = ""  # the client whose records fail one after the other: one mark for all of them

    def add(self, events: Iterable[ev.Event]) -> None:
        """Look at further events."""
        for event in events:
            if isinstance(event, ev.RecordAcknowledged):
                if event.sender == self._failing:
                    self._failing = ""
                continue
            if isinstance(event, ev.RecordFailed):
                if self._failing == event.sender:
                    continue
                self._failing = event.sender
            if not event.subject.startswith("__") and (text := said(event)):
                clipped = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
                self._worth.append((event.at_s, clipped))

    def follow(self, timeline: Timeline) -> None:
        """Look at what a timeline has beyond what was looked at before."""
        new = timeline.since(self._seen)
        self._seen += len(new)
        self.add(new)

    def last(self, most: int) -> list[tuple[float, str]]:
        """Return the last ones, ``most`` at most."""
        return self._worth[-most:]


@singledispatch
def said(event: ev.Event) -> str:  # noqa: ARG001
    """Return what happened in a few words; empty for what happens all the time."""
    return ""


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"


def _place(event: ev.FaultStarted | ev.FaultEnded) -> str:
    return event.node if event.peer is None else f"{event.node} – {event.peer}"


@said.register
def _(event: ev.NodeStarted) -> str:
    return f"{event.node} started"


@said.register
def _(event: ev.NodeExited) -> str:
    return f"{event.node} exited ({event.exit_code})"


@said.register
def _(event: ev.BrokerRegistered) -> str:
    return f"{event.node} registered"


@said.register
def _(event: ev.BrokerLost) -> str:
    return f"{event.node} lost: its session is over"


@said.register
def _(event: ev.ControllerElected) -> str:
    return f"◆ {event.node} is controller"


@said.register
def _(event: ev.ControllerLost) -> str:
    return f"◆ {event.node} is controller no longer"


@said.register
def _(event: ev.ZooKeeperLost) -> str:  # noqa: ARG001
    return "ZooKeeper does not answer: the lab is blind"


@said.register
def _(event: ev.FaultStarted) -> str:
    return f"✂ {event.fault} {_place(event)}"


@said.register
def _(event: ev.FaultEnded) -> str:
    return f"✚ {event.fault} of {_place(event)} healed"


@said.register
def _(event: ev.TopicCreated) -> str:
    return f"topic {event.topic} created"


@said.register
def _(event: ev.TopicDeleted) -> str:
    return f"topic {event.topic} deleted"


@said.register
def _(event: ev.LeaderChanged) -> str:
    return f"★ {event.subject}: {event.leader} leads, epoch {event.leader_epoch}"


@said.register
def _(event: ev.LeaderLost) -> str:
    return f"✕ {event.subject}: no leader, epoch {event.leader_epoch}"


@said.register
def _(event: ev.IsrShrunk) -> str:
    return f"{event.subject}: {_joined(event.left)} left the ISR, {_joined(event.isr)} in sync"


@said.register
def _(event: ev.IsrExpanded) -> str:
    return f"{event.subject}: {_joined(event.joined)} joined the ISR"


@said.register
def _(event: ev.ElectionRequested) -> str:
    return f"{event.subject}: {event.kind} election asked for"


@said.register
def _(event: ev.ReassignmentStarted) -> str:
    return f"{event.subject}: reassignment to {_joined(event.replicas)} begins"


@said.register
def _(event: ev.ReassignmentEnded) -> str:
    return f"{event.subject}: reassigned to {_joined(event.replicas)}"


@said.register
def _(event: ev.GroupChanged) -> str:
    return f"group {event.group}: {event.group_state}, members {_joined(event.members)}"


@said.register
def _(event: ev.RecordFailed) -> str:
    return f"{event.sender} gives up records to {event.topic}: {event.error}"


@said.register
def _(event: ev.NotificationRefused) -> str:
    return f"notification refused: {event.reason}"


@said.register
def _(event: ev.NotificationUnknown) -> str:
    return f"notification in doubt: {event.reason}"


@said.register
def _(event: ev.WorkerFailed) -> str:
    return f"worker {event.worker} failed: {event.reason}"
