"""The Kafka clients of the pipeline: what gateway and workers need of a library, and kafka-python's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kafka_lab.openim.partitioner import SaramaHashPartitioner

__all__ = ["CLIENTS", "PARTITIONERS", "Consumer", "KafkaPython", "Library", "Producer"]

#: Which library carries gateway and workers: the one that the lab teaches with, or librdkafka's.
CLIENTS = ("kafka-python", "confluent-kafka")
#: How producers pick a partition: as sarama does (OpenIM), or as Java's client and kafka-python do.
PARTITIONERS = ("sarama", "murmur2")
_LINGER_MS = 5
_BLOCK_MS = 2000  # while a topic is not known: the gateway answers nobody meanwhile
_WAIT_MS = 500  # of a fetch while there is nothing: Kafka's own default; shorter ones keep everybody busy
_MOST_RECORDS = 2000  # of a batch


class Producer(Protocol):
    """A producer with acks=all and the pipeline's partitioner."""

    def send(
        self, topic: str, *, value: bytes, key: bytes, headers: list[tuple[str, bytes]] | None = None
    ) -> Any:  # noqa: ANN401 - kafka-python has no types
        """Hand a record over; return a future with kafka-python's methods, results and errors."""

    def send_all(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> Sequence[Any]:
        """Hand over records, given by key and value; return a future for each.

        What cannot be handed over raises, or its future has failed.
        """

    def close(self, timeout: float) -> None:
        """Deliver what was handed over, in so many seconds at most."""


class Consumer(Protocol):
    """A member of a group; its errors are kafka-python's."""

    def poll(self, timeout_ms: int) -> Mapping[Any, Sequence[Any]]:
        """Return records by partition, waiting for the first."""

    def commit(self, timeout_ms: int) -> None:
        """Commit the offsets after what was polled, trying for so long."""

    def close(self) -> None:
        """Leave the group."""

    def crash(self) -> None:
        """End as a killed process does: nobody tells the group, which finds out by the session."""


class Library(Protocol):
    """Makes the pipeline's clients."""

    def producer(self, client_id: str, *, one_by_one: bool) -> Producer:
        """Return a producer that goes on after an outage.

        Records that come ``one_by_one`` wait for others a little; those of :meth:`Producer.send_all` are
        many already.
        """

    def consumer(self, topic: str, group_id: str, client_id: str) -> Consumer:
        """Return a member of a group that commits only when told to."""


class KafkaPython:
    """The pipeline's clients by kafka-python.

    Parameters
    ----------
    producer, consumer : callable
        Make them; they take kafka-python's settings.
    partitioner : str
        One of :data:`PARTITIONERS`.
    """

    def __init__(
        self, producer: Callable[..., Producer], consumer: Callable[..., Consumer], partitioner: str
    ) -> None:
        self._producer = producer
        self._consumer = consumer
        self._partitioner = partitioner

    def producer(self, client_id: str, *, one_by_one: bool) -> Producer:
        """Return a producer that goes on after an outage.

        Not idempotent, as sarama's in OpenIM is not: kafka-python 3.0.12's is stuck for good once a record of
        it has expired. What comes twice is recognised by the inbox; one request at a time keeps the order.
        """
        own = {} if self._partitioner == "murmur2" else {"partitioner": SaramaHashPartitioner()}
        return self._producer(
            client_id=client_id,
            linger_ms=_LINGER_MS if one_by_one else 0,
            max_block_ms=_BLOCK_MS,
            metrics_enabled=False,
            enable_idempotence=False,
            max_in_flight_requests_per_connection=1,
            **own,
        )

    def consumer(self, topic: str, group_id: str, client_id: str) -> Consumer:
        """Return a member of a group that commits only when told to."""
        return self._consumer(
            topic,
            group_id=group_id,
            client_id=client_id,
            fetch_max_wait_ms=_WAIT_MS,
            max_poll_records=_MOST_RECORDS,
            metrics_enabled=False,
        )
