"""The time axis: who led each partition when, who was in sync, what was broken, what clients met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatchmethod

import networkx as nx

from kafka_lab import events as ev
from kafka_lab.state import node_id
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["elections_graph", "elections_scene"]

MOST_LANES = 24
_LEFT, _WIDTH, _RIGHT = 150, 800, 24
_TOP, _LANE, _BAR, _STRIPE = 122, 44, 20, 4
_MARK_ROWS = 3
_BINS = 160  # of clients' answers, along the axis
_SHORTEST_S = 10.0  # a younger timeline does not fill the axis


_UNSEEN = (ev.HighWatermarkMoved, ev.OffsetCommitted, ev.MetadataChanged, ev.RecordRead, ev.ZnodeChanged)


@dataclass
class _Lane:
    """One partition's past, while the events are gone through."""

    reigns: list[dict[str, object]] = field(default_factory=list)
    isr: tuple[str, ...] = ()


class _Past:
    """Goes through the events once and notes what the picture shows."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self._topics = topics
        self.lanes: dict[tuple[str, int], _Lane] = {}
        self.marks: list[tuple[float, str, str]] = []
        self.acknowledged: list[float] = []
        self.failed: list[float] = []

    @singledispatchmethod
    def note(self, event: ev.Event) -> None:
        """Note one event; most have no place in the picture."""

    def acknowledge(self, event: ev.RecordAcknowledged) -> None:
        """Note an acknowledged record."""
        if self._is_shown(event.topic):
            self.acknowledged.append(event.at_s)

    def _is_shown(self, topic: str) -> bool:
        return topic in self._topics if self._topics else not topic.startswith("__")

    def _turn(self, event: ev.PartitionEvent, leader: str | None, leader_epoch: int) -> None:
        """Begin another reign, or a time without a leader."""
        if not self._is_shown(event.topic):
            return
        lane = self.lanes.setdefault((event.topic, event.partition), _Lane())
        lane.reigns.append({
            "leader": leader,
            "leader_epoch": leader_epoch,
            "begin_s": event.at_s,
            "isr": [(event.at_s, lane.isr)],
        })

    @note.register
    def _(self, event: ev.LeaderChanged) -> None:
        self._turn(event, event.leader, event.leader_epoch)

    @note.register
    def _(self, event: ev.LeaderLost) -> None:
        self._turn(event, None, event.leader_epoch)

    def _in_sync(self, event: ev.IsrShrunk | ev.IsrExpanded) -> None:
        lane = self.lanes.get((event.topic, event.partition))
        if lane is not None:
            lane.isr = event.isr
            isr = lane.reigns[-1]["isr"]
            assert isinstance(isr, list)  # noqa: S101 - made above
            isr.append((event.at_s, event.isr))

    @note.register
    def _(self, event: ev.IsrShrunk) -> None:
        self._in_sync(event)

    @note.register
    def _(self, event: ev.IsrExpanded) -> None:
        self._in_sync(event)

    @note.register
    def _(self, event: ev.TopicDeleted) -> None:
        self.lanes = {where: lane for where, lane in self.lanes.items() if where[0] != event.topic}

    @note.register
    def _(self, event: ev.FaultStarted) -> None:
        self.marks.append((event.at_s, "broken", f"{event.fault} {_ends(event)}"))

    @note.register
    def _(self, event: ev.FaultEnded) -> None:
        self.marks.append((event.at_s, "healed", f"{event.fault} of {_ends(event)} healed"))

    @note.register
    def _(self, event: ev.ControllerElected) -> None:
        self.marks.append((event.at_s, "controller", f"◆ {event.node}"))

    @note.register
    def _(self, event: ev.RecordFailed) -> None:
        if self._is_shown(event.topic):
            self.failed.append(event.at_s)


def _ends(event: ev.FaultStarted | ev.FaultEnded) -> str:
    return event.node if event.peer is None else f"{event.node} – {event.peer}"


def elections_graph(
    events: Iterable[ev.Event], now_s: float, *, last_s: float | None, topics: tuple[str, ...] = ()
) -> nx.MultiDiGraph:
    """Return who led when, as a graph.

    Nodes are reigns ``("chat-0", 3)``, the third of its partition, with ``leader`` (None while there was
    none), ``leader_epoch``, ``begin_s``, ``end_s`` and ``isr`` (a list of times and in-sync replicas); edges
    lead from a reign to the next. ``graph.graph`` has ``begin_s`` and ``end_s`` of the axis, ``marks`` (time,
    kind, text), and the times at which clients' records were ``acknowledged`` or ``failed``.

    Parameters
    ----------
    events : iterable of Event
        What happened, up to ``now_s``.
    now_s : float
        The end of the axis.
    last_s : float or None
        How much of the past is shown; None for all of it.
    topics : tuple of str
        Which topics; by default all but Kafka's own.
    """
    past = _Past(topics)
    for event in events:
        if isinstance(event, ev.RecordAcknowledged):  # most are
            past.acknowledge(event)
        elif type(event) not in _UNSEEN:
            past.note(event)
    begin_s = 0.0 if last_s is None else max(0.0, now_s - last_s)
    graph = nx.MultiDiGraph(
        begin_s=begin_s,
        end_s=max(now_s, begin_s + _SHORTEST_S),
        now_s=now_s,
        marks=[mark for mark in past.marks if mark[0] >= begin_s],
        acknowledged=[at_s for at_s in past.acknowledged if at_s >= begin_s],
        failed=[at_s for at_s in past.failed if at_s >= begin_s],
    )
    for (topic, number), lane in sorted(past.lanes.items()):
        name = f"{topic}-{number}"
        ends = [*(reign["begin_s"] for reign in lane.reigns[1:]), now_s]
        for count, (reign, end_s) in enumerate(zip(lane.reigns, ends, strict=True), start=1):
            graph.add_node((name, count), **reign, end_s=end_s)
            if count > 1:
                graph.add_edge((name, count - 1), (name, count))
    return graph


def elections_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of an :func:`elections_graph`."""
    lanes = list(dict.fromkeys(name for name, _ in graph.nodes))
    drawn = lanes[:MOST_LANES]
    bottom = _TOP + _LANE * max(1, len(drawn))
    scene = Scene(
        size=(_LEFT + _WIDTH + _RIGHT, bottom + 108),
        title="Elections",
        desc=_sentence(graph, lanes),
        table=_table(graph),
        layers=("lanes", "marks", "reigns", "labels"),
    )
    axis = _Axis(graph.graph["begin_s"], graph.graph["end_s"])
    scene.add_headline("labels", _LEFT + _WIDTH)
    rows = {name: _TOP + _LANE * row for row, name in enumerate(drawn)}
    for name, y in rows.items():
        lane = [
            s.rounded(_LEFT, y, _WIDTH, _LANE - 8, 4, fill=s.PALE_GREY),
            s.label(16, y + 16, s.clipped_before(*_named(name), _LEFT - 26), font_weight=600),
        ]
        scene.add(f"lane-{name}", "lanes", f"partition {name}", lane)
    for node, reign in graph.nodes(data=True):
        if node[0] in rows and reign["end_s"] > axis.begin_s:
            _draw_reign(scene, node, reign, rows[node[0]], axis)
    _draw_marks(scene, graph.graph["marks"], axis, bottom)
    _draw_answers(scene, graph, axis, bottom)
    _draw_axis(scene, axis, bottom + 58)
    _draw_legend(scene, bottom + 94)
    if not drawn:
        hint = "no partitions yet: lab.create_topic(...) makes some"
        scene.items["hint"] = ("labels", s.label(_LEFT + 12, _TOP + 24, hint, fill=s.GREY))
    return scene


