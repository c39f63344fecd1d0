"""kafka-python's producers and consumers with the lab's settings; what they do goes on the timeline."""

from __future__ import annotations

import itertools
import logging
import selectors
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from kafka_lab.closing import Closers
from kafka_lab.errors import ConfigurationError, WaitTimeoutError
from kafka_lab.events import RecordAcknowledged, RecordFailed, RecordRead, clipped
from kafka_lab.timeline import Timeline

__all__ = ["Clients", "LabConsumer", "LabProducer"]

logging.getLogger("kafka").addHandler(logging.NullHandler())  # a broker that is down is no news here

_CLOSE_S = 2.0
_READ_S = 30.0
_POLL_MS = 1500
_JOIN_MS = 1300
_CALM_MS = 2.0  # it ends early when there is something to do


class LabProducer(KafkaProducer):  # type: ignore[misc] # kafka-python has no types
    """A :class:`kafka.KafkaProducer` whose records appear on the lab's timeline."""

    def __init__(self, timeline: Timeline, numbers: Iterator[int], **settings: object) -> None:
        self._lab_timeline = timeline
        self._lab_numbers = numbers
        self._lab_name = str(settings["client_id"])
        super().__init__(**settings)
        self._calm_sender()

    def _calm_sender(self) -> None:
        """Let the sender's thread wait a moment where kafka-python 3.0.12 does not wait at all.

        While a broker takes connections and does not answer, its loop else runs as fast as it can, and keeps
        the interpreter from all other threads: the lab's links stood still until sessions were lost.
        """
        client = self._sender._client
        poll = client.poll

        def calm_poll(timeout_ms: float | None = None, **more: object) -> object:
            return poll(timeout_ms=timeout_ms if timeout_ms is None else max(timeout_ms, _CALM_MS), **more)

        client.poll = calm_poll

    def send(
        self, topic: str, value: object = None, key: object = None, *args: object, **more: object
    ) -> Any:  # noqa: ANN401
        """Send as :meth:`kafka.KafkaProducer.send` does, and return its future."""
        number = next(self._lab_numbers)
        sent_s = time.monotonic()
        future = super().send(topic, value, key, *args, **more)

        def acknowledged(record: Any) -> None:  # noqa: ANN401
            self._lab_timeline.append(
                RecordAcknowledged(
                    topic=topic,
                    partition=record.partition,
                    offset=record.offset,
                    sender=self._lab_name,
                    number=number,
                    key=clipped(key),
                    text=clipped(value),
                    latency_s=round(time.monotonic() - sent_s, 6),
                )
            )

        def failed(error: BaseException) -> None:
            self._lab_timeline.append(RecordFailed(topic, self._lab_name, number, type(error).__name__))

        future.add_callback(acknowledged)
        future.add_errback(failed)
        return future

    def send_all(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        """Send records, given by key and value, and return a future for each; see :meth:`send`."""
        return [self.send(topic, key=key, value=value) for key, value in records]

    def close(self, timeout: float | None = None, **more: object) -> None:
        """Close as :meth:`kafka.KafkaProducer.close` does; what is not delivered in ``timeout`` is given up.

        kafka-python 3.0.12 raises instead, and leaves its thread running.
        """
        try:
            super().close(timeout, **more)
        except KafkaTimeoutError:
            self._sender.force_close()
            self._sender.join()
            super().close(0, **more)


class LabConsumer(KafkaConsumer):  # type: ignore[misc] # kafka-python has no types
    """A :class:`kafka.KafkaConsumer` whose reads appear on the lab's timeline."""

    def __init__(self, timeline: Timeline, *topics: str, **settings: object) -> None:
        self._lab_timeline = timeline
        self._lab_name = str(settings["client_id"])
        super().__init__(*topics, **settings)

    def poll(self, *args: object, **kwargs: object) -> dict[Any, list[Any]]:
        """Return records as :meth:`kafka.KafkaConsumer.poll` does."""
        self._resume_join()
        batch: dict[Any, list[Any]] = super().poll(*args, **kwargs)
        self._lab_timeline.extend(
            RecordRead(where.topic, where.partition, record.offset, reader=self._lab_name)
            for where, records in batch.items()
            for record in records
        )
        return batch

    def join(self) -> None:
        """Join the group if it is to be joined, anew or for the first time; in 1.3 s, or later on.

        kafka-python 3.0.12 joins a second time, in one more rebalance, if a poll ends before the join does.
        """
        if self._coordinator is not None and self._coordinator.rejoin_needed:
            self._coordinator.poll(timeout_ms=_JOIN_MS)

    @property
    def joined(self) -> bool:
        """Whether it is a member of its group, with an assignment, and nothing is to be joined."""
        coordinator = self._coordinator
        return coordinator is not None and not (coordinator.rejoin_needed or coordinator.rejoining)

    def crash(self) -> None:
        """End as a killed process does: nothing is committed, and nobody tells the group.

        Its coordinator finds out when ``session.timeout.ms`` has passed without a heartbeat.
        """
        if self._coordinator is not None:
            self._coordinator.maybe_leave_group = lambda *_, **__: None
        self.close(autocommit=False, timeout_ms=int(_CLOSE_S * 1000))

    def _resume_join(self) -> None:
        """Let a join that outlasted the last poll come to its end.

        kafka-python 3.0.12 forgets it when the member led the group and rejoined because the topic's metadata
        had changed: the group then counts on a member that never gets its assignment.
        """
        coordinator = self._coordinator
        if coordinator is not None and coordinator.rejoining and not coordinator.rejoin_needed:
            coordinator.request_rejoin()


class LabAdmin(KafkaAdminClient):  # type: ignore[misc] # kafka-python has no types
    """A :class:`kafka.KafkaAdminClient` that leaves nothing behind when it finds no broker.

    That of kafka-python 3.0.12 then leaves its thread and four file descriptors.
    """

    def __init__(self, **settings: object) -> None:
        try:
            super().__init__(**settings)
        except BaseException:
            if hasattr(self, "_net"):
                self._closed = False
                self.close()
            raise


class _Selector(selectors.DefaultSelector):
    """The system's selector, which keeps its keys at hand.

    kafka-python 3.0.12 asks for the key of a socket that is not registered each time it waits for one; the
    standard library then writes an error message with the socket's addresses: a fifth of a client's time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        """Register a file as the system's selector does."""
        key = self._keys[fileobj] = super().register(fileobj, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401
        """Forget a file."""
        self._keys.pop(fileobj, None)
        return super().unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        """Change what is waited for."""
        key = self._keys[fileobj] = super().modify(fileobj, events, data)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401
        """Return a file's key; KeyError if there is none."""
        return self._keys[fileobj]


class Clients:
    """Makes clients of one cluster and closes those that are still open.

    Parameters
    ----------
    timeline : Timeline
        Gets what the clients do.
    bootstrap_servers : callable
        Returns where the brokers are now.
    nodes : callable
        Returns the names of the nodes, which are no client ids: links tell clients apart by these.
    delivery_timeout_ms : int
        How long a producer tries to deliver a record: longer than a failover.
    settings : mapping, optional
        What every client gets besides, such as kafka-python's settings for TLS and SASL.
    """

    def __init__(
        self,
        timeline: Timeline,
        bootstrap_servers: Callable[[], list[str]],
        nodes: Callable[[], Container[str]],
        delivery_timeout_ms: int,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._nodes = nodes
        self._timeline = timeline
        self.delivery_timeout_ms = delivery_timeout_ms
        self.settings = settings or {}
        self._open = Closers()
        self.numbers = itertools.count()
        self._ids = itertools.count(1)
        self._settings = {
            # A failover lasts about two seconds here, so waiting longer than this before a retry is wasted.
            "retry_backoff_ms": 50,
            # A producer asks for a dead leader's successor each time that it fails to reconnect to it.
            "reconnect_backoff_ms": 20,
            "reconnect_backoff_max_ms": 50,
            "request_timeout_ms": 5000,
            "bootstrap_timeout_ms": delivery_timeout_ms,
            "selector": _Selector,
            **self.settings,
        }
        self._producer_settings = {
            **self._settings,
            "acks": "all",
            "delivery_timeout_ms": delivery_timeout_ms,
            "max_block_ms": delivery_timeout_ms,
        }

    def producer(self, **settings: object) -> LabProducer:
        """Return a producer: idempotent, acks=all, unless ``settings`` (kafka-python's) say otherwise."""
        merged = self._merged({**self._producer_settings, "client_id": self._name("producer")}, settings)
        producer = LabProducer(self._timeline, self.numbers, **merged)
        self._open.add(lambda: producer.close(timeout=_CLOSE_S))
        return producer

    def consumer(self, *topics: str, group_id: str | None = None, **settings: object) -> LabConsumer:
        """Return a consumer that begins at the earliest record and commits only when told to."""
        defaults = {
            "client_id": self._name("consumer"),
            "group_id": group_id,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "fetch_max_wait_ms": 100,
            "session_timeout_ms": 6000,
            "heartbeat_interval_ms": 500,
            "metadata_max_age_ms": 5000,
        }
        merged = self._merged({**self._settings, **defaults}, settings)
        consumer = LabConsumer(self._timeline, *topics, **merged)
        self._open.add(lambda: consumer.close(autocommit=False, timeout_ms=int(_CLOSE_S * 1000)))
        return consumer

    def read(self, topic: str) -> list[Any]:
        """Read a topic from its beginning to its present end; return the records as they came.

        Raises
        ------
        WaitTimeoutError
            The end was not reached: a partition has no leader.
        """
        consumer = self.consumer(client_id=self._name("reader"))
        records: list[Any] = []
        try:
            consumer.assign([
                TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)
            ])
            ends = consumer.end_offsets(consumer.assignment())
            begin = time.monotonic()
            while any(consumer.position(where) < end for where, end in ends.items()):
                if time.monotonic() - begin > _READ_S:
                    raise WaitTimeoutError(
                        f"the end of {topic}", waited_s=_READ_S, last_seen=f"{len(records)} records"
                    )
                for batch in consumer.poll(timeout_ms=200).values():
                    records.extend(batch)
            return records
        except KafkaError as error:
            raise WaitTimeoutError(
                f"the end of {topic}", waited_s=_READ_S, last_seen=f"{len(records)} records, then {error!r}"
            ) from error
        finally:
            consumer.close(autocommit=False)

    def admin(self, **settings: object) -> KafkaAdminClient:
        """Return an admin client, to be used in a ``with`` statement.

        A new one each time: an old one does not find its way after all brokers were restarted.
        """
        return LabAdmin(**self._merged({**self._settings, "client_id": self._name("admin")}, settings))

    def polling_admin(self) -> KafkaAdminClient:
        """Return an admin client that gives up soon, for who asks again and again."""
        return self.admin(client_id="lab-poll", request_timeout_ms=_POLL_MS, bootstrap_timeout_ms=_POLL_MS)

    def close(self) -> None:
        """Close every client that was made here; closing one twice does no harm."""
        self._open.close("Kafka clients")

    def _merged(self, defaults: dict[str, object], settings: dict[str, object]) -> dict[str, object]:
        """Return a client's settings.

        Raises
        ------
        ConfigurationError
            Its client_id is a node's name.
        """
        merged = {"bootstrap_servers": self._bootstrap_servers(), **defaults, **settings}
        if merged["client_id"] in self._nodes():
            raise ConfigurationError(f"client_id is {merged['client_id']!r}; expected no node's name")
        return merged

    def _name(self, kind: str) -> str:
        return f"lab-{kind}-{next(self._ids)}"


def offsets_partition(group_id: str, partitions: int) -> int:
    """Return the partition of ``__consumer_offsets`` that keeps a group's offsets.

    Java's ``String.hashCode`` of the ID without its sign bit, modulo the number of partitions.

    Examples
    --------
    >>> offsets_partition("readers", 50)
    28
    """
    code = 0
    units = group_id.encode("utf-16-be")
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFFFFFF
    return (code & 0x7FFFFFFF) % partitions
