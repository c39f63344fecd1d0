"""ZooKeeper's tree: the znodes in which Kafka keeps a cluster's metadata, and what changed last."""

from __future__ import annotations

import json
import re

import networkx as nx

from kafka_lab.state import ClusterState
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["zookeeper_graph", "zookeeper_scene"]

MOST_ROWS = 60
_RECENT_S = 5.0  # how long what changed is marked, and what is gone stays in the picture
_WIDTH, _TOP, _ROW, _INDENT, _PATH = 980, 84, 26, 20, 300
_NOISE = {
    "timestamp", "jmx_port", "version", "listener_security_protocol_map", "features", "removing_replicas",
    "adding_replicas", "topic_id", "kraftControllerEpoch", "rack", "host", "endpoints",
}  # fmt: skip


def zookeeper_graph(state: ClusterState, now_s: float) -> nx.MultiDiGraph:
    """Return the znodes as a tree.

    Nodes are paths, with ``data`` (readable, without what says nothing to a learner), ``session`` (whose an
    ephemeral znode is, else empty), ``changed_s``, ``changed`` (it was lately, or last of all) and ``gone``;
    folders that hold nothing themselves have the data ``""``. Edges lead from parent to child.

    Parameters
    ----------
    state : ClusterState
        The moment.
    now_s : float
        Its time, in seconds of the timeline's clock.
    """
    graph = nx.MultiDiGraph()
    last_s = max((znode.changed_s for znode in state.znodes.values()), default=0.0)
    for path, znode in sorted(state.znodes.items(), key=lambda item: _order(item[0])):
        recent = now_s - znode.changed_s < _RECENT_S
        if znode.gone and not recent:
            continue
        _add_folders(graph, path)
        graph.add_node(
            path,
            data=_readable(znode.data),
            session=znode.session,
            changed_s=znode.changed_s,
            changed=recent or znode.changed_s == last_s,
            gone=znode.gone,
        )
    return graph


def _order(path: str) -> list[tuple[int, str]]:
    """Return what sorts paths as a person would: numbers by their value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.split("/")]


def _add_folders(graph: nx.MultiDiGraph, path: str) -> None:
    parent = "/"
    if parent not in graph:
        graph.add_node(parent, data="", session="", changed_s=0.0, changed=False, gone=False)
    for end in [*[match.start() for match in re.finditer("/", path)][1:], len(path)]:
        child = path[:end]
        if child not in graph:
            graph.add_node(child, data="", session="", changed_s=0.0, changed=False, gone=False)
            graph.add_edge(parent, child)
        parent = child


def _readable(data: str) -> str:
    try:
        decoded = json.loads(data)
    except ValueError:
        return data
    if isinstance(decoded, dict):
        return ", ".join(f"{key}: {value}" for key, value in decoded.items() if key not in _NOISE)
    return data


def zookeeper_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of a :func:`zookeeper_graph`."""
    paths = list(nx.dfs_preorder_nodes(graph, "/"))[1:] if "/" in graph else []
    drawn = paths[:MOST_ROWS]
    scene = Scene(
        size=(_WIDTH, _TOP + _ROW * max(1, len(drawn)) + 44),
        title="ZooKeeper's tree",
        desc=_sentence(graph, paths),
        table=_table(graph, paths),
        layers=("branches", "znodes"),
    )
    scene.add_headline("znodes", _WIDTH - 32, s.label(_PATH + 18, 74, "data", fill=s.GREY, font_size=11))
    rows = {path: _TOP + _ROW * row for row, path in enumerate(drawn)}
    for path, y in rows.items():
        _draw_znode(scene, path, graph.nodes[path], y)
        for parent in graph.predecessors(path):
            if parent in rows:
                x = 6 + _INDENT * parent.count("/")
                line = s.path(f"M{x} {rows[parent] + 22}V{y + 12}h10", stroke="#9CA3AF", stroke_width=1.4)
                scene.items[f"branch-{path}"] = ("branches", line)
    legend = "⚡ ephemeral: goes with its session · orange: changed last · ✕ gone"
    scene.items["legend"] = (
        "znodes",
        s.label(16, _TOP + _ROW * max(1, len(drawn)) + 26, legend, fill=s.GREY),
    )
    if not drawn:
        hint = "nothing seen: this cluster is watched without its ZooKeeper"
        scene.items["hint"] = ("znodes", s.label(16, _TOP + 16, hint, fill=s.GREY))
    return scene


def _draw_znode(scene: Scene, path: str, data: dict[str, object], y: float) -> None:
    x = _INDENT * path.count("/")
    name = path.rpartition("/")[2]
    mark = "✕ " if data["gone"] else "⚡ " if data["session"] else ""
    ink = s.GREY if data["gone"] else s.INK
    parts = []
    if data["changed"]:
        look = {"fill": s.PALE_ORANGE, "stroke": s.AMBER, "stroke_width": 1.6}
        parts.append(s.rounded(x - 4, y, _WIDTH - x - 12, _ROW - 4, 6, **look))
    parts.append(s.label(x + 4, y + 16, s.clipped(f"{mark}{name}", _PATH - x), fill=ink, font_weight=600))
    owner = f" (session {data['session']})" if data["session"] else ""
    text = "gone" if data["gone"] else f"{data['data']}{owner}"
    parts.append(s.label(_PATH + 18, y + 16, s.clipped(text, _WIDTH - _PATH - 40), fill=ink))
    kind = "gone" if data["gone"] else "ephemeral" if data["session"] else "lasting"
    changed = ", changed lately" if data["changed"] else ""
    scene.add(path, "znodes", f"{path}, {kind}{changed}: {data['data']}", parts, tabindex=0)


def _sentence(graph: nx.MultiDiGraph, paths: list[str]) -> str:
    shown = [graph.nodes[path] for path in paths]
    ephemeral = sum(bool(data["session"]) and not data["gone"] for data in shown)
    said = f"{len(paths)} znodes, {ephemeral} of them ephemeral"
    changed = [path for path in paths if graph.nodes[path]["changed"]]
    if changed:
        said += f"; changed last: {', '.join(changed[:3])}" + (" and more" if len(changed) > 3 else "")
    return said + (f"; the first {MOST_ROWS} are drawn" if len(paths) > MOST_ROWS else "")


def _table(graph: nx.MultiDiGraph, paths: list[str]) -> Table:
    rows = [
        (path, f"session {data['session']}" if data["session"] else "lasts", data["data"])
        for path in paths
        if (data := graph.nodes[path])["data"] and not data["gone"]
    ]
    return Table(("znode", "kept by", "data"), rows)
