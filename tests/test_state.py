from __future__ import annotations

from kafka_lab import events as ev
from kafka_lab.state import ClusterState, PartitionState

BROKERS = ("broker-1", "broker-2", "broker-10")


def story() -> list[ev.Event]:
    return [
        ev.NodeStarted("zookeeper-1", "zookeeper", 2181, 1),
        *(ev.NodeStarted(name, "broker", 9092, 2) for name in reversed(BROKERS)),
        *(ev.BrokerRegistered(name) for name in BROKERS),
        ev.ControllerElected("broker-2"),
        ev.TopicCreated("chat"),
        ev.ReplicasAssigned("chat", 0, BROKERS),
        ev.LeaderChanged("chat", 0, "broker-1", None, 0),
        ev.IsrExpanded("chat", 0, BROKERS, BROKERS, 0),
    ]


def test_a_running_cluster() -> None:
    state = ClusterState.after(story())
    assert state.brokers == BROKERS
    assert state.controller == "broker-2"
    assert state.topics == {"chat": {0: PartitionState(BROKERS, "broker-1", 0, BROKERS)}}
    assert all(node.running for node in state.nodes.values())


def test_a_killed_leader_stays_registered_until_its_session_ends() -> None:
    killed = [*story(), ev.NodeExited("broker-1", -9, expected=True)]
    state = ClusterState.after(killed)
    assert not state.nodes["broker-1"].running
    assert state.nodes["broker-1"].registered
    assert state.topics["chat"][0].leader == "broker-1"
    later = ClusterState.after(
        [
            ev.BrokerLost("broker-1"),
            ev.LeaderChanged("chat", 0, "broker-2", "broker-1", 1),
            ev.IsrShrunk("chat", 0, BROKERS[1:], BROKERS[:1], 1),
        ],
        state,
    )
    assert not later.nodes["broker-1"].registered
    assert later.topics["chat"][0] == PartitionState(BROKERS, "broker-2", 1, BROKERS[1:])


def test_a_deleted_topic_is_gone() -> None:
    assert ClusterState.after([*story(), ev.TopicDeleted("chat")]).topics == {}


def test_without_a_controller() -> None:
    assert ClusterState.after([*story(), ev.ControllerLost("broker-2")]).controller is None


def test_a_state_is_not_changed_by_what_follows() -> None:
    before = ClusterState.after(story())
    kept = before.topics["chat"][0]
    ClusterState.after([ev.LeaderLost("chat", 0, "broker-1", 1)], before)
    assert before.topics["chat"][0] is kept


def test_what_brokers_tell_stands_beside_what_zookeeper_says() -> None:
    state = ClusterState.after([
        ev.ReplicasAssigned("chat", 0, ("broker-1", "broker-2")),
        ev.LeaderChanged("chat", 0, "broker-2", "broker-1", 1),
        ev.MetadataChanged("chat", 0, "broker-1", "broker-1", 0, ("broker-1",)),
        ev.HighWatermarkMoved("chat", 0, 7),
        ev.ReplicaDistanceChanged("chat", 0, "broker-1", 512),
        ev.HighWatermarkMoved("gone", 0, 7),
    ])
    partition = state.topics["chat"][0]
    assert partition.leader == "broker-2"
    assert partition.told["broker-1"].leader == "broker-1"
    assert (partition.high_watermark, partition.behind_bytes) == (7, {"broker-1": 512})
    assert "gone" not in state.topics  # an answer that came after the topic was deleted


def test_a_group_has_members_assignments_and_committed_offsets() -> None:
    events: list[ev.Event] = [
        ev.GroupChanged("readers", "Stable", ("anna", "ben"), ("a-topic-0 anna", "a-topic-1 ben")),
        ev.OffsetCommitted("a-topic", 1, "readers", 4),
    ]
    group = ClusterState.after(events).groups["readers"]
    assert group.assignments == {("a-topic", 0): "anna", ("a-topic", 1): "ben"}
    assert group.committed == {("a-topic", 1): 4}
    assert not ClusterState.after([*events, ev.GroupDeleted("readers")]).groups


def test_a_removed_node_is_forgotten() -> None:
    events = [ev.NodeStarted("broker-4711", "broker", 1, 1), ev.NodeRemoved("broker-4711")]
    assert not ClusterState.after([*events, ev.BrokerLost("broker-4711")]).nodes
