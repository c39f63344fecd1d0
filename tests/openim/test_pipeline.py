"""Publisher and worker, with clients of the tests' own where Kafka cannot be made to fail on demand."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from kafka_lab.errors import (
    BrokerUnavailableError,
    DeliveryUnknownError,
    InvalidNotificationError,
)
from kafka_lab.events import NotificationStored, RecordRejected, WorkerFailed
from kafka_lab.openim.inbox import Inbox, Stored
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.pipeline import InboxWorker, Publisher
from kafka_lab.timeline import Timeline

from .test_inbox import message


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Consumer:
    """Hands out batches, one per poll, and then fails to, if it is told to."""

    def __init__(self, *batches: list[Record], then: Exception | None = None) -> None:
        self.batches = list(batches)
        self.then = then
        self.commits = 0
        self.closed = False

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        if self.batches:
            return {TopicPartition("ws2ms_chat", 0): self.batches.pop(0)}
        if self.then:
            raise self.then
        threading.Event().wait(timeout_ms / 1000)
        return {}

    def commit(self) -> None:
        self.commits += 1

    def close(self, *, autocommit: bool) -> None:
        assert not autocommit
        self.closed = True


class LockedTwice(Inbox):
    """An inbox that is locked at the first two tries."""

    locked = 2

    def store(self, copies: Any) -> list[Stored]:
        if self.locked:
            self.locked -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().store(copies)


def record(data: MsgData, offset: int = 0, key: bytes | None = b"ada") -> Record:
    value = json.dumps({"operationID": "x", "msgData": data.model_dump()}).encode()
    return Record("ws2ms_chat", 0, offset, key, value)


def work(consumer: Consumer, inbox: Inbox, stored: int) -> Timeline:
    """Let a worker store some copies, and close it."""
    timeline = Timeline()
    worker = InboxWorker(consumer, inbox, timeline)
    worker.start()
    timeline.wait_until(
        lambda: sum(isinstance(e, NotificationStored) for e in timeline) >= stored or None,
        timeout_s=30,
        expected="copies stored",
    )
    worker.close()
    assert consumer.closed
    inbox.close()
    return timeline


def test_offsets_are_committed_after_the_batch_is_stored(tmp_path: Path) -> None:
    consumer = Consumer([record(message(), 0), record(message(), 1)])
    timeline = work(consumer, Inbox(tmp_path / "inbox"), stored=2)
    assert consumer.commits == 1
    assert [e.seq_in_inbox for e in timeline if isinstance(e, NotificationStored)] == [1, 2]


def test_a_redelivery_is_recognised(tmp_path: Path) -> None:
    same = message()
    timeline = work(Consumer([record(same)], [record(same)]), Inbox(tmp_path / "inbox"), stored=2)
    assert [e.redelivered for e in timeline if isinstance(e, NotificationStored)] == [False, True]


def test_a_locked_inbox_is_waited_for(tmp_path: Path) -> None:
    inbox = LockedTwice(tmp_path / "inbox")
    consumer = Consumer([record(message())])
    work(consumer, inbox, stored=1)
    assert inbox.locked == 0
    assert consumer.commits == 1


def test_an_online_only_message_is_not_stored(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    timeline = work(Consumer([record(message(isOnlineOnly=True), 0), record(message(), 1)]), inbox, stored=1)
    assert [e.offset for e in timeline if isinstance(e, NotificationStored)] == [1]


@pytest.mark.parametrize(
    "strange",
    [
        Record("ws2ms_chat", 0, 0, b"ada", b"not JSON"),
        Record("ws2ms_chat", 0, 0, b"ada", b"[]"),
        Record("ws2ms_chat", 0, 0, b"ada", b'{"msgData": {}}'),
        Record("ws2ms_chat", 0, 0, b"ada", None),
        record(message(), key=None),
        record(message(), key=b"\xff"),
    ],
    ids=str,
)
def test_a_strange_record_does_not_stop_the_partition(tmp_path: Path, strange: Record) -> None:
    timeline = work(Consumer([strange, record(message(), 1)]), Inbox(tmp_path / "inbox"), stored=1)
    rejected = timeline.find(RecordRejected)
    assert rejected is not None
    assert rejected.offset == 0


def test_a_worker_that_failed_says_so_and_raises_when_closed(tmp_path: Path) -> None:
    timeline = Timeline()
    inbox = Inbox(tmp_path / "inbox")
    worker = InboxWorker(Consumer(then=AssertionError("a mistake")), inbox, timeline)
    worker.start()
    assert timeline.wait_for(WorkerFailed, since=0, timeout_s=30).reason == "AssertionError"
    with pytest.raises(AssertionError, match="a mistake"):
        worker.close()
    inbox.close()


class Future:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def get(self, _: float) -> None:
        if self.error:
            raise self.error


class Producer:
    """Answers each send with the next of these: a future, or an error to raise."""

    def __init__(self, *answers: Future | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes]] = []

    def send(self, topic: str, *, key: bytes, value: bytes) -> Future:
        assert json.loads(value)["msgData"]
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.sent.append((topic, key))
        return answer


def test_a_copy_for_the_recipient_and_one_for_the_sender() -> None:
    producer = Producer(Future(), Future())
    Publisher(producer, wait_s=1).publish("op", message())
    assert producer.sent == [("ws2ms_chat", b"18712345678"), ("ws2ms_chat", b"openIM123456")]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((KafkaTimeoutError("no metadata"),), BrokerUnavailableError),
        ((Future(), KafkaTimeoutError("no metadata")), DeliveryUnknownError),
        ((Future(), Future(KafkaTimeoutError("no answer"))), DeliveryUnknownError),
        ((MessageSizeTooLargeError("2 MB"),), InvalidNotificationError),
        ((Future(), MessageSizeTooLargeError("2 MB")), DeliveryUnknownError),
    ],
)
def test_what_a_failure_means(answers: tuple[Future | Exception, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        Publisher(Producer(*answers), wait_s=1).publish("op", message())
