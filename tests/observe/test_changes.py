from __future__ import annotations

from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    ControllerElected,
    ControllerLost,
    IsrShrunk,
    LeaderChanged,
    TopicCreated,
    TopicDeleted,
)
from kafka_lab.observe.changes import Look, changes
from kafka_lab.state import ClusterState, PartitionState

BOTH = ("broker-1", "broker-2")


def look(leader: str | None, epoch: int, isr: tuple[str, ...], controller: str | None = "broker-1") -> Look:
    topics = {"chat": {0: PartitionState(BOTH, leader, epoch, isr)}}
    return Look(frozenset(isr), controller, 5, topics)


def state_after(*looks: Look) -> ClusterState:
    state = ClusterState()
    for each in looks:
        state = ClusterState.after(changes(state, each), state)
    return state


def test_the_state_after_a_look_is_what_was_seen() -> None:
    state = state_after(look("broker-1", 0, BOTH))
    assert state.topics["chat"][0].leader == "broker-1"
    assert state.topics["chat"][0].isr == BOTH
    assert (state.controller, state.controller_epoch) == ("broker-1", 5)
    assert list(changes(state, look("broker-1", 0, BOTH))) == []


def test_a_dead_broker_a_new_leader_a_shorter_isr() -> None:
    seen = list(
        changes(state_after(look("broker-1", 0, BOTH)), look("broker-2", 1, ("broker-2",), "broker-2"))
    )
    assert [type(event) for event in seen] == [
        BrokerLost, ControllerLost, ControllerElected, LeaderChanged, IsrShrunk
    ]  # fmt: skip


def test_an_older_answer_changes_nothing() -> None:
    state = state_after(look("broker-2", 3, BOTH))
    assert not [e for e in changes(state, look("broker-1", 2, BOTH)) if isinstance(e, LeaderChanged)]


def test_a_quorum_without_leader_is_told_once() -> None:
    nobody = look("broker-1", 0, BOTH, None)
    state = state_after(look("broker-1", 0, BOTH), nobody)
    assert state.controller is None
    assert list(changes(state, nobody)) == []


def test_topics_come_and_go() -> None:
    empty = Look(frozenset(BOTH), "broker-1", 5)
    first = list(changes(ClusterState(), look("broker-1", 0, BOTH)))
    assert [type(event) for event in first][:4] == [
        BrokerRegistered, BrokerRegistered, ControllerElected, TopicCreated
    ]  # fmt: skip
    gone = list(changes(state_after(look("broker-1", 0, BOTH)), empty))
    assert gone == [TopicDeleted("chat")]
