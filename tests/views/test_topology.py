from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import networkx as nx
import pytest

from kafka_lab import events as ev
from kafka_lab.history import History
from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline
from kafka_lab.views import topology_view
from kafka_lab.views.scene import to_svg
from kafka_lab.views.topology import MOST_ROWS, topology_graph, topology_scene


def story(brokers: int = 3, partitions: int = 3) -> list[ev.Event]:
    """A running cluster with a topic of as many replicas as brokers, three at most."""
    names = [f"broker-{number}" for number in range(1, brokers + 1)]
    events: list[ev.Event] = [ev.NodeStarted("zookeeper-1", "zookeeper", 1, 1)]
    events += [ev.NodeStarted(name, "broker", 1, 1) for name in names]
    events += [ev.BrokerRegistered(name) for name in names]
    events += [ev.ControllerElected(names[-1]), ev.TopicCreated("chat"), ev.TopicCreated("__offsets")]
    for number in range(partitions):
        replicas = tuple(names[(number + k) % brokers] for k in range(min(3, brokers)))
        events += [
            ev.ReplicasAssigned("chat", number, replicas),
            ev.LeaderChanged("chat", number, replicas[0], None, 0),
            ev.IsrExpanded("chat", number, replicas, replicas, 0),
        ]
    return [*events, ev.ReplicasAssigned("__offsets", 0, tuple(names[:1]))]


def killed() -> list[ev.Event]:
    """The leader of chat-0 is killed, and another one elected for it."""
    return [
        *story(),
        ev.NodeExited("broker-1", -9, expected=True),
        ev.BrokerLost("broker-1"),
        ev.LeaderChanged("chat", 0, "broker-2", "broker-1", 1),
        ev.IsrShrunk("chat", 0, ("broker-2", "broker-3"), ("broker-1",), 1),
    ]


def graph_of(events: list[ev.Event]) -> nx.MultiDiGraph:
    return topology_graph(ClusterState.after(events))


def test_roles_of_a_healthy_partition() -> None:
    graph = graph_of(story())
    roles = {name: data["role"] for name, data in graph.nodes(data=True) if data.get("partition") == 0}
    assert roles == {
        "chat-0@broker-1": "leader",
        "chat-0@broker-2": "in sync",
        "chat-0@broker-3": "in sync",
    }
    replication = [edge[:2] for edge in graph.edges(data="kind") if edge[2] == "replication"]
    assert ("chat-0@broker-1", "chat-0@broker-2") in replication
    assert len(replication) == 6


def test_after_a_kill() -> None:
    graph = graph_of(killed())
    assert graph.nodes["chat-0@broker-1"]["role"] == "offline"
    assert graph.nodes["chat-0@broker-2"]["role"] == "leader"
    assert graph.nodes["chat-1@broker-1"]["role"] == "offline"
    assert not graph.has_edge("broker-1", "zookeeper-1")
    scene = topology_scene(graph)
    assert "Down: broker-1" in scene.desc
    assert ("chat-0", "broker-2", "1", "broker-3", "broker-1", "-", "-") in scene.table.rows


def test_how_far_the_logs_are_is_said_when_it_is_known() -> None:
    known = [ev.HighWatermarkMoved("chat", 0, 1200), ev.ReplicaDistanceChanged("chat", 0, "broker-2", 3400)]
    graph = graph_of([*story(), *known, ev.ReplicaDistanceChanged("chat", 0, "broker-3", 0)])
    assert graph.nodes["chat-0@broker-1"]["high_watermark"] == 1200
    assert graph.nodes["chat-0@broker-2"]["behind_bytes"] == 3400
    scene = topology_scene(graph)
    drawn = to_svg(scene)
    assert "high watermark 1,200" in drawn
    assert drawn.count(" behind</text>") == drawn.count(">3.4 kB behind<") == 1
    row = next(row for row in scene.table.rows if row[0] == "chat-0")
    assert row[-2:] == ("1,200", "broker-2: 3,400")


