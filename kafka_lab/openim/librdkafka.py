"""The pipeline's clients by confluent-kafka: librdkafka does their work, in C and in threads of its own.

For loads that kafka-python, which is Python alone, does not carry. They look like kafka-python's clients as
far as the pipeline uses these.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import confluent_kafka
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.structs import TopicPartition

from kafka_lab.events import Event, RecordAcknowledged, RecordFailed, RecordRead, clipped
from kafka_lab.threads import Threads
from kafka_lab.timeline import Timeline

__all__ = ["Librdkafka"]

_LOG = logging.getLogger("kafka.librdkafka")  # a broker that is down is no news here
_SERVE_S = 0.1
# Single records wait for others, to go together, and consumers wait for many: librdkafka sends a request for
# each partition, and under load most of a broker's time goes into requests, not into bytes.
_LINGER_MS = 150
_FETCH_MS = 200
_MOST_RECORDS = 2000  # of a batch
# A broker answers a connection's requests in order: while records wait there for a dead replica to leave the
# ISR, the question who leads waits behind them, and is answered just before there is a new leader. librdkafka
# asks again with the next of these.
_METADATA_MS = 300
_LARGEST_BYTES = 1_048_000  # of a record; brokers take a little more, for what a batch has besides
_PARTITIONERS = {"sarama": "fnv1a", "murmur2": "murmur2"}
_SETTINGS = {
    "broker.address.family": "v4",
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 100,
    "retry.backoff.ms": 50,
    "socket.timeout.ms": 5000,  # for a broker that is there and does nothing
    "topic.metadata.refresh.interval.ms": _METADATA_MS,
}
_CONSUMER = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
    "fetch.min.bytes": 100_000,
    "fetch.wait.max.ms": _FETCH_MS,
}


_Answer: TypeAlias = "tuple[_Sent, confluent_kafka.KafkaError | None, confluent_kafka.Message]"


class Record(NamedTuple):
    """A record that was read, as kafka-python's has it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class _Sent:
    """A record on its way, and what becomes of it: as much of kafka-python's Future as the pipeline uses.

    All of a producer's have one lock: they are settled many at once. librdkafka calls it with what it knows.
    """

    __slots__ = (
        "_back",
        "_called_back",
        "_settled",
        "at_s",
        "exception",
        "is_done",
        "key",
        "number",
        "value",
    )

    def __init__(
        self, back: deque[_Answer], settled: threading.Condition, number: int, key: bytes, value: bytes
    ) -> None:
        self._back = back
        self._settled = settled
        self._called_back: Callable[[object], object] | None = None
        self.number = number
        self.key = key
        self.value = value
        self.at_s = time.monotonic()
        self.is_done = False
        self.exception: KafkaError | None = None

    def __call__(self, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message) -> None:
        self._back.append((self, error, message))

    def add_both(self, call: Callable[[object], object]) -> None:
        """Let a function be called, with anything, when it is known what became of the record."""
        with self._settled:
            if not self.is_done:
                self._called_back = call
                return
        call(self.exception)

    def settle(self, error: confluent_kafka.KafkaError | None) -> None:
        """Note what became of it; the lock is held."""
        self.exception = None if error is None else _translated(error)
        self.is_done = True

    def call_back(self) -> None:
        """Tell who wanted to know; the lock is not held."""
        if self._called_back is not None:
            self._called_back(self.exception)

    def get(self, timeout: float) -> None:
        """Return when it is acknowledged.

        Raises
        ------
        KafkaTimeoutError
            Nothing is known yet.
        KafkaError
            It was not.
        """
        if not self.is_done:
            with self._settled:
                if not self._settled.wait_for(lambda: self.is_done, timeout):
                    raise KafkaTimeoutError(f"no acknowledgement in {timeout} s")
        if self.exception is not None:
            raise self.exception


