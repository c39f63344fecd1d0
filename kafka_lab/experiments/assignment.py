"""Who reads what: how the assignment strategies share out partitions, and what they move when one leaves."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.experiments.report import Report, side_by_side
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.groups import STRATEGIES
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["AssignmentReport", "assignment", "moved"]

_MOST_PARTITIONS = 24


@dataclass(frozen=True)
class AssignmentReport(Report):
    """Who had what before a member left, and after.

    Attributes
    ----------
    strategy : str
        How partitions were shared out.
    before, after : dict
        The partitions of each member.
    left : str
        Who left in between.
    moved : tuple of str
        Partitions that have another reader though their first one stayed.
    rebalances : int
        How many it took until every partition had its reader again.
    """

    strategy: str
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]
    left: str
    moved: tuple[str, ...]
    rebalances: int

    def table(self) -> Table:
        """Return the partitions of each member, before and after."""
        rows = [
            (member, " ".join(given) or "-", " ".join(self.after.get(member, ())) or "-")
            for member, given in self.before.items()
        ]
        return Table((f"strategy {self.strategy}", "before", f"after {self.left} left"), rows)

    def compare(self, other: AssignmentReport) -> Table:
        """Return what two strategies did, side by side."""
        return side_by_side(("", self.strategy, other.strategy), self._summary(), other._summary())

    def scene(self) -> Scene:
        """Return how many partitions each member has, as bars."""
        bars = [
            Bar(f"{member}, {when}", len(given), f"{len(given)}: {' '.join(given)}"[:60])
            for when, members in (("before", self.before), ("after", self.after))
            for member, given in members.items()
        ]
        moved = f"{len(self.moved)} moved though their reader stayed"
        return bars_scene(f"Assignment, {self.strategy}", moved, bars, self.table())

    def _summary(self) -> list[tuple[str, str]]:
        sizes = [len(given) for given in self.before.values()]
        return [
            ("partitions per member", f"{min(sizes)} to {max(sizes)}"),
            ("moved though their reader stayed", str(len(self.moved))),
            ("rebalances when one left", str(self.rebalances)),
        ]


def moved(before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the partitions that have another reader although their first one is still there.

    Examples
    --------
    >>> moved({"a": ("t-0", "t-1"), "b": ("t-2",)}, {"a": ("t-0", "t-2"), "b": ("t-1",)})
    ('t-1', 't-2')
    """
    return tuple(
        sorted(
            name
            for member, given in before.items()
            if member in after
            for name in given
            if name not in after[member]
        )
    )


@visible("Partitions shared out")
def assignment(
    lab: Subject, strategy: str = "range", *, members: int = 3, partitions: int = 4, topics: int = 2
) -> AssignmentReport:
    """Let a group share out the partitions of some topics, then let its first member leave.

    Parameters
    ----------
    lab : Lab
        A running lab.
    strategy : str, default "range"
        ``partition.assignment.strategy``: ``"range"``, ``"round-robin"``, ``"sticky"`` or
        ``"cooperative-sticky"``.
    members : int, default 3
        How many, 2 to 8.
    partitions : int, default 4
        Of each topic, 1 to 24.
    topics : int, default 2
        How many, 1 to 4.

    Raises
    ------
    ConfigurationError
        An argument is not valid.
    WaitTimeoutError
        The group does not come to rest.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(unknown("strategy", strategy, STRATEGIES))
    for name, value, least, most in (
        ("members", members, 2, 8),
        ("partitions", partitions, 1, _MOST_PARTITIONS),
        ("topics", topics, 1, 4),
    ):
        if type(value) is not int or not least <= value <= most:
            raise ConfigurationError(f"{name} is {value!r}; expected a whole number from {least} to {most}")
    names = []
    for _ in range(topics):
        names.append(new_topic_name(lab, "assignment"))
        lab.create_topic(names[-1], partitions=partitions)
    with lab.group(names[0], names, members=members, strategy=strategy) as group:
        before = group.wait_until_assigned()
        earlier = group.rebalances
        first = next(iter(before))
        group.remove_member(first)
        after = group.wait_until_assigned()
        count = group.rebalances - earlier
    return AssignmentReport(strategy, before, after, first, moved(before, after), count)