def _named(partition: str) -> tuple[str, str]:
    topic, _, number = partition.rpartition("-")
    return topic, f"-{number}"


class _Axis:
    """Turns times into places."""

    def __init__(self, begin_s: float, end_s: float) -> None:
        self.begin_s, self.end_s = begin_s, end_s

    def x(self, at_s: float) -> float:
        """Return the place of a time; what was earlier stands at the left edge."""
        share = (at_s - self.begin_s) / (self.end_s - self.begin_s)
        return round(_LEFT + _WIDTH * min(1.0, max(0.0, share)), 1)


def _draw_reign(scene: Scene, node: tuple[str, int], reign: dict[str, object], y: float, axis: _Axis) -> None:
    leader, begin_s, end_s = reign["leader"], float(str(reign["begin_s"])), float(str(reign["end_s"]))
    x, end = axis.x(begin_s), axis.x(end_s)
    width = max(1.5, end - x)
    lasted = f"{end_s - begin_s:.2f} s"
    if leader is None:
        look = {"fill": s.WHITE, "stroke": s.VERMILION, "stroke_width": 1.6, "stroke_dasharray": "4 3"}
        parts = [s.rounded(x, y + 1, width, _BAR - 2, 2, **look)]
        text, ink = f"✕ no leader {lasted}", s.VERMILION
        said = f"{node[0]} without a leader for {lasted}"
    else:
        parts = [s.rounded(x, y, width, _BAR, 3, fill=s.colour_of(str(leader)))]
        text, ink = f"★ {leader} · epoch {reign['leader_epoch']}", s.WHITE
        said = f"{node[0]} led by {leader}, leader epoch {reign['leader_epoch']}, for {lasted}"
    short = str(leader).removeprefix("broker-") if leader else "✕"
    for fits in (text, str(leader) if leader else "✕ none", short):
        if len(fits) * 6.9 + 8 <= width:
            parts.append(s.label(x + 5, y + 14, fits, fill=ink, font_size=11, font_weight=600))
            break
    parts += _stripes(reign, y + _BAR + 2, axis)
    scene.add(f"{node[0]}#{node[1]}", "reigns", said, parts, tabindex=0)


