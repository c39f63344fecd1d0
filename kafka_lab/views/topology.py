"""The topology: brokers, the controller, replicas, who leads and who is in sync."""

from __future__ import annotations

import networkx as nx

from kafka_lab.state import ClusterState, NodeState, PartitionState, broker_id
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["topology_graph", "topology_scene"]

_BOX, _GAP, _MARGIN = 236, 74, 26
_TOP, _HEAD, _ROW, _REPLICA = 112, 34, 42, 30
_TOPIC_ROW = 26
_LOOKS = {  # role: fill, stroke, dashes, ink, mark
    "leader": (s.BLUE, s.BLUE, "none", s.WHITE, "★ leader"),
    "in sync": (s.PALE_BLUE, s.BLUE, "none", s.INK, "✓ in sync"),
    "out of sync": (s.PALE_VERMILION, s.VERMILION, "5 4", s.VERMILION, "⚠ out of sync"),
    "offline": (s.PALE_GREY, s.GREY, "2 4", s.GREY, "✕ offline"),
}


def topology_graph(state: ClusterState) -> nx.MultiDiGraph:
    """Return the cluster as a graph.

    Nodes are brokers and ZooKeepers (``kind`` ``"broker"`` or ``"zookeeper"``, ``running``, ``paused``,
    ``registered``, ``controller``) and replicas such as ``"chat-0@broker-1"`` (``kind`` ``"replica"``,
    ``topic``, ``partition``, ``broker``, ``role``, ``leader_epoch``). Edges are sessions from broker to
    ZooKeeper, replication from leader to follower, and broken links (``kind`` ``"broken link"``, ``fault``)
    between two ends, of which a client is a node too. Internal topics (``__consumer_offsets``) are left out.
    """
    graph = nx.MultiDiGraph()
    zookeepers = [name for name, node in state.nodes.items() if node.role == "zookeeper"]
    for name, node in state.nodes.items():
        graph.add_node(
            name,
            kind=node.role,
            running=node.running,
            paused=node.paused,
            registered=node.registered,
            controller=name == state.controller,
        )
    for name in state.brokers:
        if state.nodes[name].registered:
            graph.add_edges_from((name, zookeeper, {"kind": "session"}) for zookeeper in zookeepers)
    for topic, partitions in sorted(state.topics.items()):
        if not topic.startswith("__"):
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
    brokers = sorted(_kind(graph, "broker"), key=broker_id)
    rows = _rows(graph)
    width = max(2 * _MARGIN + len(brokers) * (_BOX + _GAP) - _GAP, 640)
    bottom = max(rows.values(), default=_TOP + _HEAD) + _ROW + 6
    broken = _broken(graph)
    scene = Scene(
        size=(width, round(bottom) + (68 if broken else 44)),
        title=f"Topology: {len(brokers)} brokers",
        desc=_sentences(graph, brokers),
        table=_table(graph),
        layers=("sessions", "brokers", "replication", "replicas"),
    )
    left = (width - (len(brokers) * (_BOX + _GAP) - _GAP)) / 2
    columns = {name: left + number * (_BOX + _GAP) for number, name in enumerate(brokers)}
    for number, name in enumerate(_kind(graph, "zookeeper")):
        _draw_zookeeper(scene, graph, name, width / 2, number)
    for name in brokers:
        _draw_broker(scene, graph, name, columns[name], bottom - _TOP, width / 2)
    for key, data in graph.nodes(data=True):
        if data["kind"] == "replica" and data["broker"] in columns:
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
    """Return the y of each partition; each topic begins with a row for its name."""
    partitions = sorted({
        (d["topic"], d["partition"]) for _, d in graph.nodes(data=True) if d["kind"] == "replica"
    })
    y: float = _TOP + _HEAD + 8
    rows: dict[tuple[str, int], float] = {}
    previous = None
    for topic, number in partitions:
        if previous not in (None, topic):
            y += _TOPIC_ROW - 14
        rows[topic, number] = y
        y += _ROW
        previous = topic
    return rows


def _draw_zookeeper(scene: Scene, graph: nx.MultiDiGraph, name: str, centre: float, number: int) -> None:
    running = graph.nodes[name]["running"]
    dashes = "none" if running else "5 4"
    x = centre - 90 + 200 * number
    parts = [
        s.rounded(
            x, 14, 180, 40, 20, fill=s.PALE_ORANGE, stroke=s.ORANGE, stroke_width=2, stroke_dasharray=dashes
        ),
        s.label(x + 90, 39, name if running else f"✕ {name}", text_anchor="middle", font_weight=600),
    ]
    scene.add(name, "replicas", f"{name}, {'running' if running else 'down'}", parts, tabindex=0)


