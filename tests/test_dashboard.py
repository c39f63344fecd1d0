from __future__ import annotations

import pytest

from kafka_lab.dashboard import why_not
from kafka_lab.state import ClusterState, NodeState

STATE = ClusterState(
    nodes={
        "broker-1": NodeState("broker", running=True),
        "broker-2": NodeState("broker"),
        "broker-3": NodeState("broker", running=True, paused=True),
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
        ("restart", "broker-2", "", ""),
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