def _stripes(reign: dict[str, object], y: float, axis: _Axis) -> list[s.Element]:
    """Return the in-sync replicas as thin bars, one below the other, in the colours of the brokers."""
    changes = reign["isr"]
    assert isinstance(changes, list)  # noqa: S101 - made above
    ends = [*(at_s for at_s, _ in changes[1:]), reign["end_s"]]
    most = max((len(isr) for _, isr in changes), default=3)
    high = _STRIPE if most <= 3 else 3 * _STRIPE / most
    parts = []
    for (begin_s, isr), end_s in zip(changes, ends, strict=True):
        width = axis.x(end_s) - axis.x(begin_s)
        if width >= 0.5:
            for row, broker in enumerate(sorted(isr, key=node_id)):
                parts.append(
                    s.rounded(axis.x(begin_s), y + row * high, width, high - 1, 1, fill=s.colour_of(broker))
                )
    return parts


def _draw_marks(scene: Scene, marks: list[tuple[float, str, str]], axis: _Axis, bottom: float) -> None:
    """Draw a line per fault, healing and controller, and its label where there is room for it."""
    looks = {"broken": (s.VERMILION, "none"), "healed": (s.GREEN, "5 3"), "controller": (s.AMBER, "2 3")}
    free = [0.0] * _MARK_ROWS  # up to where each row of labels is taken
    for number, (at_s, kind, text) in enumerate(marks):
        colour, dashes = looks[kind]
        x = axis.x(at_s)
        width = len(text) * 6.6 + 10
        left = min(x + 4, _LEFT + _WIDTH + _RIGHT - width)
        row = next((row for row, taken in enumerate(free) if taken <= left), None)
        if row is not None:
            free[row] = left + width
            halo = {"stroke": s.WHITE, "stroke_width": 4, "paint_order": "stroke"}
            said = s.label(left, 72 + 15 * row, text, fill=colour, font_size=11, font_weight=600, **halo)
            scene.items[f"mark-{at_s}-{number}-label"] = ("labels", said)  # over the lines of later marks
        line = f"M{x} {62 + 15 * (row or 0)}V{bottom}"
        parts = [s.path(line, stroke=colour, stroke_width=1.6, stroke_dasharray=dashes)]
        scene.add(f"mark-{at_s}-{number}", "marks", f"{text} at {at_s:.1f} s", parts)


