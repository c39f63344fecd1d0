"""What several experiments do with a lab."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka.errors import KafkaError, RetriableError
from kafka.record.util import encode_varint
from kazoo.exceptions import KazooException

from kafka_lab.errors import ConfigurationError, KafkaLabError, WaitTimeoutError
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.logfiles import PartitionLog, Record

__all__ = [
    "WAIT_MS",
    "follower_of",
    "make_topic",
    "refusal",
    "replica_logs",
    "send",
    "shown",
    "varint",
    "zookeeper_of",
]

_WAIT_S = 30.0
WAIT_MS = int(1000 * _WAIT_S)  # for a record that a consumer waits for


def make_topic(
    lab: Subject,
    stem: str,
    partitions: int = 1,
    replication_factor: int | None = None,
    config: Mapping[str, str] | None = None,
) -> str:
    """Create a topic of an experiment's own, and return its name."""
    topic = new_topic_name(lab, f"claim-{stem.lower()}")
    lab.create_topic(topic, partitions=partitions, replication_factor=replication_factor, config=config)
    return topic


def send(
    lab: Subject,
    topic: str,
    values: Iterable[bytes | str | None],
    *,
    key: Callable[[int], str] | None = None,
    partition: int | None = None,
    **settings: Any,  # noqa: ANN401 - kafka-python's
) -> list[Any]:
    """Send values and return where they are, once each was acknowledged."""
    producer = lab.producer(**settings)
    try:
        futures = [
            producer.send(
                topic,
                value.encode() if isinstance(value, str) else value,
                key=key(number).encode() if key else None,
                partition=partition,
            )
            for number, value in enumerate(values)
        ]
        return [future.get(_WAIT_S) for future in futures]
    finally:
        producer.close(timeout=2)


def refusal(call: Callable[[], object]) -> str:
    """Return the name of the error with which a call is refused and what it says; empty if it is done.

    No answer is no refusal.

    Raises
    ------
    RetriableError
        It may pass, such as an election.
    WaitTimeoutError
        It did not come.
    """
    try:
        call()
    except (RetriableError, WaitTimeoutError):
        raise
    except (KafkaError, KafkaLabError, KazooException) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return ""


def follower_of(lab: Subject, topic: str, partition: int = 0) -> str:
    """Return an in-sync follower of a partition; the controller only if there is no other."""
    leader = lab.leader_of(topic, partition)
    followers = [name for name in lab.isr_of(topic, partition) if name != leader]
    return min(followers, key=lambda name: name == lab.controller())


def replica_logs(lab: Subject, topic: str, partition: int = 0) -> dict[str, PartitionLog]:
    """Return the files of each replica, by broker."""
    replicas = lab.state.topics[topic][partition].replicas
    return {name: lab.log_files(topic, partition, name) for name in replicas}


def shown(record: Record) -> str:
    """Return a record's value as text."""
    return (record.value or b"").decode(errors="replace")


def varint(number: int) -> bytes:
    """Return a number as records have their lengths: zigzag, seven bits a byte."""
    encoded = bytearray()
    encode_varint(number, encoded.append)
    return bytes(encoded)


def zookeeper_of(lab: Subject) -> Any | None:  # noqa: ANN401 - kazoo has no types
    """Return a ZooKeeper client, or None where there is no ZooKeeper."""
    try:
        return lab.zookeeper()
    except ConfigurationError:
        return None
