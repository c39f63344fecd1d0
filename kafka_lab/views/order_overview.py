"""The order graph of many messages: how many a reader got from each partition when, and the inversions."""

from __future__ import annotations

from collections import Counter

import networkx as nx

from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["COLUMNS", "draw_overview"]

COLUMNS = 40
_LEFT, _WIDTH, _TOP, _LANE, _BAR = 112, 800, 74, 56, 44


def draw_overview(scene: Scene, graph: nx.MultiDiGraph, ordered: list[tuple[int, int]]) -> None:
    """Draw an order graph's messages in columns, from left to right in the reader's order.

    Parameters
    ----------
    scene : Scene
        Gets the picture; its size is set.
    graph : networkx.MultiDiGraph
        Of :func:`kafka_lab.views.order.order_graph`.
    ordered : list
        Its nodes in the reader's order.
    """
    column_of = {where: number * COLUMNS // len(ordered) for number, where in enumerate(ordered)}
    counts = Counter((where[0], column) for where, column in column_of.items())
    inverted = Counter(column_of[start] for start, _, data in graph.edges(data=True) if data.get("inverted"))
    lanes = sorted({partition for partition, _ in graph.nodes})
    most = max(counts.values())
    for row, number in enumerate(lanes):
        y = _TOP + _LANE * row
        lane = [
            s.rounded(_LEFT - 8, y, _WIDTH + 16, _LANE - 6, 8, fill=s.PALE_GREY),
            s.label(16, y + 30, f"partition {number}", font_weight=600),
        ]
        scene.add(f"lane-{number}", "lanes", f"partition {graph.graph['topic']}-{number}", lane)
        for column in range(COLUMNS):
            if count := counts[number, column]:
                _draw_bar(scene, (number, column), count, count / most, y + _LANE - 8)
    bottom = _TOP + _LANE * len(lanes)
    row_of_inversions = [s.label(16, bottom + 24, "inversions", font_weight=600, fill=s.VERMILION)]
    worst = max(inverted.values(), default=1)
    for column, count in sorted(inverted.items()):
        height = max(4.0, 30 * count / worst)
        x = _LEFT + column * _WIDTH / COLUMNS
        row_of_inversions += [
            s.rounded(x + 2, bottom + 36 - height, _WIDTH / COLUMNS - 4, height, 2, fill=s.VERMILION),
            s.label(x + _WIDTH / COLUMNS / 2, bottom + 50, str(count), text_anchor="middle", font_size=10,
                    fill=s.VERMILION),
        ]  # fmt: skip
    scene.add("inversions", "messages", f"{sum(inverted.values())} inversions", row_of_inversions)
    each = -(-len(ordered) // COLUMNS)
    note = f"each column: about {each} messages, from left to right as the reader got them"
    scene.items["legend"] = ("messages", s.label(16, bottom + 78, note, fill=s.GREY))
    scene.size = (_LEFT + _WIDTH + 24, bottom + 94)
    scene.table = _table(graph, lanes)


def _table(graph: nx.MultiDiGraph, lanes: list[int]) -> Table:
    messages = Counter(partition for partition, _ in graph.nodes)
    read = Counter(where[0] for where, data in graph.nodes(data=True) if data["position"] is not None)
    begun = Counter(start[0] for start, _, data in graph.edges(data=True) if data.get("inverted"))
    rows = [(str(number), *(str(count[number]) for count in (messages, read, begun))) for number in lanes]
    return Table(("partition", "messages", "read", "inversions that begin here"), rows)


def _draw_bar(scene: Scene, place: tuple[int, int], count: int, share: float, bottom: float) -> None:
    number, column = place
    x, wide = _LEFT + column * _WIDTH / COLUMNS, _WIDTH / COLUMNS
    height = max(3.0, _BAR * share - 12)
    parts = [
        s.rounded(x + 2, bottom - height, wide - 4, height, 2, fill=s.BLUE),
        s.label(x + wide / 2, bottom - height - 2, str(count), text_anchor="middle", font_size=10),
    ]
    scene.add(f"{number}#{column}", "messages", f"{count} messages of partition {number}", parts)
