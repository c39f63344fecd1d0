"""Each fault and its healing, on a real cluster."""

from __future__ import annotations

import random
import threading

import psutil
import pytest
from kafka.errors import KafkaError

from kafka_lab import BrokerLost, BrokerRegistered, IsrExpanded, IsrShrunk, Lab, LeaderChanged, faults
from kafka_lab.cluster.sessions import session_password
from kafka_lab.errors import FaultError
from kafka_lab.events import ControllerElected, FaultEnded, FaultStarted, NodeExited
from kafka_lab.views.topology import topology_graph

SEED = 20261124


def test_the_password_of_a_session_is_what_java_makes() -> None:
    """Of new java.util.Random(0x100000000000001L ^ 0xB3415C00L).nextBytes(16)."""
    assert session_password(0x100000000000001).hex() == "054cc74a37327db215e702e20c73f005"


pytestmark = pytest.mark.jvm


def leader(lab: Lab, topic: str, partition: int = 0) -> str:
    found = lab.leader_of(topic, partition)
    assert found is not None
    return found


def test_a_stopped_broker_hands_its_leaders_over_before_it_ends(lab: Lab, topic: str) -> None:
    begin = len(lab.timeline)
    victim = leader(lab, topic)
    lab.stop(victim)
    changed = lab.wait_for(LeaderChanged, topic=topic, partition=0)
    exited = lab.timeline.find(NodeExited, since=begin, node=victim)
    assert exited
    assert changed.seq < exited.seq
    assert exited.exit_code == 143  # 128 + SIGTERM
    assert changed.leader
    lab.restart(victim)
    assert lab.wait_for(FaultEnded, node=victim).fault == "stop"


def test_a_paused_follower_leaves_the_isr_and_returns(lab: Lab, topic: str) -> None:
    follower = next(name for name in lab.isr_of(topic, 0) if name != leader(lab, topic))
    producer = lab.producer()
    producer.send(topic, b"all are", partition=0).get(30)
    with lab.pause(follower):
        assert lab.state.nodes[follower].paused
        assert psutil.Process(lab.state.nodes[follower].pid).status() == psutil.STATUS_STOPPED
        assert topology_graph(lab.state).nodes[f"{topic}-0@{follower}"]["role"] == "offline"
        producer.send(topic, b"who is in sync?", partition=0)
        assert follower in lab.wait_for(IsrShrunk, topic=topic, partition=0).left
        begin = len(lab.timeline)
    assert not lab.state.nodes[follower].paused
    lab.heal_all()
    assert follower in lab.wait_for(IsrExpanded, topic=topic, partition=0, since=begin).joined


def test_a_frozen_leader_is_replaced_and_comes_back_as_a_follower(lab: Lab, topic: str) -> None:
    victim = leader(lab, topic)
    lab.pause(victim)
    assert lab.wait_for(LeaderChanged, topic=topic, partition=0).leader != victim
    lab.resume(victim)
    lab.wait_for(BrokerRegistered, node=victim)
    lab.heal_all()
    assert victim in lab.isr_of(topic, 0)
    assert leader(lab, topic) != victim


def test_skipping_the_wait_is_fast_and_says_so(lab: Lab, topic: str) -> None:
    victim = leader(lab, topic)
    lab.kill(victim, skip_wait=True)
    killed = lab.wait_for(FaultStarted, node=victim, fault="kill")
    lost = lab.wait_for(BrokerLost, node=victim)
    assert lab.wait_for(FaultStarted, node=victim, fault="expire_session").seq < lost.seq
    assert lab.wait_for(LeaderChanged, topic=topic, partition=0).previous == victim
    assert lost.at_s - killed.at_s < 1.0  # the session lasts two seconds


def test_a_living_broker_whose_session_ends_registers_again(lab: Lab) -> None:
    pid = lab.state.nodes["broker-2"].pid
    lab.expire_session("broker-2")
    lost = lab.wait_for(BrokerLost, node="broker-2")
    assert lab.wait_for(BrokerRegistered, node="broker-2").seq > lost.seq
    assert lab.state.nodes["broker-2"].pid == pid


def test_the_controller_can_be_broken_by_its_role(lab: Lab) -> None:
    controller = lab.controller()
    assert controller
    with lab.kill(controller):
        assert lab.wait_for(ControllerElected).node != controller


def test_the_coordinator_is_who_kafka_says(lab: Lab, topic: str) -> None:
    for group in ("readers", "мышь", "🐭"):
        consumer = lab.consumer(topic, group_id=group)
        while not consumer.assignment():
            consumer.poll(timeout_ms=100)
        told = lab.tool("consumer-groups", "--describe", "--group", group, "--state")
        assert f"({(lab.coordinator(group) or '').removeprefix('broker-')})" in told
        consumer.close()


