"""Pictures of a cluster, each a function of its timeline."""

from __future__ import annotations

from kafka_lab.state import LiveState
from kafka_lab.timeline import Timeline
from kafka_lab.views.order import inversions, order_graph, order_scene
from kafka_lab.views.topology import topology_graph, topology_scene
from kafka_lab.views.view import View

__all__ = ["View", "inversions", "order_view", "topology_view"]


def topology_view(timeline: Timeline) -> View:
    """Return the view of brokers, replicas and leaders."""
    state = LiveState(timeline)
    return View(timeline, lambda: topology_graph(state.now()), topology_scene)


def order_view(timeline: Timeline, topic: str) -> View:
    """Return the view of a topic's messages and the orders between them."""
    return View(timeline, lambda: order_graph(timeline, topic), order_scene)
