"""How long a group is without a reader, when a member leaves, dies, hangs, or is static and comes back."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.events import PartitionsAssigned
from kafka_lab.experiments.report import Report, side_by_side
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.groups import Group
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["ENDS", "TakeoverReport", "takeover"]

#: How a member ends.
ENDS = ("leave", "kill", "hang", "static")
_INSTANCES = ("anna", "ben", "cleo")
_PARTITIONS = 6


@dataclass(frozen=True)
class TakeoverReport(Report):
    """How long some partitions had no reader.

    Attributes
    ----------
    how : str
        One of :data:`ENDS`.
    without_reader_s : float
        From the member's end until its partitions had a reader again, in seconds.
    rebalances : int
        Rebalances in between.
    took_over : dict
        The partitions of each member in the end.
    """

    how: str
    without_reader_s: float
    rebalances: int
    took_over: dict[str, tuple[str, ...]]

    def table(self) -> Table:
        """Return the figures."""
        return Table((f"a member's end: {self.how}", ""), self._figures())

    def compare(self, other: TakeoverReport) -> Table:
        """Return two reports side by side."""
        return side_by_side(("", self.how, other.how), self._figures(), other._figures())

    def scene(self) -> Scene:
        """Return the time as a bar."""
        bars = [Bar("without a reader", self.without_reader_s, f"{self.without_reader_s:.2f} s")]
        return bars_scene("Takeover", f"{self.how}, {self.rebalances} rebalances", bars, self.table())

    def _figures(self) -> list[tuple[str, str]]:
        return [
            ("without a reader", f"{self.without_reader_s:.2f} s"),
            ("rebalances", str(self.rebalances)),
        ]


@visible("A member's partitions are taken over")
def takeover(lab: Subject, how: str = "kill") -> TakeoverReport:
    """End one of three members, and measure how long its partitions have no reader.

    Parameters
    ----------
    lab : Lab
        A running lab.
    how : str, default "kill"
        ``"leave"``: it says so, and the others take over at once. ``"kill"``: they do when its session is
        over (``session.timeout.ms``, 3 s here). ``"hang"``: its heartbeats go on, but it polls no more; it
        leaves after ``max.poll.interval.ms`` (5 s here). ``"static"``: it is killed and comes back with the
        same ``group.instance.id`` (KIP-345) within its session: nobody takes over, nothing is rebalanced.

    Raises
    ------
    ConfigurationError
        There is no such end.
    WaitTimeoutError
        Nobody took over.
    """
    if how not in ENDS:
        raise ConfigurationError(unknown("end", how, ENDS))
    topic = new_topic_name(lab, "takeover")
    lab.create_topic(topic, partitions=_PARTITIONS)
    with lab.group(topic, [topic], members=0) as group:
        for instance in _INSTANCES:
            group.add_member(instance if how == "static" else None)
        first = next(iter(group.wait_until_assigned()))
        earlier, begin_s, since = group.rebalances, lab.timeline.now_s(), len(lab.timeline)
        _end(group, first, how)
        members = group.wait_until_assigned()
        again = [
            event
            for event in lab.timeline.since(since)
            if isinstance(event, PartitionsAssigned) and event.group == topic
        ]
        return TakeoverReport(how, again[-1].at_s - begin_s, group.rebalances - earlier, members)


def _end(group: Group, member: str, how: str) -> None:
    match how:
        case "leave":
            group.remove_member(member)
        case "kill":
            group.kill_member(member)
        case "hang":
            group.hang_member(member)
        case _:
            group.kill_member(member)
            group.add_member(_INSTANCES[0])
