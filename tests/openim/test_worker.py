"""Workers, with consumers and stores of the tests' own, which fail on demand."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from kafka_lab.events import (
    RecordRejected,
    WorkerFailed,
    WorkerResumed,
    WorkerStalled,
    WorkerStarted,
    WorkerStopped,
)
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.records import Copy
from kafka_lab.openim.worker import Worker
from kafka_lab.timeline import Timeline

from ..waiting import until
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
        self.polled = self.committed = 0  # records
        self.commits = 0
        self.closed = self.crashed = False

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        if self.batches:
            batch = self.batches.pop(0)
            self.polled += len(batch)
            return {TopicPartition("ws2ms_chat", 0): batch}
        if self.then:
            raise self.then
        threading.Event().wait(timeout_ms / 1000)
        return {}

    def commit(self, timeout_ms: int) -> None:  # noqa: ARG002
        self.commits += 1
        self.committed = self.polled

    def close(self) -> None:
        self.closed = True

    def crash(self) -> None:
        self.crashed = True


class Store:
    """What a worker stores; it refuses as often as it is told to."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.batches: list[list[Copy]] = []

    def __call__(self, copies: Any) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.batches.append(list(copies))

    @property
    def offsets(self) -> list[int]:
        return [copy.offset for batch in self.batches for copy in batch]


def record(data: MsgData, offset: int = 0, key: bytes | None = b"ada") -> Record:
    value = json.dumps({"operationID": "x", "msgData": msgspec.to_builtins(data)}).encode()
    return Record("ws2ms_chat", 0, offset, key, value)


class Work:
    """A worker over a consumer and a store of the test's."""

    def __init__(self, consumer: Consumer, store: Any, **how: Any) -> None:
        self.timeline = Timeline()
        self.aside: list[tuple[int, str]] = []
        self.consumer = consumer
        self.worker = Worker(
            "mongo-1",
            consumer,
            store,
            self.timeline,
            set_aside=lambda record, reason: self.aside.append((record.offset, reason)),
            **how,
        )
        self.worker.start()

    def close(self) -> None:
        self.worker.close()
        assert self.consumer.closed
        assert not self.worker.running


def test_offsets_are_committed_after_the_batch_is_stored() -> None:
    consumer, store = Consumer([record(message(), 0), record(message(), 1)]), Store()
    work = Work(consumer, store)
    until(lambda: consumer.commits)
    work.close()
    assert store.offsets == [0, 1]
    assert consumer.commits == 1
    assert work.timeline.find(WorkerStarted, worker="mongo-1")
    assert work.timeline.find(WorkerStopped, worker="mongo-1", killed=False)


def test_what_cannot_be_stored_is_tried_again_and_read_no_further() -> None:
    consumer = Consumer([record(message(), 0)], [record(message(), 1)])
    store = Store(sqlite3.OperationalError("database is locked"), KafkaTimeoutError("no broker"))
    work = Work(consumer, store)
    until(lambda: consumer.committed == 2)
    work.close()
    assert store.offsets == [0, 1]
    stalled = work.timeline.find(WorkerStalled)
    assert stalled is not None
    assert stalled.reason == "OperationalError: database is locked"
    assert work.timeline.find(WorkerResumed)


@pytest.mark.parametrize("end", ["close", "kill"])
def test_what_is_committed_was_stored(end: str) -> None:
    class Half(Store):
        def __call__(self, copies: Any) -> None:
            if self.batches:
                raise sqlite3.OperationalError("locked")
            super().__call__(copies)

    consumer, store = Consumer([record(message(), 0)], [record(message(), 1)]), Half()
    work = Work(consumer, store)
    until(lambda: work.timeline.find(WorkerStalled))
    getattr(work.worker, end)()
    assert store.offsets == [0]
    assert consumer.polled == 2
    assert consumer.committed < 2


def test_what_was_stored_is_committed_in_the_end() -> None:
    consumer, store = Consumer(*([record(message(), offset)] for offset in range(3))), Store()
    work = Work(consumer, store)
    until(lambda: len(store.batches) == 3)
    work.close()
    assert consumer.committed == 3


