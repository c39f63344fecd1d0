"""What each broker tells its clients: the metadata it answers, apart from what ZooKeeper says.

A broker learns who leads from the controller's UpdateMetadata requests. One that is cut off goes on telling
what it heard last, itself as a leader perhaps.
"""

from __future__ import annotations

import socket
import struct

from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from kafka_lab.events import MetadataChanged
from kafka_lab.observe.poll import Poll
from kafka_lab.state import LiveState, broker_name
from kafka_lab.timeline import Timeline

__all__ = ["MetadataPoll"]

_VERSION = 7  # has leader epochs (KIP-320); every Kafka since 2.1 speaks it
_TIMEOUT_S = 0.5
_CLIENT_ID = "lab-metadata"
_MOST_BYTES = 16 * 2**20


class MetadataPoll(Poll):
    """Asks every broker for its metadata now and then.

    Parameters
    ----------
    timeline : Timeline
        Gets MetadataChanged.
    state : LiveState
        The state of ``timeline``: which brokers there are, and on which ports.
    host : str
        Where they listen.
    """

    name = "metadata"

    def __init__(self, timeline: Timeline, state: LiveState, host: str) -> None:
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
    request = MetadataRequest[_VERSION](topics=None, allow_auto_topic_creation=False)
    request.with_header(correlation_id=1, client_id=_CLIENT_ID)
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as link:
            link.sendall(request.encode(header=True, framed=True))
            with link.makefile("rb") as answer:
                size = answer.read(4)
                expected = struct.unpack(">i", size)[0] if len(size) == 4 else 0
                body = answer.read(min(_MOST_BYTES, expected))
                if not expected or len(body) < expected:
                    return []  # it ended while it answered
    except OSError:
        return []
    response = MetadataResponse.decode(body, version=_VERSION, header=True)
    return [
        MetadataChanged(
            broker=broker,
            topic=topic.name,
            partition=partition.partition_index,
            leader=None if partition.leader_id < 0 else broker_name(partition.leader_id),
            leader_epoch=partition.leader_epoch,
            isr=tuple(map(broker_name, partition.isr_nodes)),
        )
        for topic in response.topics
        if not topic.is_internal
        for partition in sorted(topic.partitions, key=lambda partition: int(partition.partition_index))
    ]
