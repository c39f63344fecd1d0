"""Asking one certain broker, on a connection of its own: kafka-python's clients choose whom they ask."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from kafka.protocol.admin import DescribeQuorumRequest, DescribeQuorumResponse
from kafka.protocol.consumer import FetchRequest, FetchResponse
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record.default_records import DefaultRecordBatchBuilder

from kafka_lab.state import node_name

__all__ = ["fetch_from", "metadata_of", "name_of", "produce_to", "quorum_of"]

_METADATA = 7  # has leader epochs (KIP-320); every Kafka since 2.1 speaks it
_QUORUM = 0  # KIP-595
_PRODUCE = 8
_TIMEOUT_S = 0.5
_ANSWER_S = 5.0  # for what a broker may take its time for
_CLIENT_ID = "lab-metadata"
_MOST_BYTES = 16 * 2**20


def metadata_of(host: str, port: int) -> Any:  # noqa: ANN401 - kafka-python has no types
    """Return a broker's MetadataResponse about all topics; None if it does not answer."""
    request = MetadataRequest[_METADATA](topics=None, allow_auto_topic_creation=False)
    return _ask(host, port, request, MetadataResponse, _METADATA)


def quorum_of(host: str, port: int) -> Any:  # noqa: ANN401 - as above
    """Return what the leader of the KRaft quorum says of it, through a broker; None without an answer."""
    topic = DescribeQuorumRequest.TopicData
    request = DescribeQuorumRequest[_QUORUM](
        topics=[topic(topic_name="__cluster_metadata", partitions=[topic.PartitionData(partition_index=0)])]
    )
    response = _ask(host, port, request, DescribeQuorumResponse, _QUORUM)
    if response is None or response.error_code or not response.topics:
        return None
    partition = response.topics[0].partitions[0]
    return None if partition.error_code or partition.leader_id < 0 else partition


def produce_to(host: str, port: int, topic: str, partition: int, value: bytes) -> int | None:
    """Ask a broker to append a record, whether it leads or not; return Kafka's error code, 0 if it did."""
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, len(value) + 200)
    batch.append(0, timestamp=int(time.time() * 1000), key=None, value=value, headers=[])
    data = ProduceRequest.TopicProduceData
    part = data.PartitionProduceData(index=partition, records=bytes(batch.build()))
    request = ProduceRequest[_PRODUCE](
        acks=1, timeout_ms=1000, topic_data=[data(name=topic, partition_data=[part])]
    )
    response = _ask(host, port, request, ProduceResponse, _PRODUCE, _ANSWER_S)
    return None if response is None else int(response.responses[0].partition_responses[0].error_code)


def fetch_from(
    host: str, port: int, topic: str, partition: int, offset: int, *, version: int, max_wait_ms: int = 100
) -> tuple[int, int] | None:
    """Ask a broker for records from an offset on, as a consumer would, whether it leads or not.

    Parameters
    ----------
    host, port
        Whom.
    topic, partition, offset
        For what.
    version : int
        Of the request, 4 to 12: since 11 a consumer may ask a follower (KIP-392).
    max_wait_ms : int, default 100
        How long the broker waits for the first byte.

    Returns
    -------
    tuple of int, or None
        Kafka's error code, and how many bytes of records came; None without an answer.
    """
    part = FetchRequest.FetchTopic.FetchPartition(
        partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20
    )
    request = FetchRequest[version](
        max_wait_ms=max_wait_ms,
        min_bytes=1,
        max_bytes=1 << 20,
        topics=[FetchRequest.FetchTopic(topic=topic, partitions=[part])],
    )
    response = _ask(host, port, request, FetchResponse, version, _ANSWER_S)
    if response is None:
        return None
    if response.error_code:
        return int(response.error_code), 0
    found = response.responses[0].partitions[0]
    return int(found.error_code), len(found.records or b"")


def name_of(broker_id: int) -> str | None:
    """Return a node's name by its id; Kafka's -1 is nobody."""
    return None if broker_id < 0 else node_name(broker_id)


def _ask(
    host: str,
    port: int,
    request: Any,  # noqa: ANN401 - as above
    response: Any,  # noqa: ANN401
    version: int,
    timeout_s: float = _TIMEOUT_S,
) -> Any:  # noqa: ANN401
    request.with_header(correlation_id=1, client_id=_CLIENT_ID)
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.sendall(request.encode(header=True, framed=True))
            with link.makefile("rb") as answer:
                size = answer.read(4)
                expected = struct.unpack(">i", size)[0] if len(size) == 4 else 0
                body = answer.read(min(_MOST_BYTES, expected))
    except OSError:
        return None
    if not expected or len(body) < expected:
        return None  # it ended while it answered
    return response.decode(body, version=version, header=True)