def test_a_killed_worker_commits_nothing_that_is_not_stored() -> None:
    consumer = Consumer([record(message())])
    locked = iter(lambda: sqlite3.OperationalError("locked"), None)
    store = Store(*(next(locked) for _ in range(1000)))
    work = Work(consumer, store)
    until(lambda: work.timeline.find(WorkerStalled))
    work.worker.kill()
    assert consumer.commits == 0
    assert store.batches == []
    assert (consumer.crashed, consumer.closed) == (True, False)
    assert work.timeline.find(WorkerStopped, killed=True)


def test_what_cannot_be_set_aside_comes_again() -> None:
    asked = threading.Event()

    def no_broker(*_: object) -> None:
        asked.set()
        raise KafkaTimeoutError

    consumer = Consumer([record(message()), Record("ws2ms_chat", 0, 1, b"ada", b"not JSON")])
    store, timeline = Store(), Timeline()
    worker = Worker("mongo-1", consumer, store, timeline, set_aside=no_broker)
    worker.start()
    assert asked.wait(10)
    worker.close()
    assert (consumer.commits, store.batches) == (0, [])
    assert timeline.find(RecordRejected) is None
    assert timeline.find(WorkerStopped, killed=False)


def test_committing_before_storing_loses_what_a_killed_worker_had() -> None:
    consumer = Consumer([record(message())])
    store = Store(*(sqlite3.OperationalError("locked") for _ in range(1000)))
    work = Work(consumer, store, commit="before_store")
    until(lambda: work.timeline.find(WorkerStalled))
    work.worker.kill()
    assert consumer.commits == 1
    assert store.batches == []


@pytest.mark.parametrize(
    "strange",
    [
        Record("ws2ms_chat", 0, 0, b"ada", b"not JSON"),
        Record("ws2ms_chat", 0, 0, b"ada", b"[]"),
        Record("ws2ms_chat", 0, 0, b"ada", b'{"msgData": {}}'),
        Record("ws2ms_chat", 0, 0, b"ada", None),
        record(message(), key=None),
        record(message(), key=b"\xff"),
        Record("ws2ms_chat", 0, 0, b"ada", b"[" * 200_000),
        record(msgspec.structs.replace(message(), sendTime=10**30)),
        record(msgspec.structs.replace(message(), senderPlatformID=10**30)),
        record(msgspec.structs.replace(message(), content="not JSON")),
        record(msgspec.structs.replace(message(), content=json.dumps({"text": "\ud800"}))),
        Record(
            "ws2ms_chat",
            0,
            0,
            b"ada",
            json.dumps({"msgData": msgspec.to_builtins(message()), "operationID": "\ud800"}).encode(),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_strange_record_is_set_aside_and_the_partition_goes_on(strange: Record) -> None:
    store = Store()
    work = Work(Consumer([strange, record(message(), 1)]), store)
    until(lambda: store.batches)
    work.close()
    assert store.offsets == [1]
    ((offset, reason),) = work.aside
    assert offset == 0
    rejected = work.timeline.find(RecordRejected)
    assert rejected is not None
    assert reason.startswith(rejected.reason)


def test_a_worker_that_failed_says_so_and_raises_when_closed() -> None:
    work = Work(Consumer(then=AssertionError("a mistake")), Store())
    assert work.timeline.wait_for(WorkerFailed, since=0, timeout_s=30).reason == "AssertionError"
    with pytest.raises(AssertionError, match="a mistake"):
        work.worker.close()
    work.worker.close()


def test_what_is_too_large_to_hand_on_is_left_out_alone() -> None:
    class Picky(Store):
        def __call__(self, copies: Any) -> None:
            if any(copy.offset == 1 for copy in copies):
                raise MessageSizeTooLargeError("1 MB")
            super().__call__(copies)

    store = Picky()
    consumer = Consumer([record(message(), offset) for offset in range(3)])
    work = Work(consumer, store)
    until(lambda: consumer.commits)
    work.close()
    assert store.offsets == [0, 2]
    rejected = work.timeline.find(RecordRejected)
    assert rejected is not None
    assert (rejected.offset, rejected.reason) == (1, "MessageSizeTooLargeError")
