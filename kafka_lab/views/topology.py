"""The topology: brokers, the controller, replicas, who leads and who is in sync."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any

import networkx as nx

from kafka_lab.state import ClusterState, NodeState, PartitionState, node_id
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["topology_graph", "topology_scene"]

MOST_ROWS = 40  # partitions that are drawn

_BOX, _GAP, _MARGIN = 236, 74, 26
_TOP, _HEAD, _ROW, _REPLICA = 112, 34, 48, 36
_KEEPER = 200  # a ZooKeeper or controller, and the gap to the next
_TOPIC_GAP = 12
_LOOKS = {  # role: fill, stroke, dashes, ink, mark
    "leader": (s.BLUE, s.BLUE, "none", s.WHITE, "★ leader"),
    "in sync": (s.PALE_BLUE, s.BLUE, "none", s.INK, "✓ in sync"),
    "out of sync": (s.PALE_VERMILION, s.VERMILION, "5 4", s.VERMILION, "⚠ out of sync"),
    "offline": (s.PALE_GREY, s.GREY, "2 4", s.GREY, "✕ offline"),
}


def topology_graph(state: ClusterState, topics: Sequence[str] = ()) -> nx.MultiDiGraph:
    """Return the cluster as a graph.

    Nodes are brokers, ZooKeepers and KRaft controllers (``kind`` ``"broker"``, ``"zookeeper"`` or
    ``"controller"``; ``running``, ``paused``, ``disk_failed``, ``registered``, ``controller``) and replicas
    such as ``"chat-0@broker-1"`` (``kind`` ``"replica"``, ``topic``, ``partition``, ``broker``, ``role``,
    ``leader_epoch``, and as last asked for, None while unknown, ``high_watermark`` and a follower's
    ``behind_bytes``). Edges are sessions from broker to ZooKeeper or registrations with controllers,
    replication from leader to follower, and broken links (``kind`` ``"broken link"``, ``fault``) between two
    ends, of which a client is a node too. Only ``topics`` are shown; by default all but Kafka's own.
    """
    graph = nx.MultiDiGraph(controller=state.controller, controller_epoch=state.controller_epoch)
    keepers = [name for name, node in state.nodes.items() if node.role != "broker"]
    for name, node in state.nodes.items():
        graph.add_node(
            name,
            kind=node.role,
            running=node.running,
            paused=node.paused,
            disk_failed=node.disk_failed,
            registered=node.registered,
            controller=name == state.controller,
        )
    for name in state.brokers:
        if state.nodes[name].registered:
            graph.add_edges_from((name, keeper, {"kind": "session"}) for keeper in keepers)
    for topic, partitions in sorted(state.topics.items()):
        if topic in topics if topics else not topic.startswith("__"):
            for number, partition in sorted(partitions.items()):
                _add_partition(graph, state, topic, number, partition)
    for (one, other), fault in state.links.items():
        for end in (one, other):
            if end not in graph:
                graph.add_node(end, kind="client")
        graph.add_edge(one, other, kind="broken link", fault=fault)
    return graph


def _add_partition(
    graph: nx.MultiDiGraph, state: ClusterState, topic: str, number: int, partition: PartitionState
) -> None:
    def replica(broker: str) -> str:
        return f"{topic}-{number}@{broker}"

    for broker in partition.replicas:
        graph.add_node(
            replica(broker),
            kind="replica",
            topic=topic,
            partition=number,
            broker=broker,
            role=_role(state.nodes.get(broker), partition, broker),
            leader_epoch=partition.leader_epoch,
            high_watermark=partition.high_watermark if partition.high_watermark >= 0 else None,
            behind_bytes=None if broker == partition.leader else partition.behind_bytes.get(broker),
        )
    if partition.leader in partition.replicas:
        for broker in partition.replicas:
            if broker != partition.leader:
                graph.add_edge(replica(partition.leader), replica(broker), kind="replication")


def _role(node: NodeState | None, partition: PartitionState, broker: str) -> str:
    if node is None or not node.running or node.paused:
        return "offline"
    if broker == partition.leader:
        return "leader"
    return "in sync" if broker in partition.isr else "out of sync"


def topology_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of a :func:`topology_graph`."""
    brokers = sorted(_kind(graph, "broker"), key=node_id)
    partitions = _rows(graph)
    rows = dict(islice(partitions.items(), MOST_ROWS))
    keepers = _keepers(graph)
    width = max(2 * _MARGIN + len(brokers) * (_BOX + _GAP) - _GAP, 640, len(keepers) * _KEEPER + 2 * _MARGIN)
    bottom = max(rows.values(), default=_TOP + _HEAD) + _ROW + 6
    broken = _broken(graph)
    table = _table(graph)
    scene = Scene(
        size=(width, round(bottom) + (68 if broken else 44)),
        title=f"Topology: {len(brokers)} brokers",
        desc=_sentences(graph, brokers, table),
        table=table,
        layers=("sessions", "brokers", "replication", "replicas"),
    )
    left = (width - (len(brokers) * (_BOX + _GAP) - _GAP)) / 2
    columns = {name: left + number * (_BOX + _GAP) for number, name in enumerate(brokers)}
    for number, name in enumerate(keepers):
        _draw_keeper(scene, graph, name, width / 2 + (number - len(keepers) / 2) * _KEEPER + 10)
    if not keepers and graph.graph["controller_epoch"] >= 0:
        _draw_quorum(scene, graph, width / 2)
    for name in brokers:
        _draw_broker(scene, graph, name, columns[name], bottom - _TOP, width / 2)
    for key, data in graph.nodes(data=True):
        if (
            data["kind"] == "replica"
            and data["broker"] in columns
            and (data["topic"], data["partition"]) in rows
        ):
            y = rows[data["topic"], data["partition"]]
            _draw_replica(scene, key, data, columns[data["broker"]] + 12, y)
    for leader, follower, data in graph.edges(data=True):
        if data["kind"] == "replication":
            _draw_replication(scene, graph, leader, follower, columns, rows)
    _draw_legend(scene, bottom + 30)
    if broken:
        said = "✂ broken links: " + "; ".join(
            f"{one} – {other} ({fault})" for (one, other), fault in broken.items()
        )
        parts = [s.label(_MARGIN, bottom + 54, s.clipped(said, width - 2 * _MARGIN), fill=s.VERMILION)]
        scene.add("broken-links", "replicas", said, parts)
    if len(partitions) > len(rows):
        note = f"and {len(partitions) - len(rows)} more partitions: see the table"
        more = s.label(width - _MARGIN, bottom + 30, note, fill=s.GREY, text_anchor="end")
        scene.items["more"] = ("replicas", more)
    if not rows:
        hint = "no topics yet: lab.create_topic(...) makes one"
        scene.items["hint"] = (
            "replicas",
            s.label(width / 2, bottom - 8, hint, text_anchor="middle", fill=s.GREY),
        )
    return scene