def _draw_answers(scene: Scene, graph: nx.MultiDiGraph, axis: _Axis, bottom: float) -> None:
    """Draw what clients met below the lanes: acknowledged records as ticks, given up ones as crosses."""
    rows = (("acknowledged", bottom + 6, s.BLUE), ("failed", bottom + 26, s.VERMILION))
    for kind, y, colour in rows:
        counts = Counter(round((axis.x(at_s) - _LEFT) / _WIDTH * _BINS) for at_s in graph.graph[kind])
        parts = [s.label(16, y + 12, {"acknowledged": "acks", "failed": "errors"}[kind], fill=s.GREY)]
        for place in sorted(counts):
            x = round(_LEFT + place * _WIDTH / _BINS, 1)
            shape = f"M{x} {y}v14" if kind == "acknowledged" else f"M{x - 3} {y + 4}l6 6m0 -6l-6 6"
            parts.append(s.path(shape, stroke=colour, stroke_width=2))
        scene.add(kind, "labels", f"{sum(counts.values())} records {kind}", parts)


def _draw_axis(scene: Scene, axis: _Axis, y: float) -> None:
    length_s = axis.end_s - axis.begin_s
    step = next(
        step
        for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 10**9)
        if length_s / step <= 12
    )
    parts = [s.path(f"M{_LEFT} {y}h{_WIDTH}", stroke=s.GREY, stroke_width=1)]
    tick = -(-axis.begin_s // step) * step
    while tick <= axis.end_s:
        x = axis.x(tick)
        parts.append(s.path(f"M{x} {y}v5", stroke=s.GREY, stroke_width=1))
        parts.append(s.label(x, y + 18, f"{tick:g} s", text_anchor="middle", fill=s.GREY, font_size=11))
        tick += step
    scene.items["axis"] = ("labels", ["g", {}, parts])


def _draw_legend(scene: Scene, y: float) -> None:
    text = "bars: the leader · thin bars: in-sync replicas, by broker · dashed box: no leader"
    scene.items["legend"] = ("labels", s.label(16, y, text, fill=s.GREY))


def _gaps(graph: nx.MultiDiGraph) -> list[float]:
    shown = [d for _, d in graph.nodes(data=True) if d["end_s"] > graph.graph["begin_s"]]
    return [d["end_s"] - d["begin_s"] for d in shown if d["leader"] is None]


def _sentence(graph: nx.MultiDiGraph, lanes: list[str]) -> str:
    changes = sum(
        data["begin_s"] >= graph.graph["begin_s"] and node[1] > 1 and data["leader"] is not None
        for node, data in graph.nodes(data=True)
    )
    window = graph.graph["now_s"] - graph.graph["begin_s"]
    said = f"{len(lanes)} partitions, the last {window:.0f} s: {changes} elections"
    if gaps := _gaps(graph):
        said += f", longest time without a leader {max(gaps):.2f} s"
    if failed := len(graph.graph["failed"]):
        said += f", {failed} records given up"
    return said + (f"; the first {MOST_LANES} are drawn" if len(lanes) > MOST_LANES else "")


def _table(graph: nx.MultiDiGraph) -> Table:
    rows = [
        (
            name,
            data["leader"] or "none",
            str(data["leader_epoch"]),
            f"{data['begin_s']:.2f}",
            f"{data['end_s'] - data['begin_s']:.2f}",
            ", ".join(sorted(data["isr"][-1][1])) or "-",
        )
        for (name, _), data in graph.nodes(data=True)
        if data["end_s"] > graph.graph["begin_s"]
    ]
    return Table(("partition", "leader", "leader epoch", "from (s)", "for (s)", "in sync at its end"), rows)
