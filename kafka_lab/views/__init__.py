"""Pictures of a cluster, each a function of its timeline and a moment."""

from __future__ import annotations

from kafka_lab.history import History
from kafka_lab.timeline import Moment, Timeline
from kafka_lab.views.elections import elections_graph, elections_scene
from kafka_lab.views.groups import groups_graph, groups_scene
from kafka_lab.views.inbox import inbox_graph, inbox_scene
from kafka_lab.views.order import inversions, order_graph, order_scene
from kafka_lab.views.route import route_graph, route_scene
from kafka_lab.views.topology import topology_graph, topology_scene
from kafka_lab.views.view import Figure, Together, View
from kafka_lab.views.zookeeper_tree import zookeeper_graph, zookeeper_scene

__all__ = [
    "Figure",
    "Together",
    "View",
    "elections_view",
    "groups_view",
    "inbox_view",
    "inversions",
    "order_view",
    "route_view",
    "topology_view",
    "zookeeper_view",
]


def topology_view(timeline: Timeline, history: History, topics: tuple[str, ...] = ()) -> View:
    """Return the view of brokers, replicas and leaders; by default of all topics but Kafka's own."""
    return View(timeline, lambda moment: topology_graph(history.after(moment.count), topics), topology_scene)


def order_view(timeline: Timeline, topic: str) -> View:
    """Return the view of a topic's messages and the orders between them."""
    return View(timeline, lambda moment: order_graph(timeline.since(0, moment.count), topic), order_scene)


def groups_view(timeline: Timeline, history: History, group_ids: tuple[str, ...] = ()) -> View:
    """Return the view of consumer groups; by default of all that there are."""
    return View(timeline, lambda moment: groups_graph(history.after(moment.count), group_ids), groups_scene)


def elections_view(timeline: Timeline, topics: tuple[str, ...] = (), last_s: float | None = None) -> View:
    """Return the view of who led when, of the last so many seconds or of all of them."""

    def graph(moment: Moment) -> object:
        events = timeline.since(0, moment.count)
        return elections_graph(events, moment.at_s, last_s=last_s, topics=topics)

    return View(timeline, graph, elections_scene, flows=True)


def zookeeper_view(timeline: Timeline, history: History) -> View:
    """Return the view of ZooKeeper's tree."""
    return View(
        timeline,
        lambda moment: zookeeper_graph(history.after(moment.count), moment.at_s),
        zookeeper_scene,
        flows=True,
    )


def route_view(timeline: Timeline, message: str | None = None) -> View:
    """Return the view of one notification's way, by its clientMsgID; by default the latest one's."""
    return View(timeline, lambda moment: route_graph(timeline.since(0, moment.count), message), route_scene)


def inbox_view(timeline: Timeline, user: str) -> View:
    """Return the view of a user's inbox."""
    return View(timeline, lambda moment: inbox_graph(timeline.since(0, moment.count), user), inbox_scene)
