"""Labs over another lab's cluster: joined with its owner, and attached as to a stranger's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.errors import ClosedError, ConfigurationError, FaultError
from kafka_lab.events import BrokerLost, IsrExpanded

pytestmark = pytest.mark.jvm


@pytest.fixture
def joined(lab: Lab) -> Iterator[Lab]:
    other = Lab.join(lab.data_folder("broker-1").parent.name)
    yield other
    other.close()


@pytest.fixture(params=["brokers", "brokers and ZooKeeper"])
def attached(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    zookeeper = lab.zookeeper_connect if request.param != "brokers" else None
    other = Lab.attach(lab.bootstrap_servers[0], zookeeper_connect=zookeeper)
    yield other
    other.close()


def test_a_joined_lab_sees_the_same_and_breaks_the_same(lab: Lab, joined: Lab, topic: str) -> None:
    assert joined.brokers == lab.brokers
    assert [event.at_s for event in joined.timeline] == [event.at_s for event in lab.timeline][
        : len(joined.timeline)
    ]
    assert joined.timeline.now_s() == pytest.approx(lab.timeline.now_s(), abs=0.5)
    assert joined.controller() == lab.controller()
    leader = joined.leader_of(topic, 0)
    assert leader
    with joined.kill(leader) as fault:
        assert repr(fault) == f"<kill of {leader}; restart({leader!r}) heals it>"
        assert not lab.state.nodes[leader].running
        assert joined.wait_for(LeaderChanged, topic=topic, partition=0).leader != leader
    joined.wait_for(IsrExpanded, topic=topic, partition=0)


def test_each_fault_of_a_joined_lab_heals(lab: Lab, joined: Lab) -> None:
    one, two = [name for name in lab.brokers if name != lab.controller()]
    for break_it in (
        lambda: joined.pause(one),
        lambda: joined.stop(two),
        lambda: joined.cut(one, two, one_way=True),
        lambda: joined.slow(one, two, latency_ms=5),
        lambda: joined.drop_responses(one, two),
        lambda: joined.reset(one, two),
    ):
        with break_it() as fault:
            if fault.peer is not None:
                assert lab.state.links == joined.state.links != {}
    joined.expire_session(one)
    joined.wait_for(BrokerLost, node=one)
    joined.heal_all()
    assert not joined.state.links


def test_a_joined_lab_is_refused_as_its_owner_is(joined: Lab) -> None:
    with pytest.raises(ConfigurationError, match="no node 'broker-7'"):
        joined.kill("broker-7")
    with pytest.raises(FaultError, match="broker-1 is not paused"):
        joined.resume("broker-1")


def test_a_joined_lab_uses_the_cluster(joined: Lab, topic: str) -> None:
    with joined.producer() as producer:
        producer.send(topic, b"from afar").get(30)
    assert [record.value for record in joined.read(topic)] == [b"from afar"]
    assert topic in joined.tool("topics", "--list").split()
    assert (
        "started (kafka.server.KafkaServer)" in joined.data_folder("broker-1").with_suffix(".log").read_text()
    )
    assert joined.log("broker-1")


def test_a_joined_lab_ends_with_its_owner() -> None:
    with Lab(brokers=1, profile="fast") as owner:
        other = Lab.join(owner.data_folder("broker-1").parent.name)
    assert other.timeline.wait_until(lambda: other.timeline.ended or None, timeout_s=10, expected="the end")
    with pytest.raises(ClosedError, match="its owner has ended"):
        other.kill("broker-1")
    other.close()


def test_an_attached_lab_sees_what_happens(lab: Lab, attached: Lab, topic: str) -> None:
    attached.timeline.wait_until(
        lambda: topic in attached.state.topics or None, timeout_s=10, expected="the topic"
    )
    assert set(attached.brokers) == set(lab.brokers)
    begin = len(attached.timeline)
    leader = lab.leader_of(topic, 0)
    assert leader
    lab.kill(leader)
    attached.wait_for(BrokerLost, node=leader, since=begin)
    changed = attached.timeline.wait_until(
        lambda: None if attached.leader_of(topic, 0) in {leader, None} else attached.leader_of(topic, 0),
        timeout_s=10,
        expected="another leader",
    )
    assert changed != leader
    assert not attached.state.nodes[leader].running


def test_an_attached_lab_uses_brokers_and_breaks_none(lab: Lab, attached: Lab, topic: str) -> None:
    attached.create_topic(f"{topic}-2", partitions=1)
    with attached.producer() as producer:
        producer.send(f"{topic}-2", b"hello").get(30)
    assert len(attached.read(f"{topic}-2")) == 1
    with pytest.raises(FaultError, match="these processes are somebody else's"):
        attached.kill("broker-1")
    with pytest.raises(FaultError, match="these processes are somebody else's"):
        attached.add_broker()
    with pytest.raises(ConfigurationError, match="its files are not within reach"):
        attached.log("broker-1")
    assert all(node.running for node in lab.state.nodes.values())


def test_one_dead_broker_of_three_does_not_matter(lab: Lab) -> None:
    with lab.kill("broker-1"):
        other = Lab.attach(lab.bootstrap_servers)
        other.close()


def test_attaching_to_nothing_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"no broker at 127.0.0.1:1 answers.*\n.*TLS or a password"):
        Lab.attach("127.0.0.1:1")


def test_a_reset_lab_is_as_new(lab: Lab, topic: str) -> None:
    with lab.producer() as producer:
        producer.send(topic, b"hello").get(30)
    consumer = lab.consumer(topic, group_id="readers")
    consumer.poll(timeout_ms=5000)
    consumer.commit()
    lab.pause("broker-2")
    lab.reset()
    assert [name for name in lab.state.topics if not name.startswith("__")] == []
    assert not lab.state.groups
    assert lab.tool("consumer-groups", "--list").strip() == ""
    assert not lab.state.nodes["broker-2"].paused
    lab.create_topic(topic, partitions=3)  # of the same name
    assert lab.read(topic) == []
    with pytest.raises(ConfigurationError, match="names one end; expected two, or none"):
        lab.reset("broker-1")  # type: ignore[call-overload]