class LibrdkafkaProducer:
    """A producer, idempotent, with acks=all; a thread tells of acknowledgements, many at once."""

    def __init__(
        self,
        producer: confluent_kafka.Producer,
        name: str,
        timeline: Timeline,
        numbers: Iterator[int],
    ) -> None:
        self._producer = producer
        self._name = name
        self._timeline = timeline
        self._numbers = numbers
        self._settled = threading.Condition()
        self._back: deque[_Answer] = deque()  # what librdkafka has told of
        self._threads = Threads()
        self._threads.start({f"{name}-answers": self._serve})

    def send(
        self, topic: str, *, value: bytes, key: bytes, headers: list[tuple[str, bytes]] | None = None
    ) -> _Sent:
        """Hand a record over, without waiting.

        Raises
        ------
        KafkaTimeoutError
            Too many wait already.
        MessageSizeTooLargeError
            It is too large.
        """
        sent = self._sent(key, value)
        with _kafka_pythons_errors():
            self._producer.produce(topic, value, key, headers=dict(headers or ()), on_delivery=sent)
        return sent

    def send_all(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> list[_Sent]:
        """Hand records over at once, so that few requests carry them; see :class:`Producer`."""
        all_sent = [self._sent(key, value) for key, value in records]
        messages: list[dict[str, Any]] = [
            {"value": sent.value, "key": sent.key, "callback": sent} for sent in all_sent
        ]
        self._producer.produce_batch(topic, messages)
        for sent, message in zip(all_sent, messages, strict=True):
            if (error := message.get("_error")) is not None:  # nobody calls back for it, nor waits yet
                sent.settle(error)
        return all_sent

    def _sent(self, key: bytes, value: bytes) -> _Sent:
        return _Sent(self._back, self._settled, next(self._numbers), key, value)

    def close(self, timeout: float) -> None:
        """Deliver what was handed over, in so many seconds at most; the rest fails."""
        if self._threads.closing.is_set():
            return
        self._threads.close()
        if self._producer.flush(timeout):
            self._producer.purge()
            self._producer.flush(timeout)
        self._settle()

    def _serve(self) -> None:
        while not self._threads.closing.is_set():
            self._producer.poll(_SERVE_S)
            self._settle()

    def _settle(self) -> None:
        """Note what came back, then tell who waits for it."""
        back = [self._back.popleft() for _ in range(len(self._back))]
        if not back:
            return
        now_s = time.monotonic()
        self._timeline.extend(self._event(*each, now_s) for each in back)
        with self._settled:
            for sent, error, _ in back:
                sent.settle(error)
            self._settled.notify_all()
        for sent, _, _ in back:
            sent.call_back()

    def _event(
        self,
        sent: _Sent,
        error: confluent_kafka.KafkaError | None,
        message: confluent_kafka.Message,
        now_s: float,
    ) -> Event:
        topic = str(message.topic())
        if error is not None:
            return RecordFailed(topic, self._name, sent.number, error.name())
        return RecordAcknowledged(
            topic=topic,
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            sender=self._name,
            number=sent.number,
            key=clipped(sent.key),
            text=clipped(sent.value),
            latency_s=round(now_s - sent.at_s, 6),
        )


class LibrdkafkaConsumer:
    """A member of a group."""

    def __init__(self, consumer: confluent_kafka.Consumer, name: str, timeline: Timeline) -> None:
        self._consumer = consumer
        self._name = name
        self._timeline = timeline
        self._closed = False

    def poll(self, timeout_ms: int) -> Mapping[Any, Sequence[Record]]:
        """Return the records that are here, waiting for the first.

        Raises
        ------
        KafkaError
            There are none to be had.
        """
        with _kafka_pythons_errors():
            messages = self._consumer.consume(1, timeout_ms / 1000)
            if messages:
                messages += self._consumer.consume(_MOST_RECORDS - 1, 0)
        found: dict[TopicPartition, list[Record]] = defaultdict(list)
        for message in messages:
            if message.error() is None:
                record = Record(
                    str(message.topic()),
                    message.partition() or 0,
                    message.offset() or 0,
                    message.key(),
                    message.value(),
                )
                found[TopicPartition(record.topic, record.partition)].append(record)
        self._timeline.extend(
            RecordRead(record.topic, record.partition, record.offset, reader=self._name)
            for records in found.values()
            for record in records
        )
        return found

    def commit(self, timeout_ms: int) -> None:  # noqa: ARG002 - librdkafka has its own: socket.timeout.ms
        """Commit the offsets after what was polled.

        Raises
        ------
        KafkaError
            The coordinator did not take them.
        """
        with _kafka_pythons_errors():
            self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        """Leave the group; ``enable.auto.commit`` is off, so that commits nothing."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def crash(self) -> None:
        """End as a killed process does: confluent-kafka leaves no group when a consumer is just forgotten."""
        self._closed = True
        del self._consumer


class Librdkafka:
    """Makes the pipeline's clients.

    Parameters
    ----------
    timeline : Timeline
        Gets what they send and read.
    bootstrap_servers : callable
        Returns where the brokers are now.
    numbers : iterator of int
        The order in which the lab's producers send.
    delivery_timeout_ms : int
        How long a producer tries to deliver a record.
    partitioner : str
        One of :data:`~kafka_lab.openim.clients.PARTITIONERS`.
    """

    def __init__(
        self,
        timeline: Timeline,
        bootstrap_servers: Callable[[], Sequence[str]],
        numbers: Iterator[int],
        delivery_timeout_ms: int,
        partitioner: str,
    ) -> None:
        self._timeline = timeline
        self._bootstrap_servers = bootstrap_servers
        self._numbers = numbers
        self._delivery_timeout_ms = delivery_timeout_ms
        self._partitioner = _PARTITIONERS[partitioner]

    def producer(self, client_id: str, *, one_by_one: bool) -> LibrdkafkaProducer:
        """Return a producer that goes on after an outage."""
        settings = {
            **self._settings(client_id),
            "enable.idempotence": True,
            "partitioner": self._partitioner,
            "linger.ms": _LINGER_MS if one_by_one else 0,
            "message.max.bytes": _LARGEST_BYTES,
            "delivery.timeout.ms": self._delivery_timeout_ms,
        }
        producer = confluent_kafka.Producer(settings, logger=_LOG)
        return LibrdkafkaProducer(producer, client_id, self._timeline, self._numbers)

    def consumer(self, topic: str, group_id: str, client_id: str) -> LibrdkafkaConsumer:
        """Return a member of a group that commits only when told to."""
        settings = {**self._settings(client_id), **_CONSUMER, "group.id": group_id}
        consumer = confluent_kafka.Consumer(settings, logger=_LOG)
        consumer.subscribe([topic])
        return LibrdkafkaConsumer(consumer, client_id, self._timeline)

    def _settings(self, client_id: str) -> dict[str, Any]:
        servers = ",".join(self._bootstrap_servers())
        return {**_SETTINGS, "bootstrap.servers": servers, "client.id": client_id}


@contextmanager
def _kafka_pythons_errors() -> Iterator[None]:
    """Raise kafka-python's error in place of librdkafka's."""  # noqa: DOC501 - its users do
    try:
        yield
    except BufferError as error:
        raise KafkaTimeoutError("too many records wait for a broker") from error
    except confluent_kafka.KafkaException as error:
        raise _translated(error.args[0]) from error


def _translated(error: confluent_kafka.KafkaError) -> KafkaError:
    """Return kafka-python's error for one of librdkafka's."""
    if error.code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE:
        return MessageSizeTooLargeError(error.str())
    return KafkaError(f"{error.name()}: {error.str()}")
