"""What each broker tells its clients: the metadata it answers, apart from what ZooKeeper says.

A broker learns who leads from the controller's UpdateMetadata requests. One that is cut off goes on telling
what it heard last, itself as a leader perhaps.
"""

from __future__ import annotations

from kafka_lab.events import MetadataChanged
from kafka_lab.history import History
from kafka_lab.observe.direct import metadata_of, name_of
from kafka_lab.observe.poll import Poll
from kafka_lab.state import node_name
from kafka_lab.timeline import Timeline

__all__ = ["MetadataPoll"]


class MetadataPoll(Poll):
    """Asks every broker for its metadata now and then.

    Parameters
    ----------
    timeline : Timeline
        Gets MetadataChanged.
    state : History
        The state of ``timeline``: which brokers there are, and on which ports.
    host : str
        Where they listen.
    """

    name = "metadata"

    def __init__(self, timeline: Timeline, state: History, host: str) -> None:
        super().__init__(timeline, state)
        self._host = host

    def look(self) -> bool:
        """Report what brokers tell now and did not before."""
        answering = [
            (name, node.port)
            for name, node in self._state.now().nodes.items()
            if node.role == "broker" and node.answers
        ]
        return self.report(event for name, port in answering for event in _metadata(name, self._host, port))


def _metadata(broker: str, host: str, port: int) -> list[MetadataChanged]:
    """Return what a broker tells of each partition now; nothing if it does not answer."""
    response = metadata_of(host, port)
    if response is None:
        return []
    return [
        MetadataChanged(
            broker=broker,
            topic=topic.name,
            partition=partition.partition_index,
            leader=name_of(partition.leader_id),
            leader_epoch=partition.leader_epoch,
            isr=tuple(map(node_name, partition.isr_nodes)),
        )
        for topic in response.topics
        if not topic.is_internal
        for partition in sorted(topic.partitions, key=lambda partition: int(partition.partition_index))
    ]
