"""The state of a cluster for a terminal: leaders, replicas, groups and lag, and what happened last."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as RichText

from kafka_lab.state import ClusterState, NodeState
from kafka_lab.table import plain
from kafka_lab.views.groups import groups_graph, groups_scene

__all__ = ["screen"]

_MOST_PARTITIONS = 20
_MOST_READ = 12


class Text(RichText):
    """A text without markup, and without what would steer the terminal."""

    def __init__(self, text: str, style: str = "") -> None:
        super().__init__(plain(text), style=style)


def screen(
    state: ClusterState,
    marks: Sequence[tuple[float, str]],
    at_s: float,
    title: str,
    topics: Sequence[str] = (),
) -> RenderableType:
    """Return what a terminal shows of a moment.

    Parameters
    ----------
    state : ClusterState
        The moment.
    marks : sequence of (float, str)
        What happened last: when, and what.
    at_s : float
        The moment's time, in seconds.
    title : str
        Which cluster it is.
    topics : sequence of str
        Whose partitions; by default those of all topics but Kafka's own.
    """
    heading = Text(f"{title} · {at_s:.1f} s · controller {state.controller or 'none'}", style="bold")
    lines = [Text(f"{when:8.2f} s  {what}") for when, what in marks]
    last = Panel(Group(*lines), title="last events", title_align="left")
    parts: list[RenderableType] = [heading, _nodes(state), last, _partitions(state, topics)]
    if state.groups:
        parts.append(_groups(state))
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=True)
    for name in columns:
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    return table


def _condition(node: NodeState) -> Text:
    if not node.running:
        return Text("✕ down" + (", session open" if node.registered else ""), style="red")
    if node.paused:
        return Text("‖ paused", style="yellow")
    if node.role == "broker" and not node.registered:
        return Text("… starting", style="yellow")
    return Text("✓ running", style="green")


def _nodes(state: ClusterState) -> Table:
    table = _table("Nodes", "node", "state", "leads", "broken links")
    for name, node in state.nodes.items():
        leads = sum(p.leader == name for topic in state.topics.values() for p in topic.values())
        broken = [f"{fault} {' – '.join(ends)}" for ends, fault in state.links.items() if name in ends]
        mark = "◆ " if name == state.controller else "  "
        leading = str(leads) if node.role == "broker" else ""
        table.add_row(Text(mark + name), _condition(node), leading, Text("; ".join(broken)))
    return table


def _partitions(state: ClusterState, topics: Sequence[str]) -> Table:
    table = _table("Partitions", "partition", "leader", "epoch", "in sync", "missing", "high wm")
    rows = [
        (topic, number, partition)
        for topic, partitions in sorted(state.topics.items())
        if (topic in topics if topics else not topic.startswith("__"))
        for number, partition in sorted(partitions.items())
    ]
    for topic, number, partition in rows[:_MOST_PARTITIONS]:
        missing = [broker for broker in partition.replicas if broker not in partition.isr]
        table.add_row(
            Text(f"{topic}-{number}"),
            Text(f"★ {partition.leader}") if partition.leader else Text("✕ none", style="red"),
            str(partition.leader_epoch),
            Text(_numbers(partition.isr)),
            Text(_numbers(missing), style="red"),
            "-" if partition.high_watermark < 0 else str(partition.high_watermark),
        )
    if len(rows) > _MOST_PARTITIONS:
        table.caption = f"and {len(rows) - _MOST_PARTITIONS} more"
    return table


def _numbers(brokers: Sequence[str]) -> str:
    """Return brokers by their numbers: a terminal is narrow."""
    return " ".join(sorted(name.rpartition("-")[2] for name in brokers))


def _groups(state: ClusterState) -> Table:
    """Return the groups as the picture's table has them."""
    known = groups_scene(groups_graph(state)).table
    table = _table("Consumer groups", *known.columns)
    for row in known.rows[:_MOST_READ]:
        table.add_row(*map(Text, row))
    if len(known.rows) > _MOST_READ:
        table.caption = f"and {len(known.rows) - _MOST_READ} more"
    return table
