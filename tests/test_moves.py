"""Elections and moves on a real cluster."""

from __future__ import annotations

import psutil
import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.errors import ConfigurationError, FaultError, WaitTimeoutError
from kafka_lab.events import (
    ElectionRequested,
    LeaderLost,
    NodeRemoved,
    ReassignmentEnded,
    ReassignmentStarted,
    ReplicasAssigned,
)
from kafka_lab.moves import _without
from kafka_lab.state import ClusterState, NodeState, PartitionState


def test_a_leaving_brokers_replicas_go_where_there_are_fewest() -> None:
    nodes = {f"broker-{n}": NodeState(role="broker", registered=True) for n in (1, 2, 3)}
    chat = {
        0: PartitionState(replicas=("broker-1",)),
        1: PartitionState(replicas=("broker-1", "broker-2")),
        2: PartitionState(replicas=("broker-2", "broker-3")),
    }
    moves = _without(ClusterState(nodes=nodes, topics={"chat": chat}), "broker-1")
    assert moves == {("chat", 0): ("broker-3",), ("chat", 1): ("broker-3", "broker-2")}
    with pytest.raises(ConfigurationError, match="too few brokers"):
        _without(ClusterState(nodes=dict(list(nodes.items())[:2]), topics={"chat": chat}), "broker-1")


@pytest.mark.jvm
def test_the_preferred_leader_leads_again_when_asked_to(lab: Lab, topic: str) -> None:
    preferred = lab.state.topics[topic][0].replicas[0]
    with lab.kill(preferred, skip_wait=True):
        lab.wait_for(LeaderChanged, topic=topic, partition=0)
        with pytest.raises(FaultError, match="not in sync"):
            lab.elect_preferred(topic)
    lab.heal_all()
    assert lab.leader_of(topic, 0) != preferred
    lab.elect_preferred(topic)
    assert all(p.leader == p.replicas[0] for p in lab.state.topics[topic].values())
    requested = lab.wait_for(ElectionRequested, topic=topic, partition=0)
    assert requested.kind == "preferred"
    assert lab.wait_for(LeaderChanged, topic=topic, partition=0).leader == preferred
    lab.elect_preferred(topic)  # a second time there is nothing to do


@pytest.mark.jvm
def test_an_unclean_election_loses_what_the_elected_does_not_have(lab: Lab) -> None:
    lab.create_topic("unclean", replication_factor=2, config={"min.insync.replicas": "1"})
    leader = lab.leader_of("unclean", 0)
    (follower,) = set(lab.isr_of("unclean", 0)) - {leader}
    assert leader
    with pytest.raises(FaultError, match="led by"):
        lab.elect_unclean("unclean", 0)
    producer = lab.producer()
    producer.send("unclean", b"both have it").get(30)
    lab.kill(follower, skip_wait=True)
    producer.send("unclean", b"one has it").get(30)
    lab.kill(leader, skip_wait=True)
    lab.wait_for(LeaderLost, topic="unclean", partition=0)
    with pytest.raises(FaultError, match="no replica"):
        lab.elect_unclean("unclean", 0)
    lab.restart(follower)
    assert lab.leader_of("unclean", 0) is None
    lab.elect_unclean("unclean", 0)
    assert lab.leader_of("unclean", 0) == follower
    lab.heal_all()
    assert [record.value for record in lab.read("unclean")] == [b"both have it"]


@pytest.mark.jvm
def test_a_partition_moves_to_other_brokers_with_its_messages(lab: Lab) -> None:
    lab.create_topic("moving", replication_factor=1)
    lab.producer().send("moving", b"luggage").get(30)
    here = lab.state.topics["moving"][0].replicas
    there = [name for name in lab.brokers if name not in here]
    lab.reassign("moving", 0, there)
    assert lab.state.topics["moving"][0].replicas == tuple(there)
    assert set(lab.isr_of("moving", 0)) == set(there)
    started = lab.wait_for(ReassignmentStarted, topic="moving")
    assert lab.wait_for(ReassignmentEnded, topic="moving", since=started.seq).replicas == tuple(there)
    assert [record.value for record in lab.read("moving")] == [b"luggage"]


