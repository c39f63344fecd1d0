"""Consumer groups: members, what each reads, how far they have committed, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx

from kafka_lab.state import ClusterState, GroupState, PartitionState
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["groups_graph", "groups_scene"]

NOBODY = "(nobody)"
MOST_ROWS = 40
_CARD, _GAP, _MARGIN, _ACROSS = 380, 24, 20, 3
_TOP, _ROW, _HEAD = 62, 28, 58
_BAR = 84  # pixels of the longest lag


def groups_graph(state: ClusterState, ids: Sequence[str] = ()) -> nx.MultiDiGraph:
    """Return consumer groups as a graph.

    Nodes are groups (``kind`` ``"group"``, ``group_state``, ``rebalances``), their members
    (``(group, client id)``, ``kind`` ``"member"``) and what they read (``(group, topic, partition)``,
    ``kind`` ``"partition"``, ``committed``, ``high_watermark``, ``lag``, all None while unknown, and
    ``before``: who read it before the last rebalance). Edges lead from a group to its members, and from a
    member to its partitions; what nobody reads belongs to the member ``"(nobody)"``.

    Parameters
    ----------
    state : ClusterState
        The moment.
    ids : sequence of str
        Which groups; by default all that there are.
    """
    graph = nx.MultiDiGraph()
    for name in ids or sorted(state.groups):
        group = state.groups.get(name, GroupState())
        graph.add_node(
            name,
            kind="group",
            group_state=group.group_state or "not there",
            rebalances=group.rebalances,
        )
        for member in group.members:
            graph.add_node((name, member), kind="member")
            graph.add_edge(name, (name, member))
        for topic, number in sorted({*group.assignments, *group.committed}):
            member = group.assignments.get((topic, number), NOBODY)
            graph.add_node((name, member), kind="member")
            if not graph.has_edge(name, (name, member)):
                graph.add_edge(name, (name, member))
            known = state.topics.get(topic, {}).get(number, PartitionState())
            _add_partition(graph, (name, topic, number), group, known)
            graph.add_edge((name, member), (name, topic, number))
    return graph


def _add_partition(
    graph: nx.MultiDiGraph, node: tuple[str, str, int], group: GroupState, known: PartitionState
) -> None:
    where = node[1:]
    committed = group.committed.get(where)
    high_watermark = known.high_watermark if known.high_watermark >= 0 else None
    lag = None if committed is None or high_watermark is None else max(0, high_watermark - committed)
    before = group.before.get(where)
    graph.add_node(
        node,
        kind="partition",
        committed=committed,
        high_watermark=high_watermark,
        lag=lag,
        before=before if before != group.assignments.get(where) else None,
    )


def groups_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of a :func:`groups_graph`: a card for each group, side by side."""
    groups = [name for name, data in graph.nodes(data=True) if data["kind"] == "group"]
    heights = [_height(graph, name) for name in groups]
    across = min(_ACROSS, max(1, len(groups)))
    lines = [heights[begin : begin + across] for begin in range(0, len(heights), across)]
    width = max(640, 2 * _MARGIN + across * (_CARD + _GAP) - _GAP)
    scene = Scene(
        size=(width, round(_TOP + sum(max(line) + _GAP for line in lines) + (0 if lines else 60))),
        title="Consumer groups",
        desc=_sentence(graph, groups),
        table=_table(graph, groups),
        layers=("cards", "members", "partitions"),
    )
    scene.add_headline("partitions", width - 32)
    most = max(
        (data["lag"] or 0 for _, data in graph.nodes(data=True) if data["kind"] == "partition"), default=0
    )
    for number, name in enumerate(groups):
        line, column = divmod(number, across)
        y = _TOP + sum(max(each) + _GAP for each in lines[:line])
        _draw_group(scene, graph, name, (_MARGIN + column * (_CARD + _GAP), y, heights[number]), max(most, 1))
    if not groups:
        hint = "no groups yet: lab.consumer(..., group_id=...) begins one"
        scene.items["hint"] = ("partitions", s.label(16, _TOP + 24, hint, fill=s.GREY))
    return scene


def _members(graph: nx.MultiDiGraph, group: str) -> list[tuple[str, str]]:
    """Return a group's members in order; what nobody reads comes last."""
    return sorted(graph.successors(group), key=lambda node: (node[1] == NOBODY, node[1]))


def _rows(graph: nx.MultiDiGraph, member: tuple[str, str]) -> list[tuple[str, str, int]]:
    return sorted(graph.successors(member))


def _drawn(graph: nx.MultiDiGraph, member: tuple[str, str]) -> int:
    """Return how many rows a member's box has: its partitions, and one that says if there are more."""
    count = len(_rows(graph, member))
    return max(1, count if count <= MOST_ROWS else MOST_ROWS + 1)


def _height(graph: nx.MultiDiGraph, group: str) -> float:
    members = _members(graph, group)
    return _HEAD + sum(_ROW * (1 + _drawn(graph, m)) + 10 for m in members) + (0 if members else _ROW)