def _draw_broker(
    scene: Scene, graph: nx.MultiDiGraph, name: str, x: float, height: float, centre: float
) -> None:
    data = graph.nodes[name]
    running, registered = data["running"], data["registered"]
    up = running and not data["paused"]
    dark = s.INK if up else s.GREY
    note = "◆ controller" if data["controller"] else ""
    if data["paused"]:
        note = "‖ paused" if registered else "‖ paused, session expired"
    elif not running:
        note = "✕ down" if not registered else "✕ down, session open"
    elif not registered:
        note = "… starting"
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
    said = f"{name}, {'running' if up else 'paused' if running else 'down'}{', ' + note[2:] if note else ''}"
    scene.add(name, "brokers", said, parts, tabindex=0)
    if registered:
        middle = x + _BOX / 2
        line = f"M{middle} {_TOP}C{middle} {_TOP - 34} {centre} {_TOP - 20} {centre} 54"
        cut = any(_is_broken(graph, name, zookeeper) for zookeeper in _kind(graph, "zookeeper"))
        dashes = "none" if running and not cut else "3 5"
        drawn = [
            s.path(line, stroke=s.VERMILION if cut else s.ORANGE, stroke_width=2, stroke_dasharray=dashes)
        ]
        if cut:
            drawn.append(s.label(middle + 8, _TOP - 8, "✂", fill=s.VERMILION, font_size=15))
        said = "link broken" if cut else "open" if running else "not expired yet"
        scene.add(f"session-{name}", "sessions", f"session of {name} with ZooKeeper, {said}", drawn)


def _draw_replica(scene: Scene, key: str, data: dict[str, object], x: float, y: float) -> None:
    role = str(data["role"])
    fill, stroke, dashes, ink, mark = _LOOKS[role]
    name = f"{data['topic']}-{data['partition']}"
    width = _BOX - 24
    parts = [
        s.rounded(
            x, y, width, _REPLICA, 6, fill=fill, stroke=stroke, stroke_width=1.8, stroke_dasharray=dashes
        ),
        s.label(x + 10, y + 20, s.clipped(name, width - 112), fill=ink, font_weight=600),
        s.label(x + width - 10, y + 20, mark, fill=ink, text_anchor="end"),
    ]
    said = f"{name} on {data['broker']}: {role}, leader epoch {data['leader_epoch']}"
    scene.add(key, "replicas", said, parts, tabindex=0)


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
    if source["broker"] not in columns or target["broker"] not in columns:
        return
    whole = not _is_broken(graph, source["broker"], target["broker"])
    good = whole and source["role"] == "leader" and target["role"] == "in sync"
    colour, dashes = (s.BLUE, "none") if good else (s.VERMILION, "5 4")
    x1, x2 = columns[source["broker"]], columns[target["broker"]]
    y = rows[source["topic"], source["partition"]]
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
    for (topic, number), _ in _rows(graph).items():
        replicas = [
            data
            for _, data in graph.nodes(data=True)
            if data["kind"] == "replica" and (data["topic"], data["partition"]) == (topic, number)
        ]
        by_role = {role: [d["broker"] for d in replicas if d["role"] == role] for role in _LOOKS}
        rows.append((
            f"{topic}-{number}",
            ", ".join(by_role["leader"]) or "none",
            str(replicas[0]["leader_epoch"]),
            ", ".join(by_role["in sync"]) or "-",
            ", ".join(by_role["out of sync"] + by_role["offline"]) or "-",
        ))
    return Table(("partition", "leader", "leader epoch", "in sync", "not in sync"), rows)


def _sentences(graph: nx.MultiDiGraph, brokers: list[str]) -> str:
    down = [name for name in brokers if not graph.nodes[name]["running"]]
    controller = next((name for name in brokers if graph.nodes[name]["controller"]), None)
    leaderless = [row[0] for row in _table(graph).rows if row[1] == "none"]
    said = [f"Controller: {controller or 'none'}", f"Down: {', '.join(down) or 'none'}"]
    if broken := [f"{one} and {other} ({fault})" for (one, other), fault in _broken(graph).items()]:
        said.append(f"Broken links: {', '.join(broken)}")
    if leaderless:
        said.append(f"Without a leader: {', '.join(leaderless)}")
    return ". ".join(said)
