from __future__ import annotations

import pytest

from kafka_lab import Lab
from kafka_lab.dashboard import LINK_ACTS, NODE_ACTS, why_not
from kafka_lab.state import ClusterState, NodeState

STATE = ClusterState(
    nodes={
        "zookeeper-1": NodeState("zookeeper", pid=1, running=True),
        "broker-1": NodeState("broker", pid=2, running=True, registered=True),
        "broker-2": NodeState("broker", pid=3, disk_failed=True),
        "broker-3": NodeState("broker", pid=4, running=True, paused=True),
        "broker-4": NodeState("broker", running=True, registered=True),
        "controller-1": NodeState("controller", pid=5, running=True),
    },
    links={("broker-1", "broker-3"): "cut"},
)


@pytest.mark.parametrize(
    ("act", "node", "peer", "reason"),
    [
        ("kill", "broker-1", "", ""),
        ("kill", "broker-2", "", "it is down"),
        ("kill", "broker-3", "", ""),
        ("restart", "broker-1", "", "it runs"),
        ("restart", "broker-2", "", "its disk is broken"),
        ("stop", "broker-1", "", ""),
        ("stop", "broker-2", "", "it is down"),
        ("expire session", "broker-1", "", ""),
        ("expire session", "broker-3", "", "it has no session"),
        ("expire session", "zookeeper-1", "", "it is no broker"),
        ("fail disk", "broker-1", "", ""),
        ("fail disk", "broker-2", "", "its disk is broken already"),
        ("fail disk", "zookeeper-1", "", "it is no broker"),
        ("repair disk", "broker-2", "", ""),
        ("repair disk", "broker-1", "", "its disk is not broken"),
        ("kill", "broker-4", "", "its process is somebody else's"),
        ("pause", "broker-1", "", ""),
        ("pause", "broker-2", "", "it is down"),
        ("pause", "broker-3", "", "it is paused"),
        ("resume", "broker-1", "", "it is not paused"),
        ("resume", "broker-3", "", ""),
        ("kill", "broker-9", "", "there is no such node"),
        ("cut", "broker-1", "broker-1", "choose two different nodes"),
        ("cut", "broker-1", "broker-2", ""),
        ("cut", "broker-3", "broker-1", "it is broken already"),
        ("slow", "broker-1", "broker-3", "it is broken already"),
        ("cut", "zookeeper-1", "broker-1", ""),
        ("reset", "broker-1", "zookeeper-1", ""),
        ("drop responses", "broker-1", "zookeeper-1", ""),
        (
            "drop responses",
            "zookeeper-1",
            "broker-1",
            "ZooKeeper asks brokers nothing: choose the broker first",
        ),
        ("slow", "controller-1", "broker-1", "there is no link between these two"),
        ("heal", "broker-3", "broker-1", ""),
        ("heal", "broker-1", "broker-2", "nothing is broken between these two"),
    ],
)
def test_what_is_possible_now(act: str, node: str, peer: str, reason: str) -> None:
    assert why_not(act, (node, peer), STATE, links=True) == reason


@pytest.mark.parametrize("act", [*NODE_ACTS, *LINK_ACTS])
def test_each_act_is_a_labs(act: str) -> None:
    assert callable(getattr(Lab, act.replace(" ", "_")))


def test_without_links_nothing_is_cut() -> None:
    assert "Lab(links=True)" in why_not("cut", ("broker-1", "broker-2"), STATE, links=False)