def _broken(graph: nx.MultiDiGraph) -> dict[tuple[str, str], str]:
    """Return the broken links, by their ends in alphabetical order."""
    edges = graph.edges(data=True)
    return {(a, b): data["fault"] for a, b, data in edges if data["kind"] == "broken link"}


def _is_broken(graph: nx.MultiDiGraph, a: str, b: str) -> bool:
    between = graph.get_edge_data(*sorted((a, b))) or {}
    return any(data["kind"] == "broken link" for data in between.values())


def _kind(graph: nx.MultiDiGraph, kind: str) -> list[str]:
    return [name for name, data in graph.nodes(data=True) if data["kind"] == kind]


def _rows(graph: nx.MultiDiGraph) -> dict[tuple[str, int], float]:
    """Return the y of each partition; there is a gap between topics."""
    partitions = sorted({
        (d["topic"], d["partition"]) for _, d in graph.nodes(data=True) if d["kind"] == "replica"
    })
    y: float = _TOP + _HEAD + 8
    rows: dict[tuple[str, int], float] = {}
    previous = None
    for topic, number in partitions:
        if previous not in (None, topic):
            y += _TOPIC_GAP
        rows[topic, number] = y
        y += _ROW
        previous = topic
    return rows


def _keepers(graph: nx.MultiDiGraph) -> list[str]:
    """Return the ZooKeepers or the controllers that are no brokers."""
    return [*_kind(graph, "zookeeper"), *_kind(graph, "controller")]


def _draw_quorum(scene: Scene, graph: nx.MultiDiGraph, centre: float) -> None:
    """Say who leads a quorum of brokers, where ZooKeeper would be."""
    leader = graph.graph["controller"] or "nobody"
    said = f"KRaft quorum of brokers, epoch {graph.graph['controller_epoch']}: ◆ {leader} leads"
    width = 400
    parts = [
        s.rounded(centre - width / 2, 14, width, 40, 20, fill=s.PALE_ORANGE, stroke=s.ORANGE, stroke_width=2),
        s.label(centre, 39, said, text_anchor="middle", font_weight=600),
    ]
    scene.add("quorum", "replicas", said, parts, tabindex=0)