@pytest.mark.jvm
def test_a_move_that_does_not_end_is_called_off(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_lab.moves._MOVE_S", 2.0)
    lab.create_topic("staying", replication_factor=1)
    (here,) = lab.state.topics["staying"][0].replicas
    there = next(name for name in lab.brokers if name != here)
    lab.cut(there, here)
    with pytest.raises(WaitTimeoutError, match="reassignment"):
        lab.reassign("staying", 0, [there])
    lab.heal_all()
    assert lab.state.topics["staying"][0].replicas == (here,)


@pytest.mark.jvm
def test_a_topic_gets_more_partitions_and_never_fewer(lab: Lab, topic: str) -> None:
    lab.add_partitions(topic, 5)
    assert lab.wait_for(ReplicasAssigned, topic=topic, partition=4)
    assert len(lab.state.topics[topic]) == 5
    for total in (5, 4, "6"):
        with pytest.raises(ConfigurationError, match="more than the 5"):
            lab.add_partitions(topic, total)


@pytest.mark.jvm
def test_a_broker_comes_takes_over_and_goes() -> None:
    with Lab(brokers=2, links=True) as lab:
        lab.create_topic("chat", partitions=2, replication_factor=2)
        lab.producer().send("chat", b"hello", partition=0).get(30)
        assert lab.add_broker(4711) == "broker-4711"
        assert lab.brokers == ("broker-1", "broker-2", "broker-4711")
        pid = lab.state.nodes["broker-4711"].pid
        with pytest.raises(ConfigurationError, match="already"):
            lab.add_broker(4711)
        with lab.cut("broker-4711", "zookeeper-1"):
            pass
        lab.reassign("chat", 0, ["broker-4711", "broker-1"])
        folder = lab.data_folder("broker-4711")
        assert (folder / "chat-0").is_dir()

        with lab.pause("broker-4711"), pytest.raises(FaultError, match=r"resume\('broker-4711'\) first"):
            lab.remove_broker("broker-4711")
        lab.heal_all()
        lab.remove_broker("broker-4711")
        assert lab.wait_for(NodeRemoved).node == "broker-4711"
        assert lab.brokers == ("broker-1", "broker-2")
        assert set(lab.state.topics["chat"][0].replicas) == {"broker-1", "broker-2"}
        assert [record.value for record in lab.read("chat")] == [b"hello"]
        assert not psutil.pid_exists(pid)
        assert not folder.exists()
        assert "broker-4711" not in lab.state.nodes
        with pytest.raises(ConfigurationError, match="too few brokers"):
            lab.remove_broker("broker-1")
        assert lab.add_broker() == "broker-3"
        assert lab.bootstrap_servers[2:] == [f"127.0.0.1:{lab.state.nodes['broker-3'].port}"]


@pytest.mark.jvm
def test_a_broker_that_does_not_start_is_gone_again(lab: Lab) -> None:
    for broker_id in (-1, "4", 2**31):
        with pytest.raises(ConfigurationError, match="expected a number from 0 on"):
            lab.add_broker(broker_id)
    lab.kill("zookeeper-1")
    brokers = lab.brokers
    with pytest.raises(FaultError, match="needs ZooKeeper"):
        lab.add_broker()
    assert lab.brokers == brokers


@pytest.mark.jvm
def test_what_cannot_be_moved_says_why(lab: Lab, topic: str) -> None:
    with pytest.raises(ConfigurationError, match="no-such-topic"):
        lab.elect_preferred("no-such-topic")
    with pytest.raises(ConfigurationError, match="no partition of"):
        lab.elect_unclean(topic, 7)
    with pytest.raises(ConfigurationError, match="'broker-9'"):
        lab.reassign(topic, 0, ["broker-9"])
    for replicas in ([], ["broker-1", "broker-1"]):
        with pytest.raises(ConfigurationError, match="each once"):
            lab.reassign(topic, 0, replicas)
    with pytest.raises(ConfigurationError, match="'zookeeper-1'"):
        lab.remove_broker("zookeeper-1")
