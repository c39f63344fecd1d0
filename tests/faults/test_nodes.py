"""Each fault of a node and its healing, on a real cluster."""

from __future__ import annotations

import psutil
import pytest

from kafka_lab import BrokerLost, BrokerRegistered, IsrExpanded, IsrShrunk, Lab, LeaderChanged
from kafka_lab.cluster.sessions import session_password
from kafka_lab.errors import FaultError
from kafka_lab.events import ControllerElected, FaultEnded, FaultStarted, NodeExited
from kafka_lab.views.topology import topology_graph


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


def test_a_wait_that_is_over_is_not_skipped(lab: Lab) -> None:
    """Frozen for longer than its session, a broker has none that could be ended."""
    lab.pause("broker-2")
    lab.wait_for(BrokerLost, node="broker-2")
    with lab.kill("broker-2", skip_wait=True):
        assert not lab.state.nodes["broker-2"].running


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
