"""Kafka between the gateway and the inboxes: what publishes messages, and what stores them."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, MessageSizeTooLargeError
from pydantic import ValidationError

from kafka_lab.errors import (
    BrokerUnavailableError,
    DeliveryUnknownError,
    InvalidNotificationError,
)
from kafka_lab.events import NotificationStored, RecordRejected, WorkerFailed
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.message import MsgData
from kafka_lab.timeline import Timeline

__all__ = ["HISTORY_GROUP", "MESSAGES_TOPIC", "InboxWorker", "Publisher"]

MESSAGES_TOPIC = "ws2ms_chat"
HISTORY_GROUP = "mongo"  # the group of OpenIM's history consumer
_POLL_MS = 500
_AGAIN_S = 0.2


class Publisher:
    """Produces a message to Kafka as OpenIM's message service does: one record for each inbox.

    Parameters
    ----------
    producer : kafka.KafkaProducer
        With acks=all and :class:`~kafka_lab.openim.partitioner.SaramaHashPartitioner`.
    wait_s : float
        How long to wait for the acknowledgements: longer than the producer's ``delivery_timeout_ms``.
    """

    def __init__(self, producer: KafkaProducer, wait_s: float) -> None:
        self._producer = producer
        self._wait_s = wait_s

    def publish(self, operation_id: str, message: MsgData) -> None:
        """Send the copies, and return when every in-sync replica has them.

        Raises
        ------
        InvalidNotificationError
            A record would be larger than Kafka takes.
        BrokerUnavailableError
            No record was handed over.
        DeliveryUnknownError
            One was, but no acknowledgement came in time: it may be delivered or not.
        """
        data = {"operationID": operation_id, "msgData": message.model_dump()}
        value = json.dumps(data, ensure_ascii=False).encode()
        futures = []
        try:
            for user in message.inboxes:
                futures.append(self._producer.send(MESSAGES_TOPIC, key=user.encode(), value=value))
        except KafkaError as error:
            if futures:
                raise DeliveryUnknownError(f"only some copies were sent: {error!r}") from error
            if isinstance(error, MessageSizeTooLargeError):
                raise InvalidNotificationError(str(error), http_status=200, err_code=201) from error
            raise BrokerUnavailableError(f"no broker took the message: {error!r}") from error
        try:
            for future in futures:
                future.get(self._wait_s)
        except KafkaError as error:
            raise DeliveryUnknownError(f"no acknowledgement: {error!r}") from error


class InboxWorker:
    """A member of the history group that stores each copy in its recipient's inbox, once.

    Offsets are committed after the copies are stored: whatever is interrupted between is delivered again,
    and the inbox knows it. (OpenIM v2.1.0 commits before it stores, and can lose what it had in memory.)

    Parameters
    ----------
    consumer : kafka.KafkaConsumer
        Subscribed to ``ws2ms_chat`` in the group ``mongo``, without automatic commits; the worker closes it.
    inbox : Inbox
        Where to store.
    timeline : Timeline
        Gets NotificationStored for each copy.
    """

    def __init__(self, consumer: KafkaConsumer, inbox: Inbox, timeline: Timeline) -> None:
        self._consumer = consumer
        self._inbox = inbox
        self._timeline = timeline
        self._closing = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="kafka-lab-inbox", daemon=True)

    def start(self) -> None:
        """Begin to work, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch in hand.

        Raises
        ------
        Exception
            What ended the worker before.
        """
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                self._work_once()
        except Exception as error:  # noqa: BLE001 - raised again by close()
            self._error = error
            self._timeline.append(WorkerFailed("inbox", type(error).__name__))
        finally:
            self._consumer.close(autocommit=False)

    def _work_once(self) -> None:
        try:
            batch = self._consumer.poll(timeout_ms=_POLL_MS)
        except KafkaError:  # no broker to be reached: they come back, or the lab is closed
            self._closing.wait(_AGAIN_S)
            return
        if batch and self._store(batch):
            try:
                self._consumer.commit()
            except KafkaError:  # the group is moving: what is stored comes again, and is known
                return

    def _store(self, batch: Mapping[TopicPartition, list[Any]]) -> bool:
        """Store a batch, trying until the disk takes it; return False if the worker is closed meanwhile."""
        records = [record for records in batch.values() for record in records]
        known = [(record, message) for record in records if (message := self._read(record))]
        kept = [(record, message) for record, message in known if message.stored]
        while not self._closing.is_set():
            try:
                stored = self._inbox.store([(record.key.decode(), message) for record, message in kept])
            except sqlite3.OperationalError:  # disk full, file locked
                self._closing.wait(_AGAIN_S)
                continue
            for (record, message), done in zip(kept, stored, strict=True):
                self._timeline.append(
                    NotificationStored(
                        message.clientMsgID,
                        user=record.key.decode(),
                        seq_in_inbox=done.seq,
                        topic=record.topic,
                        partition=record.partition,
                        offset=record.offset,
                        redelivered=done.redelivered,
                    )
                )
            return True
        return False

    def _read(self, record: Any) -> MsgData | None:  # noqa: ANN401 - kafka-python has no types
        """Return a record's message, or None (and say so) if it is not one of ours."""
        try:
            record.key.decode()
            return MsgData.model_validate(json.loads(record.value)["msgData"])
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._timeline.append(
                RecordRejected(record.topic, record.partition, record.offset, type(error).__name__)
            )
            return None
