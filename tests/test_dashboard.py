from __future__ import annotations

import pytest

from kafka_lab.dashboard import why_not
from kafka_lab.state import ClusterState, NodeState

STATE = ClusterState(
    nodes={
        "zookeeper-1": NodeState("zookeeper", pid=1, running=True),
        "broker-1": NodeState("broker", pid=2, running=True, registered=True),
        "broker-2": NodeState("broker", pid=3, disk_failed=True),
        "broker-3": NodeState("broker", pid=4, running=True, paused=True),
        "broker-4": NodeState("broker", running=True, registered=True),
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
        ("heal", "broker-3", "broker-1", ""),
        ("heal", "broker-1", "broker-2", "nothing is broken between these two"),
    ],
)
def test_what_is_possible_now(act: str, node: str, peer: str, reason: str) -> None:
    assert why_not(act, (node, peer), STATE, links=True) == reason


def test_without_links_nothing_is_cut() -> None:
    assert "Lab(links=True)" in why_not("cut", ("broker-1", "broker-2"), STATE, links=False)