def _draw_group(
    scene: Scene, graph: nx.MultiDiGraph, name: str, place: tuple[float, float, float], most: int
) -> None:
    x, y, height = place
    data = graph.nodes[name]
    stable = data["group_state"] == "Stable"
    said = f"group {name}, {data['group_state']}, {data['rebalances']} rebalances seen"
    dark = s.INK if stable else s.GREY
    card = [
        s.rounded(x, y, _CARD, height, 10, fill=s.WHITE, stroke=dark, stroke_width=2,
                  stroke_dasharray="none" if stable else "6 5"),
        s.rounded(x, y, _CARD, 28, 10, fill=dark),
        s.label(x + 14, y + 19, s.clipped(name, _CARD - 150, 13), fill=s.WHITE, font_weight=700,
                font_size=13),
        s.label(x + _CARD - 14, y + 19, f"{'✓' if stable else '…'} {data['group_state']}", fill=s.WHITE,
                text_anchor="end"),
        s.label(x + 14, y + 46, f"{data['rebalances']} rebalances seen", fill=s.GREY, font_size=11),
        s.label(x + 232, y + 46, "committed", fill=s.GREY, font_size=11, text_anchor="end"),
        s.label(x + 248, y + 46, "lag", fill=s.GREY, font_size=11),
    ]  # fmt: skip
    scene.add(f"group-{name}", "cards", said, card, tabindex=0)
    top = y + _HEAD
    for member in _members(graph, name):
        rows = _rows(graph, member)
        box = _ROW * (1 + _drawn(graph, member)) + 2
        nobody = member[1] == NOBODY
        look = (s.PALE_VERMILION, s.VERMILION, "4 3") if nobody else (s.PALE_BLUE, s.BLUE, "none")
        parts = [
            s.rounded(x + 8, top, _CARD - 16, box, 7, fill=look[0], stroke=look[1], stroke_dasharray=look[2]),
            s.label(
                x + 18, top + 19, f"{'⚠' if nobody else '☺'} {s.clipped(member[1], 300)}", font_weight=600
            ),
        ]
        if not rows:
            parts.append(s.label(x + 30, top + _ROW + 18, "reads nothing", fill=s.GREY))
        scene.add(
            f"member\0{name}\0{member[1]}", "members", f"{member[1]} of {name}, {len(rows)} partitions", parts
        )
        if len(rows) > MOST_ROWS:
            more = s.label(
                x + 30, top + _ROW * (MOST_ROWS + 1) + 18, f"and {len(rows) - MOST_ROWS} more", fill=s.GREY
            )
            scene.items[f"more\0{name}\0{member[1]}"] = ("partitions", more)
        for row, node in enumerate(rows[:MOST_ROWS], start=1):
            _draw_partition(scene, graph, node, (x + 18, top + _ROW * row), most)
        top += box + 8
    if not _members(graph, name):
        scene.items[f"empty-{name}"] = ("members", s.label(x + 18, top + 14, "no members", fill=s.GREY))


def _draw_partition(
    scene: Scene, graph: nx.MultiDiGraph, node: tuple[str, str, int], place: tuple[float, float], most: int
) -> None:
    x, y = place
    data = graph.nodes[node]
    name = f"{node[1]}-{node[2]}"
    lag, committed = data["lag"], data["committed"]
    moved = f" ← {data['before']}" if data["before"] else ""
    parts = [
        s.rounded(x, y + 2, _CARD - 36, _ROW - 5, 5, fill=s.WHITE, stroke=s.AMBER if moved else "none",
                  stroke_width=1.8),
        s.label(x + 8, y + 18, s.clipped_before(node[1], f"-{node[2]}{moved}", 160)),
        s.label(x + 214, y + 18, "-" if committed is None else str(committed), text_anchor="end"),
    ]  # fmt: skip
    if lag is not None:
        parts.append(s.rounded(x + 230, y + 8, max(2.0, _BAR * lag / most), 11, 2,
                               fill=s.VERMILION if lag else s.BLUE))  # fmt: skip
        parts.append(s.label(x + 236 + max(2.0, _BAR * lag / most), y + 18, str(lag), font_size=11))
    said = f"{name}, committed {committed}, lag {lag}" + (f", moved from {data['before']}" if moved else "")
    scene.add("\0".join(("partition", *map(str, node))), "partitions", said, parts)


def _sentence(graph: nx.MultiDiGraph, groups: list[str]) -> str:
    said = []
    for name in groups[:4]:
        members = [member for member in _members(graph, name) if member[1] != NOBODY]
        lags = [
            graph.nodes[row]["lag"] or 0 for member in _members(graph, name) for row in _rows(graph, member)
        ]
        said.append(f"{name}: {len(members)} members, lag {sum(lags)}")
    return "; ".join(said) or "none"


def _table(graph: nx.MultiDiGraph, groups: list[str]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in groups:
        for member in _members(graph, name):
            for node in _rows(graph, member):
                data = graph.nodes[node]
                figures = (
                    "-" if data[key] is None else str(data[key]) for key in ("committed", "lag", "before")
                )
                rows.append((
                    name,
                    member[1],
                    f"{node[1]}-{node[2]}",
                    *figures,
                    graph.nodes[name]["group_state"],
                ))
    return Table(("group", "member", "partition", "committed", "lag", "before", "state"), rows)
