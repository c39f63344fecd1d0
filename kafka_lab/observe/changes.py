"""What happened between two looks at a cluster, as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    ControllerElected,
    ControllerLost,
    Event,
    IsrExpanded,
    IsrShrunk,
    LeaderChanged,
    LeaderLost,
    ReplicasAssigned,
    TopicCreated,
    TopicDeleted,
)
from kafka_lab.observe.direct import name_of
from kafka_lab.state import ClusterState, PartitionState, node_name

__all__ = ["Look", "changes", "partition_changes", "topics_of"]


@dataclass(frozen=True)
class Look:
    """What one look at a cluster showed.

    Attributes
    ----------
    brokers : frozenset of str
        Those that are registered and not fenced.
    controller : str or None
        The active controller.
    controller_epoch : int
        The quorum's epoch; -1 if it is not known.
    topics : dict
        Partitions by topic and number.
    """

    brokers: frozenset[str]
    controller: str | None
    controller_epoch: int = -1
    topics: dict[str, dict[int, PartitionState]] = field(default_factory=dict)


def topics_of(topics: Iterable[dict[str, Any]]) -> dict[str, dict[int, PartitionState]]:
    """Return the topics of a metadata answer, as kafka-python's plain data."""
    return {
        topic["name"]: {
            partition["partition_index"]: PartitionState(
                replicas=tuple(map(node_name, partition["replica_nodes"])),
                leader=name_of(partition["leader_id"]),
                leader_epoch=partition["leader_epoch"],
                isr=tuple(map(node_name, partition["isr_nodes"])),
            )
            for partition in topic["partitions"]
        }
        for topic in topics
    }


def changes(before: ClusterState, now: Look) -> Iterator[Event]:
    """Return what must have happened since ``before``; two quick changes of one thing are seen as one."""
    registered = {name for name, node in before.nodes.items() if node.registered}
    yield from map(BrokerLost, sorted(registered - now.brokers))
    yield from map(BrokerRegistered, sorted(now.brokers - registered))
    if (now.controller, now.controller_epoch) != (before.controller, before.controller_epoch):
        if before.controller not in {None, now.controller}:
            yield ControllerLost(str(before.controller))
        if now.controller is not None:
            yield ControllerElected(now.controller, now.controller_epoch)
    yield from map(TopicDeleted, sorted(set(before.topics) - set(now.topics)))
    for topic, partitions in sorted(now.topics.items()):
        known = before.topics.get(topic)
        if known is None:
            yield TopicCreated(topic)
        for number, partition in sorted(partitions.items()):
            earlier = (known or {}).get(number, PartitionState())
            if partition.leader_epoch < earlier.leader_epoch:
                continue  # an answer that is older than what is known
            if partition.replicas != earlier.replicas:
                yield ReplicasAssigned(topic, number, partition.replicas)
            yield from partition_changes(topic, number, earlier, partition)


def partition_changes(
    topic: str, number: int, before: PartitionState, now: PartitionState, previous: str | None = None
) -> Iterator[Event]:
    """Return what happened to one partition's leader and in-sync replicas.

    ``previous`` is who led before there was no leader, if that is known.
    """
    left = tuple(name for name in before.isr if name not in now.isr)
    joined = tuple(name for name in now.isr if name not in before.isr)
    elected_again = now.leader_epoch > before.leader_epoch and not (left or joined)
    previous = before.leader or previous
    if now.leader is None and before.leader is not None:
        yield LeaderLost(topic, number, previous, now.leader_epoch)
    elif now.leader is not None and (now.leader != before.leader or elected_again):
        yield LeaderChanged(topic, number, now.leader, previous, now.leader_epoch)
    if left:
        yield IsrShrunk(topic, number, now.isr, left, now.leader_epoch)
    if joined:
        yield IsrExpanded(topic, number, now.isr, joined, now.leader_epoch)
