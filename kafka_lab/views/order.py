"""The order graph: a node per message, a lane per partition, and where a reader met messages backwards.

Within a partition Kafka keeps the order. Across partitions it promises nothing: a reader gets them in any
order. The messages with one key, or without keys those of one producer, are a *stream*: they have an order
of their own, in which they were sent. A step of a stream that a reader met backwards is an *inversion*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import networkx as nx

from kafka_lab.events import Event, RecordAcknowledged, RecordRead, TopicDeleted
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.order_overview import COLUMNS, draw_overview
from kafka_lab.views.scene import Scene

__all__ = ["inversions", "order_graph", "order_scene"]

MOST_DRAWN = 60
MOST_COUNTED = 2000
_LEFT, _TOP, _LANE, _RIGHT = 112, 74, 74, 40
_NODE_WIDTH, _NODE_HEIGHT = 40, 28
_STREAM_COLOURS = ("#0072B2", "#007A5A", "#8A4B8F", "#8A5A00", "#374151")


def order_graph(events: Iterable[Event], topic: str) -> nx.MultiDiGraph:
    """Return what the lab's clients sent to and read from a topic as a graph.

    Nodes are records ``(partition, offset)`` with ``stream`` (the key, else the producer), ``number`` (the
    record's place in its stream, from 1), ``position`` (its place in what a reader got, from 1; None if
    nobody read it) and ``text``. Edges have the ``kind`` ``"partition"`` or ``"stream"``; a stream's edge
    is ``inverted`` when the reader got its end first. Of several readers the last one counts.
    ``graph.graph["reader"]`` names it. Of more than 2,000 records the last ones count;
    ``graph.graph["earlier"]`` is how many there were before.
    """
    sent: dict[tuple[int, int], RecordAcknowledged] = {}
    read: dict[str, dict[tuple[int, int], None]] = defaultdict(dict)
    reader = None
    for event in events:
        if isinstance(event, RecordAcknowledged) and event.topic == topic:
            sent[event.partition, event.offset] = event
        elif isinstance(event, RecordRead) and event.topic == topic:
            reader = event.reader
            read[reader][event.partition, event.offset] = None
        elif isinstance(event, TopicDeleted) and event.topic == topic:  # one made anew begins at offset 0
            sent.clear()
            read.clear()
            reader = None
    total = len(sent)
    sent = dict(list(sent.items())[-MOST_COUNTED:])
    got = [where for where in read[reader] if where in sent] if reader else []
    positions = {where: number for number, where in enumerate(got, start=1)}
    graph = nx.MultiDiGraph(topic=topic, reader=reader, earlier=total - len(sent))
    streams: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for where, event in sorted(sent.items(), key=lambda item: item[1].number):
        stream = event.sender if event.key is None else event.key
        streams[stream].append(where)
        graph.add_node(
            where,
            stream=stream,
            number=len(streams[stream]),
            position=positions.get(where),
            text=event.text,
        )
    for before, after in pairwise(sorted(sent)):
        if before[0] == after[0]:
            graph.add_edge(before, after, kind="partition")
    for records in streams.values():
        for before, after in pairwise(records):
            first, second = positions.get(before), positions.get(after)
            inverted = first is not None and second is not None and second < first
            graph.add_edge(before, after, kind="stream", inverted=inverted)
    return graph


def inversions(graph: nx.MultiDiGraph) -> int:
    """Return how many steps of a stream the reader met backwards."""
    return sum(data.get("inverted", False) for _, _, data in graph.edges(data=True))


def order_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of an :func:`order_graph`: from left to right in the reader's order.

    More than sixty messages are counted in columns.
    """
    sent = {where: number for number, where in enumerate(graph.nodes)}
    ordered = sorted(
        graph.nodes, key=lambda where: (graph.nodes[where]["position"] or len(sent) + 1, sent[where])
    )
    drawn = ordered[:MOST_DRAWN]
    lanes = sorted({partition for partition, _ in graph.nodes})
    step = max(26, min(44, 800 // max(1, len(drawn))))
    width = max(640, _LEFT + step * len(drawn) + _RIGHT)
    bottom = _TOP + _LANE * max(1, len(lanes))
    scene = Scene(
        size=(width, bottom + 64),
        title=f"Order of {graph.graph['topic']}",
        desc=_sentence(graph),
        table=_table(graph, ordered),
        layers=("lanes", "partition order", "stream order", "messages"),
    )
    if len(ordered) > MOST_DRAWN:
        _draw_headline(scene)
        draw_overview(scene, graph, ordered)
        return scene
    heights = {number: _TOP + _LANE * (row + 0.5) for row, number in enumerate(lanes)}
    _draw_frame(scene, heights, width, graph.graph["topic"])
    places = {where: (_LEFT + step * (column + 0.5), heights[where[0]]) for column, where in enumerate(drawn)}
    streams = _Streams(graph)
    for before, after, data in graph.edges(data=True):
        if before in places and after in places:
            _draw_edge(scene, (before, after), data, places, streams.colour(graph.nodes[before]))
    for where, place in places.items():
        _draw_message(scene, where, graph.nodes[where], place, min(_NODE_WIDTH, step - 4), streams)
    _draw_legend(scene, streams, bottom + 22)
    return scene


class _Streams:
    """Gives each stream a letter and a colour, in the order in which the streams began."""

    def __init__(self, graph: nx.MultiDiGraph) -> None:
        self.names = list(dict.fromkeys(data["stream"] for _, data in graph.nodes(data=True)))

    def letter(self, data: dict[str, Any]) -> str:
        """Return A to Z for the first streams, then numbers."""
        index = self.names.index(data["stream"])
        return chr(ord("A") + index) if index < 26 else f"{index + 1}:"

    def colour(self, data: dict[str, Any]) -> str:
        """Return the stream's colour; the letter tells streams of one colour apart."""
        return _STREAM_COLOURS[self.names.index(data["stream"]) % len(_STREAM_COLOURS)]


def _draw_headline(scene: Scene) -> None:
    headline = [
        s.label(16, 26, s.clipped(scene.title, scene.size[0] - 32, 15), font_weight=700, font_size=15),
        s.label(16, 50, scene.desc, fill=s.GREY),
    ]
    scene.items["headline"] = ("messages", ["g", {}, headline])


def _draw_frame(scene: Scene, lanes: dict[int, float], width: float, topic: str) -> None:
    _draw_headline(scene)
    for number, y in lanes.items():
        lane = [
            s.rounded(_LEFT - 8, y - 29, width - _LEFT - 8, 58, 8, fill=s.PALE_GREY),
            s.label(16, y + 4, f"partition {number}", font_weight=600),
        ]
        scene.add(f"lane-{number}", "lanes", f"partition {topic}-{number}", lane)
    if not lanes:
        hint = "nothing yet: send with lab.producer(), read with lab.read(topic)"
        scene.items["hint"] = ("messages", s.label(16, _TOP + 30, hint, fill=s.GREY))


def _draw_edge(
    scene: Scene,
    ends: tuple[tuple[int, int], tuple[int, int]],
    data: dict[str, Any],
    places: dict[tuple[int, int], tuple[float, float]],
    colour: str,
) -> None:
    (x1, y1), (x2, y2) = (places[where] for where in ends)
    key = f"{data['kind']}-{ends[0]}-{ends[1]}"
    if data["kind"] == "partition":
        half = _NODE_HEIGHT / 2 - 3
        line = s.path(f"M{x1} {y1 + half}H{x2}", stroke="#9CA3AF", stroke_width=5)
        scene.add(key, "partition order", "next in the partition", [line])
        return
    lift = -26 if y1 == y2 else 0
    curve = f"M{x1} {y1 + lift / 2}Q{(x1 + x2) / 2} {(y1 + y2) / 2 + 1.4 * lift} {x2} {y2 + lift / 2}"
    if data["inverted"]:
        look: dict[str, object] = {"stroke": s.VERMILION, "stroke_width": 2.6, "stroke_dasharray": "6 4"}
        said = "inversion: the reader got the later message first"
    else:
        look = {"stroke": colour, "stroke_width": 1.6}
        said = "next of its stream"
    scene.add(key, "stream order", said, [s.path(curve, **look)])


def _draw_message(
    scene: Scene,
    where: tuple[int, int],
    data: dict[str, Any],
    place: tuple[float, float],
    width: float,
    streams: _Streams,
) -> None:
    x, y = place
    name = f"{streams.letter(data)}{data['number']}"
    got = "not read" if data["position"] is None else f"read as number {data['position']}"
    said = f"{name}, partition {where[0]}, offset {where[1]}, {got}: {data['text']}"
    parts = [
        s.rounded(
            x - width / 2, y - _NODE_HEIGHT / 2, width, _NODE_HEIGHT, 7,
            fill=s.WHITE, stroke=streams.colour(data), stroke_width=2,
            stroke_dasharray="3 3" if data["position"] is None else "none",
        ),
        s.label(x, y + 4, name, text_anchor="middle", font_weight=600, font_size=11),
    ]  # fmt: skip
    scene.add(f"{where[0]}@{where[1]}", "messages", said, parts, tabindex=0)


def _draw_legend(scene: Scene, streams: _Streams, y: float) -> None:
    lines = [
        s.path(f"M16 {y - 4}h26", stroke="#9CA3AF", stroke_width=5),
        s.label(50, y, "order in a partition: kept", fill=s.GREY),
        s.path(f"M236 {y - 4}h26", stroke=s.VERMILION, stroke_width=2.6, stroke_dasharray="6 4"),
        s.label(270, y, "inversion: read backwards", fill=s.GREY),
    ]
    named = [f"{streams.letter({'stream': name})} = {s.clipped(name, 150)}" for name in streams.names[:5]]
    more = f" · and {len(streams.names) - 5} more" if len(streams.names) > 5 else ""
    lines.append(s.label(16, y + 24, " · ".join(named) + more, fill=s.GREY))
    scene.items["legend"] = ("messages", ["g", {}, lines])


def _sentence(graph: nx.MultiDiGraph) -> str:
    steps = sum(data["kind"] == "stream" for _, _, data in graph.edges(data=True))
    lanes = len({partition for partition, _ in graph.nodes})
    said = f"{len(graph)} messages in {lanes} partitions; "
    if graph.graph["reader"] is None:
        said += "nobody has read them yet"
    else:
        said += f"a reader met {inversions(graph)} of {steps} steps backwards"
    if graph.graph["earlier"]:
        said += f"; {graph.graph['earlier']} earlier ones are not counted"
    return said + (f"; counted in {COLUMNS} columns" if len(graph) > MOST_DRAWN else "")


def _table(graph: nx.MultiDiGraph, ordered: list[tuple[int, int]]) -> Table:
    rows: list[tuple[str, ...]] = []
    for where in ordered:
        data = graph.nodes[where]
        position = "-" if data["position"] is None else str(data["position"])
        rows.append((
            position,
            data["stream"],
            str(data["number"]),
            str(where[0]),
            str(where[1]),
            (data["text"] or "")[:60],
        ))
    return Table(("read", "stream", "number", "partition", "offset", "text"), rows)
