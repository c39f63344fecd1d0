"""What holds for every kind of local cluster: one set of tests for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.errors import ConfigurationError, FaultError
from kafka_lab.events import BrokerLost, ControllerElected, ControllerLost, IsrExpanded, IsrShrunk

pytestmark = pytest.mark.jvm

KINDS: dict[str, dict[str, Any]] = {
    "an ensemble": {"brokers": 3, "zookeepers": 3},
    "KRaft": {"brokers": 3, "mode": "kraft"},
    "KRaft with controllers": {"brokers": 2, "mode": "kraft", "controllers": 3},
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(**request.param, profile="fast") as lab:
        lab.create_topic("chat", partitions=3)
        yield lab


@pytest.fixture
def whole(kind: Lab) -> Iterator[Lab]:
    yield kind
    kind.heal_all()


def send(lab: Lab, text: bytes) -> None:
    with lab.producer() as producer:
        producer.send("chat", text, partition=0).get(30)


def keeper(lab: Lab) -> str:
    """Return a node that keeps the metadata and is not the controller."""
    voters = [name for name, node in lab.state.nodes.items() if node.role != "broker"] or lab.brokers
    return next(name for name in voters if name != lab.controller())


def test_a_killed_leader_is_replaced(whole: Lab) -> None:
    send(whole, b"before")
    leader = whole.leader_of("chat", 0)
    assert leader
    whole.kill(leader)
    changed = whole.wait_for(LeaderChanged, topic="chat", partition=0)
    assert changed.leader not in {leader, None}
    assert whole.wait_for(IsrShrunk, topic="chat", partition=0).left == (leader,)
    assert not whole.state.nodes[leader].registered
    send(whole, b"after")
    whole.restart(leader)
    assert whole.wait_for(IsrExpanded, topic="chat", partition=0).joined == (leader,)


def test_a_paused_follower_leaves_and_returns(whole: Lab) -> None:
    leader = whole.leader_of("chat", 0)
    follower = next(name for name in whole.isr_of("chat", 0) if name not in {leader, whole.controller()})
    whole.pause(follower)
    whole.wait_for(BrokerLost, node=follower)
    assert follower not in whole.isr_of("chat", 0) or whole.wait_for(IsrShrunk, topic="chat", partition=0)
    whole.resume(follower)
    assert follower in whole.wait_for(IsrExpanded, topic="chat", partition=0).joined


def test_a_killed_controller_is_replaced(whole: Lab) -> None:
    controller = whole.controller()
    assert controller
    epoch = whole.state.controller_epoch
    whole.kill(controller)
    whole.wait_for(ControllerLost, node=controller)
    assert whole.wait_for(ControllerElected).node != controller
    assert whole.state.controller_epoch > epoch or epoch == -1
    send(whole, b"with another controller")


def test_a_majority_of_keepers_is_enough(whole: Lab) -> None:
    whole.kill(keeper(whole))
    send(whole, b"without one of three")
    whole.create_topic("made-without-one", partitions=1)
    whole.delete_topic("made-without-one")


def test_everything_killed_comes_back(whole: Lab) -> None:
    send(whole, b"before the end")
    for name in whole.state.nodes:
        whole.kill(name)
    whole.heal_all()
    assert b"before the end" in [record.value for record in whole.read("chat")]


def test_kafkas_tools_agree(kind: Lab) -> None:
    said = kind.tool("topics", "--describe", "--topic", "chat")
    for number, partition in kind.state.topics["chat"].items():
        assert f"Partition: {number}\tLeader: {str(partition.leader).removeprefix('broker-')}\t" in said


def test_moves_work(whole: Lab) -> None:
    added = whole.add_broker()
    whole.reassign("chat", 1, [added, "broker-1"])
    assert whole.isr_of("chat", 1) == (added, "broker-1") or set(whole.isr_of("chat", 1)) == {
        added,
        "broker-1",
    }
    whole.remove_broker(added)
    assert added not in whole.state.nodes


def test_what_a_kind_does_not_have_is_said(kind: Lab) -> None:
    if kind.state.controller_epoch < 0:
        with pytest.raises(ConfigurationError, match="it has no quorum; see zookeeper"):
            kind.quorum()
        return
    assert {row[0] for row in kind.quorum().rows} >= set(kind.state.nodes)
    with pytest.raises(ConfigurationError, match="it has no ZooKeeper; see quorum"):
        kind.zookeeper()
    with pytest.raises(FaultError, match="in KRaft there is no session"):
        kind.kill("broker-1", skip_wait=True)
    assert kind.state.nodes["broker-1"].running
