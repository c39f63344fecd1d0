"""Breaking the links of a real cluster, and what it does about it."""

from __future__ import annotations

import pytest

from kafka_lab import IsrExpanded, IsrShrunk, Lab, LeaderChanged
from kafka_lab.errors import ConfigurationError, FaultError
from kafka_lab.events import BrokerLost, BrokerRegistered, FaultEnded, FaultStarted, RecordAcknowledged

pytestmark = pytest.mark.jvm


def roles(lab: Lab, topic: str) -> tuple[int, str, str]:
    """Return a partition, its leader and a follower, neither of them the controller."""
    partitions, controller = lab.state.topics[topic], lab.controller()
    partition = next(number for number, p in partitions.items() if p.leader != controller)
    leader = partitions[partition].leader
    assert leader
    follower = next(name for name in lab.brokers if name not in {leader, controller})
    return partition, leader, follower


@pytest.mark.parametrize("how", ["cut", "reset", "drop_responses", "one way"])
def test_a_follower_cut_from_its_leader_leaves_the_isr(lab: Lab, topic: str, how: str) -> None:
    partition, leader, follower = roles(lab, topic)
    producer = lab.producer()
    producer.send(topic, b"before", partition=partition).get(30)
    if how == "one way":
        lab.cut(follower, leader, one_way=True)
    else:
        getattr(lab, how)(follower, leader)
    sent = producer.send(topic, b"during", partition=partition)
    assert lab.wait_for(IsrShrunk, topic=topic, partition=partition).left == (follower,)
    sent.get(30)  # acknowledged once the follower is out
    assert lab.leader_of(topic, partition) == leader
    lab.heal(leader, follower)  # the ends in any order
    assert lab.wait_for(IsrExpanded, topic=topic, partition=partition).joined == (follower,)


def test_an_idle_partition_does_not_notice(lab: Lab, topic: str) -> None:
    """A follower at the end of the log counts as caught up, cut or not: the other topic's does not."""
    partition, leader, follower = roles(lab, topic)
    lab.producer().send(topic, b"the only one", partition=partition).get(30)
    busy = f"{topic}-busy"
    lab.create_topic(busy, partitions=3)
    of_leader = next(number for number, p in lab.state.topics[busy].items() if p.leader == leader)
    lab.cut(leader, follower)
    begin = len(lab.timeline)
    lab.producer().send(busy, b"busy", partition=of_leader)
    assert lab.wait_for(IsrShrunk, topic=busy, partition=of_leader).left == (follower,)
    assert lab.timeline.find(IsrShrunk, since=begin, topic=topic, partition=partition) is None


def test_a_leader_cut_from_zookeeper_is_replaced(lab: Lab, topic: str) -> None:
    partition, leader, _ = roles(lab, topic)
    with lab.cut(leader, "zookeeper-1"):
        lab.wait_for(BrokerLost, node=leader)
        assert lab.wait_for(LeaderChanged, topic=topic, partition=partition).previous == leader
        assert lab.state.links == {(leader, "zookeeper-1"): "cut"}
        assert lab.state.nodes[leader].running
    lab.wait_for(BrokerRegistered, node=leader)
    assert lab.state.links == {}


def test_a_client_is_cut_by_its_client_id(lab: Lab, topic: str) -> None:
    anna, ben = lab.producer(client_id="anna"), lab.producer(client_id="ben")
    for producer in (anna, ben):
        producer.send(topic, b"hello", partition=0).get(30)
    leader = lab.leader_of(topic, 0)
    assert leader
    with lab.cut("anna", leader):
        late = anna.send(topic, b"held", partition=0)
        ben.send(topic, b"through", partition=0).get(30)
        assert not late.is_done
    late.get(30)
    begun = lab.timeline.find(FaultStarted, node="client anna")
    assert begun
    assert lab.timeline.find(FaultEnded, node="client anna", peer=leader, since=begun.seq)
    assert [record.value for record in lab.read(topic)] == [b"hello", b"hello", b"through", b"held"]


def test_latency_between_brokers_is_latency_of_acks_all(lab: Lab, topic: str) -> None:
    producer = lab.producer()
    producer.send(topic, b"before", partition=0).get(30)
    leader = lab.leader_of(topic, 0)
    assert leader
    for follower in lab.brokers:
        if follower != leader:
            lab.slow(leader, follower, latency_ms=200, jitter_ms=10)
    begin_s = lab.timeline.now_s()
    producer.send(topic, b"slow", partition=0).get(30)
    acknowledged = lab.wait_for(RecordAcknowledged, topic=topic, partition=0, text="slow")
    assert acknowledged.at_s - begin_s > 0.35  # at least once there and back


def test_what_cannot_be_broken_says_why(lab: Lab) -> None:
    with pytest.raises(ConfigurationError, match="choose one of: zookeeper-1, broker-1"):
        lab.cut("broker-1", "broker-9")
    with pytest.raises(ConfigurationError, match="no link between"):
        lab.cut("broker-1", "broker-1")
    for asking, answering in (("zookeeper-1", "broker-1"), ("broker-1", "lab-poll")):
        with pytest.raises(ConfigurationError, match="who asks, who answers"):
            lab.drop_responses(asking, answering)
    with pytest.raises(ConfigurationError, match="no node's name"):
        lab.producer(client_id="broker-1")
    with pytest.raises(ConfigurationError, match="expected milliseconds"):
        lab.slow("broker-1", "broker-2", latency_ms=-1)
    with pytest.raises(FaultError, match="nothing to heal"):
        lab.heal("broker-1", "broker-2")
    lab.cut("broker-1", "broker-2")
    with pytest.raises(FaultError, match=r"broken already \(cut\)"):
        lab.reset("broker-2", "broker-1")
    lab.cut("broker-1", "zookeeper-1")
    lab.kill("broker-1")
    with pytest.raises(FaultError, match="needs its link to ZooKeeper"):
        lab.restart("broker-1")


def test_a_lab_without_links_says_how_to_get_them() -> None:
    with Lab(brokers=1) as lab, pytest.raises(FaultError, match=r"Lab\(links=True\)"):
        lab.cut("broker-1", "zookeeper-1")