def _draw_keeper(scene: Scene, graph: nx.MultiDiGraph, name: str, x: float) -> None:
    data = graph.nodes[name]
    state = "down" if not data["running"] else "paused" if data["paused"] else "running"
    mark = {"down": "✕ ", "paused": "‖ ", "running": "◆ " if data["controller"] else ""}[state]
    dashes = "none" if state == "running" else "5 4"
    width = _KEEPER - 20
    parts = [
        s.rounded(
            x, 14, width, 40, 20, fill=s.PALE_ORANGE, stroke=s.ORANGE, stroke_width=2, stroke_dasharray=dashes
        ),
        s.label(x + width / 2, 39, f"{mark}{name}", text_anchor="middle", font_weight=600),
    ]
    said = f"{name}, {state}{', active controller' if data['controller'] else ''}"
    scene.add(name, "replicas", said, parts, tabindex=0)


def _draw_broker(
    scene: Scene, graph: nx.MultiDiGraph, name: str, x: float, height: float, centre: float
) -> None:
    data = graph.nodes[name]
    running, registered = data["running"], data["registered"]
    up = running and not data["paused"]
    dark = s.INK if up else s.GREY
    note = "◆ controller" if data["controller"] else ""
    if data["paused"]:
        note = "‖ paused" if registered else "‖ paused, fenced out"
    elif not running:
        note = "✕ down" if not registered else "✕ down, session open"
    elif not registered:
        note = "… starting"
    what = f", {note[2:]}" if note else ""
    if data["disk_failed"]:
        note, what = f"{note[:1]} ⚠ disk broken".strip(), f"{what}, disk broken"
    parts = [
        s.rounded(
            x,
            _TOP,
            _BOX,
            height,
            10,
            fill=s.WHITE if up else s.PALE_GREY,
            stroke=dark,
            stroke_width=2,
            stroke_dasharray="none" if up else "6 5",
        ),
        s.rounded(x, _TOP, _BOX, _HEAD - 6, 10, fill=dark),
        s.label(x + 14, _TOP + 19, name, fill=s.WHITE, font_weight=700, font_size=13),
        s.label(x + _BOX - 14, _TOP + 19, note, fill=s.WHITE, text_anchor="end"),
    ]
    said = f"{name}, {'running' if up else 'paused' if running else 'down'}{what}"
    scene.add(name, "brokers", said, parts, tabindex=0)
    keepers = _keepers(graph)
    if registered and keepers:
        middle = x + _BOX / 2
        line = f"M{middle} {_TOP}C{middle} {_TOP - 34} {centre} {_TOP - 20} {centre} 54"
        cut = any(_is_broken(graph, name, keeper) for keeper in keepers)
        dashes = "none" if running and not cut else "3 5"
        drawn = [
            s.path(line, stroke=s.VERMILION if cut else s.ORANGE, stroke_width=2, stroke_dasharray=dashes)
        ]
        if cut:
            drawn.append(s.label(middle + 8, _TOP - 8, "✂", fill=s.VERMILION, font_size=15))
        peer = "ZooKeeper" if _kind(graph, "zookeeper") else "the controllers"
        said = "link broken" if cut else "open" if running else "not expired yet"
        scene.add(f"session-{name}", "sessions", f"session of {name} with {peer}, {said}", drawn)


def _draw_replica(scene: Scene, key: str, data: dict[str, Any], x: float, y: float) -> None:
    role = str(data["role"])
    fill, stroke, dashes, ink, mark = _LOOKS[role]
    name = f"{data['topic']}-{data['partition']}"
    width = _BOX - 24
    how_far = _how_far(data)
    short = s.clipped_before(str(data["topic"]), f"-{data['partition']}", width - 20)
    parts = [
        s.rounded(
            x, y, width, _REPLICA, 6, fill=fill, stroke=stroke, stroke_width=1.8, stroke_dasharray=dashes
        ),
        s.label(x + 10, y + 15, short, fill=ink, font_weight=600),
        s.label(x + 10, y + 30, mark, fill=ink, font_size=11),
    ]
    said = f"{name} on {data['broker']}: {role}, leader epoch {data['leader_epoch']}"
    if how_far:
        room = width - 26 - 6.8 * len(mark)
        shown = how_far if 6.2 * len(how_far) <= room else how_far.removeprefix("high watermark ")
        parts.append(s.label(x + width - 10, y + 30, shown, fill=ink, font_size=11, text_anchor="end"))
        said += f", {how_far}"
    scene.add(key, "replicas", said, parts, tabindex=0)


def _how_far(data: dict[str, Any]) -> str:
    """Say what is known of a replica's log: the leader's high watermark, how much of it a follower lacks."""
    offset, behind = data["high_watermark"], data["behind_bytes"]
    if data["role"] == "leader":
        return "" if offset is None else f"high watermark {offset:,}"
    return f"{_size(behind)} behind" if _lacks(data) else ""