def test_a_fault_is_healed_once(lab: Lab) -> None:
    fault = lab.kill("broker-1")
    assert "restart('broker-1')" in repr(fault)
    fault.heal()
    pid = lab.state.nodes["broker-1"].pid
    fault.heal()
    assert lab.state.nodes["broker-1"].pid == pid


def test_what_makes_no_sense_says_what_would(lab: Lab) -> None:
    with pytest.raises(FaultError, match="not paused"):
        lab.resume("broker-1")
    with pytest.raises(FaultError, match="no broker"):
        lab.expire_session("zookeeper-1")
    with pytest.raises(FaultError, match="no session"):
        lab.kill("zookeeper-1", skip_wait=True)
    lab.pause("broker-1")
    with pytest.raises(FaultError, match=r"resume\('broker-1'\)"):
        lab.pause("broker-1")
    with pytest.raises(FaultError, match=r"resume\('broker-1'\)"):
        lab.restart("broker-1")
    lab.kill("broker-1")
    for act in (lab.kill, lab.stop, lab.pause):
        with pytest.raises(FaultError, match=r"restart\('broker-1'\)"):
            act("broker-1")
    lab.kill("zookeeper-1")
    with pytest.raises(FaultError, match=r"restart\('zookeeper-1'\) first"):
        lab.restart("broker-1")
    with pytest.raises(FaultError, match=r"restart\('zookeeper-1'\) first"):
        lab.expire_session("broker-2")


@pytest.mark.parametrize(
    "broken",
    [
        ["kill broker-1", "kill broker-2", "kill broker-3"],
        ["kill zookeeper-1", "kill broker-1", "pause broker-2"],
        ["pause zookeeper-1", "kill broker-3"],
        ["pause broker-1", "pause broker-2", "pause broker-3"],
        ["kill broker-1", "stop broker-2", "kill broker-3", "stop zookeeper-1"],
    ],
    ids=", ".join,
)
def test_whatever_was_broken_all_is_healed(lab: Lab, topic: str, broken: list[str]) -> None:
    lab.producer().send(topic, b"before", partition=0).get(30)
    for act, node in map(str.split, broken):
        getattr(lab, act)(node)
    lab.heal_all()
    assert all(node.running and not node.paused for node in lab.state.nodes.values())
    lab.producer().send(topic, b"after", partition=0).get(30)
    assert [record.value for record in lab.read(topic)] == [b"before", b"after"]


def test_a_random_walk_of_faults_loses_nothing_that_was_acknowledged(lab: Lab, topic: str) -> None:
    """Replayed by its seed; one node broken at a time, under a steady stream."""
    chance = random.Random(SEED)
    stop, acknowledged = threading.Event(), []

    def send() -> None:
        producer, number = lab.producer(), 0
        while not stop.is_set():
            try:
                producer.send(topic, str(number).encode(), partition=number % 3).get(30)
                acknowledged.append(number)
            except KafkaError:
                pass  # not acknowledged: it may be there or not
            number += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(6):
            node = chance.choice(lab.brokers)
            act = chance.choice([lab.kill, lab.stop, lab.pause])
            with act(node):
                lab.timeline.wait_until(
                    lambda node=node: node not in lab.isr_of(topic, 0) or None,
                    timeout_s=30,
                    expected=f"{node} out of the ISR",
                )
            lab.heal_all()
    finally:
        stop.set()
        sender.join()
    there = [int(record.value) for record in lab.read(topic)]
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(there)
    assert len(there) == len(set(there))


def test_a_paused_cluster_can_be_closed() -> None:
    lab = Lab(brokers=1).start()
    pids = [node.pid for node in lab.state.nodes.values()]
    lab.pause("broker-1")
    lab.pause("zookeeper-1")
    lab.close()
    assert not any(map(psutil.pid_exists, pids))


def test_a_leader_that_takes_nobody_back_is_restarted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What heals it is tried on a cluster that only needs a moment: the moment is not granted."""
    monkeypatch.setattr(faults, "_STUCK_S", 0.0)
    begin = len(lab.timeline)
    lab.kill("broker-2", skip_wait=True)
    lab.heal_all()
    restarted = lab.timeline.find(FaultStarted, since=begin, fault="stop")
    assert restarted is not None
    assert lab.timeline.find(FaultEnded, since=begin, node=restarted.node, fault="stop") is not None