def test_a_long_high_watermark_leaves_its_role_room() -> None:
    drawn = to_svg(topology_scene(graph_of([*story(), ev.HighWatermarkMoved("chat", 0, 987654321)])))
    assert ">987,654,321<" in drawn
    assert "leader epoch 0, high watermark 987,654,321" in drawn


def test_a_dead_brokers_distance_is_not_told_any_longer() -> None:
    known = [*story(), ev.ReplicaDistanceChanged("chat", 1, "broker-1", 700)]
    assert "700 B behind" in to_svg(topology_scene(graph_of(known)))
    dead = topology_scene(graph_of([*known, ev.NodeExited("broker-1", -9, expected=True)]))
    assert "700 B behind" not in to_svg(dead)
    assert "700" not in dead.table.to_text()


def test_a_broken_disk_is_seen_until_it_is_repaired() -> None:
    broken = [*story(), ev.FaultStarted("broker-3", "fail_disk")]
    scene = topology_scene(graph_of(broken))
    assert "◆ ⚠ disk broken" in to_svg(scene)
    assert "broker-3, running, controller, disk broken" in to_svg(scene)
    assert "Broken disks: broker-3" in scene.desc
    healed = topology_scene(graph_of([*broken, ev.FaultEnded("broker-3", "fail_disk")]))
    assert "disk" not in to_svg(healed)


def test_a_follower_that_lags_is_out_of_sync_and_not_offline() -> None:
    lagging = [*story(), ev.IsrShrunk("chat", 0, ("broker-1", "broker-2"), ("broker-3",), 0)]
    assert graph_of(lagging).nodes["chat-0@broker-3"]["role"] == "out of sync"


def test_internal_topics_are_left_out() -> None:
    assert not any("__offsets" in str(node) for node in graph_of(story()))


@pytest.mark.parametrize("brokers", [1, 2, 3, 5, 9])
def test_the_picture_is_well_formed_and_nothing_lies_outside(brokers: int) -> None:
    scene = topology_scene(graph_of(story(brokers, partitions=12)))
    width, height = scene.size
    root = ET.fromstring(to_svg(scene))
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert x >= 0
        assert y >= 0
        assert x + float(rect.get("width", 0)) <= width
        assert y + float(rect.get("height", 0)) <= height


def test_no_arrow_crosses_a_replica() -> None:
    """Horizontal runs of an arrow lie between columns, or in the gap below a row."""
    scene = topology_scene(graph_of(story(brokers=5, partitions=10)))
    boxes = []
    for key, (_, element) in scene.items.items():
        if "@" in key and ">" not in key:
            rect = element[2][1][1]
            boxes.append((rect["x"], rect["y"], rect["x"] + rect["width"], rect["y"] + rect["height"]))
    for key, (_, element) in scene.items.items():
        if ">" in key:
            d = element[2][1][1]["d"].replace("M", " ").replace("H", " H ").replace("V", " V ").split()
            x, y = float(d[0]), float(d[1])
            for command, value in zip(d[2::2], d[3::2], strict=True):
                to = float(value)
                if command == "H":
                    low, high = sorted((x, to))
                    crossed = [b for b in boxes if b[1] < y < b[3] and low < b[2] - 1 and high > b[0] + 1]
                    assert not crossed, key
                    x = to
                else:
                    y = to


def test_an_empty_cluster_has_a_hint() -> None:
    timeline = Timeline()
    view = topology_view(timeline, History(timeline))
    assert "create_topic" in view.to_svg()
    assert "0 brokers" in view.to_text()


def test_names_are_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    events = [*story(), ev.ReplicasAssigned(evil, 0, ("broker-1",))]
    timeline = Timeline()
    for event in events:
        timeline.append(event)
    view = topology_view(timeline, History(timeline))
    assert "<script>" not in view.to_svg()
    assert "<script>" not in view.to_html()


def test_a_view_follows_its_timeline() -> None:
    timeline = Timeline()
    view = topology_view(timeline, History(timeline))
    for event in killed():
        timeline.append(event)
    assert "broker-1, down" in str(view.scene().items["broker-1"])
    assert view.graph().number_of_nodes() == graph_of(killed()).number_of_nodes()