def _lacks(data: dict[str, Any]) -> bool:
    """Whether a replica lacks something; of one that is offline nobody knows."""
    return bool(data["behind_bytes"]) and data["role"] != "offline"


def _size(count: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> _size(980), _size(34_567), _size(12_345_678)
    ('980 B', '34.6 kB', '12.3 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _draw_replication(
    scene: Scene,
    graph: nx.MultiDiGraph,
    leader: str,
    follower: str,
    columns: dict[str, float],
    rows: dict[tuple[str, int], float],
) -> None:
    """Draw an arrow: across the gap to a neighbour, below the row to one further off; never through a box."""
    source, target = graph.nodes[leader], graph.nodes[follower]
    place = (source["topic"], source["partition"])
    if source["broker"] not in columns or target["broker"] not in columns or place not in rows:
        return
    whole = not _is_broken(graph, source["broker"], target["broker"])
    good = whole and source["role"] == "leader" and target["role"] == "in sync"
    colour, dashes = (s.BLUE, "none") if good else (s.VERMILION, "5 4")
    x1, x2 = columns[source["broker"]], columns[target["broker"]]
    y = rows[place]
    rightwards = x2 > x1
    inner = _BOX - 12
    if abs(x2 - x1) <= _BOX + _GAP:
        begin, end = (x1 + inner, x2 + 12) if rightwards else (x1 + 12, x2 + inner)
        middle = y + _REPLICA / 2
        back = -7 if rightwards else 7
        line = f"M{begin} {middle}H{end + back}"
        head = s.arrow(end, middle, "right" if rightwards else "left", colour)
    else:
        lane = y + _REPLICA + 6
        begin, end = (x1 + inner - 8, x2 + 20) if rightwards else (x1 + 20, x2 + inner - 8)
        line = f"M{begin} {y + _REPLICA}V{lane}H{end}V{y + _REPLICA + 5}"
        head = s.arrow(end, y + _REPLICA + 1, "up", colour)
    how = "in sync" if good else "not in sync" if whole else "link broken"
    said = f"{leader} replicates to {follower}, {how}"
    scene.add(
        f"{leader}>{follower}",
        "replication",
        said,
        [s.path(line, stroke=colour, stroke_width=1.8, stroke_dasharray=dashes), head],
    )


def _draw_legend(scene: Scene, y: float) -> None:
    x = float(_MARGIN)
    for role, (fill, stroke, dashes, _, mark) in _LOOKS.items():
        parts = [
            s.rounded(
                x, y - 11, 16, 14, 3, fill=fill, stroke=stroke, stroke_width=1.5, stroke_dasharray=dashes
            ),
            s.label(x + 23, y, mark, fill=s.GREY),
        ]
        scene.add(f"legend-{role}", "replicas", f"legend: {mark}", parts)
        x += 130


def _table(graph: nx.MultiDiGraph) -> Table:
    rows: list[tuple[str, ...]] = []
    replicas_of: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for _, data in graph.nodes(data=True):
        if data["kind"] == "replica":
            replicas_of[data["topic"], data["partition"]].append(data)
    for (topic, number), replicas in sorted(replicas_of.items()):
        by_role = {role: [d["broker"] for d in replicas if d["role"] == role] for role in _LOOKS}
        rows.append((
            f"{topic}-{number}",
            ", ".join(by_role["leader"]) or "none",
            str(replicas[0]["leader_epoch"]),
            ", ".join(by_role["in sync"]) or "-",
            ", ".join(by_role["out of sync"] + by_role["offline"]) or "-",
            "-" if (offset := replicas[0]["high_watermark"]) is None else f"{offset:,}",
            ", ".join(f"{d['broker']}: {d['behind_bytes']:,}" for d in replicas if _lacks(d)) or "-",
        ))
    columns = (
        "partition",
        "leader",
        "leader epoch",
        "in sync",
        "not in sync",
        "high watermark",
        "bytes behind",
    )
    return Table(columns, rows)


def _sentences(graph: nx.MultiDiGraph, brokers: list[str], table: Table) -> str:
    down = [name for name in brokers if not graph.nodes[name]["running"]]
    controller = graph.graph["controller"]
    leaderless = [row[0] for row in table.rows if row[1] == "none"]
    said = [f"Controller: {controller or 'none'}", f"Down: {', '.join(down) or 'none'}"]
    if broken := [f"{one} and {other} ({fault})" for (one, other), fault in _broken(graph).items()]:
        said.append(f"Broken links: {', '.join(broken)}")
    if disks := [name for name in brokers if graph.nodes[name]["disk_failed"]]:
        said.append(f"Broken disks: {', '.join(disks)}")
    if leaderless:
        said.append(f"Without a leader: {', '.join(leaderless)}")
    return ". ".join(said)
