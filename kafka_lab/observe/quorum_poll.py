"""A KRaft cluster by asking: there are no watches in it.

The quorum's leader says how far each broker has read the metadata log (DescribeQuorum, KIP-595); the one that
is farthest is asked what it says. So an event is stamped up to a look's interval after it happened.
"""

from __future__ import annotations

from typing import Any

from kafka_lab.history import History
from kafka_lab.observe.changes import Look, changes, topics_of
from kafka_lab.observe.direct import metadata_of, quorum_of
from kafka_lab.observe.pace import Steady
from kafka_lab.observe.poll import Poll
from kafka_lab.state import ClusterState, node_name
from kafka_lab.timeline import Timeline

__all__ = ["QuorumPoll"]

_EVERY_S = 0.1


class QuorumPoll(Poll):
    """Follows a KRaft cluster: registrations, the active controller, topics, leaders and in-sync replicas.

    Parameters
    ----------
    timeline : Timeline
        Gets the events.
    state : History
        The state of ``timeline``: which brokers there are, and on which ports.
    host : str
        Where they listen.
    """

    name = "quorum"

    def __init__(self, timeline: Timeline, state: History, host: str) -> None:
        super().__init__(timeline, state, Steady(_EVERY_S))
        self._host = host

    def look(self) -> bool:
        """Report what is new."""
        return self.report(changes(self._state.now(), self._now()))

    def _now(self) -> Look:
        before = self._state.now()
        brokers = {
            name: node.port for name, node in before.nodes.items() if node.role == "broker" and node.answers
        }
        for port in brokers.values():
            quorum = quorum_of(self._host, port)
            if quorum is not None:
                return self._seen(brokers, quorum)
        return Look(_registered(before), None, topics=before.topics)  # no leader: nobody knows better

    def _seen(self, brokers: dict[str, int], quorum: Any) -> Look:  # noqa: ANN401 - kafka-python has no types
        before = self._state.now()
        controller, epoch = node_name(quorum.leader_id), int(quorum.leader_epoch)
        read = {
            node_name(replica.replica_id): replica.log_end_offset
            for replica in (*quorum.observers, *quorum.current_voters)
        }
        newest = max(brokers, key=lambda name: read.get(name, -1))
        metadata = metadata_of(self._host, brokers[newest])
        if metadata is None:
            return Look(_registered(before), controller, epoch, before.topics)
        return Look(
            frozenset(node_name(broker.node_id) for broker in metadata.brokers),
            controller,
            epoch,
            topics_of(topic for topic in metadata.to_dict()["topics"] if not topic["error_code"]),
        )


def _registered(state: ClusterState) -> frozenset[str]:
    return frozenset(name for name, node in state.nodes.items() if node.registered)