def test_broken_links_are_edges_and_are_drawn_and_told() -> None:
    graph = graph_of([
        *story(),
        ev.FaultStarted("broker-1", "cut", "zookeeper-1"),
        ev.FaultStarted("broker-2", "slow", "broker-1"),
        ev.FaultStarted("client <anna>", "reset", "broker-3"),
    ])
    broken = {edge[:2]: edge[2]["fault"] for edge in graph.edges(data=True) if "fault" in edge[2]}
    assert broken == {
        ("broker-1", "zookeeper-1"): "cut",
        ("broker-1", "broker-2"): "slow",
        ("broker-3", "client <anna>"): "reset",
    }
    scene = topology_scene(graph)
    picture = to_svg(scene)
    ET.fromstring(picture)
    assert "client &lt;anna&gt; (reset)" in picture
    assert "session of broker-1 with ZooKeeper, link broken" in picture
    assert "chat-0@broker-1 replicates to chat-0@broker-2, link broken" in picture
    assert "broker-1 and zookeeper-1 (cut)" in scene.desc
    healed = graph_of([
        ev.FaultStarted("broker-1", "cut", "zookeeper-1"),
        ev.FaultEnded("broker-1", "cut", "zookeeper-1"),
    ])
    assert not [edge for edge in healed.edges(data="kind") if edge[2] == "broken link"]


def test_an_ensemble_and_controllers_are_drawn_side_by_side() -> None:
    ensemble = [
        ev.NodeStarted("zookeeper-2", "zookeeper", 1, 1),
        ev.NodeStarted("zookeeper-3", "zookeeper", 1, 1),
        ev.FaultStarted("zookeeper-2", "pause", None),
    ]
    graph = graph_of([*story(), *ensemble])
    assert len([edge for edge in graph.edges(data="kind") if edge[2] == "session"]) == 9
    svg = to_svg(topology_scene(graph))
    assert "‖ zookeeper-2" in svg
    boxes = [
        e for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect") if e.get("width") == "180"
    ]
    lefts = sorted(float(box.get("x", 0)) for box in boxes)
    assert len(lefts) == 3
    assert all(right - left >= 180 for left, right in pairwise(lefts))


def test_kraft_says_who_leads_the_quorum() -> None:
    combined = [e for e in story() if not (isinstance(e, ev.NodeStarted) and e.role == "zookeeper")]
    svg = to_svg(topology_scene(graph_of([*combined, ev.ControllerElected("broker-2", 7)])))
    assert "KRaft quorum of brokers, epoch 7: ◆ broker-2 leads" in svg
    assert "session" not in svg
    own = [
        *combined,
        ev.NodeStarted("controller-1", "controller", 1, 1),
        ev.ControllerElected("controller-1", 7),
    ]
    svg = to_svg(topology_scene(graph_of(own)))
    assert "◆ controller-1" in svg
    assert "session of broker-1 with the controllers" in svg


def test_of_many_partitions_some_are_drawn_and_the_rest_is_told() -> None:
    events: list[ev.Event] = list(story())
    for number in range(100):
        events += [
            ev.ReplicasAssigned("wide", number, ("broker-1", "broker-2")),
            ev.LeaderChanged("wide", number, "broker-1", None, 0),
        ]
    scene = topology_scene(graph_of(events))
    drawn = [key for key in scene.items if "@" in key and ">" not in key]
    assert len({key.partition("@")[0] for key in drawn}) == MOST_ROWS
    assert "more partitions" in to_svg(scene)
    assert len(scene.table.rows) > 100
    ET.fromstring(to_svg(scene))


def test_only_the_topics_asked_for() -> None:
    timeline = Timeline()
    for event in [*story(), ev.ReplicasAssigned("other", 0, ("broker-1",))]:
        timeline.append(event)
    view = topology_view(timeline, History(timeline), ("other",))
    assert {data["topic"] for _, data in view.graph().nodes(data=True) if data["kind"] == "replica"} == {
        "other"
    }
