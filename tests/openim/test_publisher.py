"""A message's copies on their way to Kafka, with producers of the tests' own that fail on demand."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata

from kafka_lab.errors import BrokerUnavailableError, DeliveryUnknownError, InvalidNotificationError
from kafka_lab.openim.publisher import Pending, Publisher

from .test_inbox import message


def acknowledgement(error: Exception | None = None) -> FutureRecordMetadata:
    """A producer's future that has its answer already."""
    result = FutureProduceResult(TopicPartition("ws2ms_chat", 0))
    future = FutureRecordMetadata(result, 0, 0, None, 0, 0, 0)
    result.failure(error) if error else result.success((0, 0, None))
    return future


def waited(pending: Pending) -> None:
    pending.wait()


def awaited(pending: Pending) -> None:
    with ThreadPoolExecutor(1) as thread:  # a test's browser has a loop in this one
        thread.submit(lambda: asyncio.run(pending.acknowledged())).result()


class Producer:
    """Answers each send with the next of these: a future, or an error to raise."""

    def __init__(self, *answers: FutureRecordMetadata | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes]] = []

    def send(self, topic: str, *, key: bytes, value: bytes) -> FutureRecordMetadata:
        assert json.loads(value)["msgData"]
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.sent.append((topic, key))
        return answer


def test_a_copy_for_the_recipient_and_one_for_the_sender() -> None:
    producer = Producer(acknowledgement(), acknowledgement())
    sent = message()
    Publisher(producer, wait_s=1).begin("op", sent, sent.inboxes()).wait()
    assert producer.sent == [("ws2ms_chat", b"18712345678"), ("ws2ms_chat", b"openIM123456")]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((KafkaTimeoutError("no metadata"),), BrokerUnavailableError),
        ((acknowledgement(), KafkaTimeoutError("no metadata")), DeliveryUnknownError),
        ((acknowledgement(), acknowledgement(KafkaTimeoutError("no answer"))), DeliveryUnknownError),
        ((MessageSizeTooLargeError("2 MB"),), InvalidNotificationError),
        ((acknowledgement(), MessageSizeTooLargeError("2 MB")), DeliveryUnknownError),
    ],
)
@pytest.mark.parametrize("wait", [waited, awaited])
def test_what_a_failure_means(
    answers: tuple[FutureRecordMetadata | Exception, ...],
    error: type[Exception],
    wait: Callable[[Pending], None],
) -> None:
    with pytest.raises(error):
        wait(Publisher(Producer(*answers), wait_s=1).begin("op", message(), ("ada", "ben")))


def test_who_awaits_is_told_when_the_last_copy_is_acknowledged() -> None:
    result = FutureProduceResult(TopicPartition("ws2ms_chat", 0))
    late = FutureRecordMetadata(result, 0, 0, None, 0, 0, 0)
    pending = Publisher(Producer(acknowledgement(), late), wait_s=30).begin("op", message(), ("ada", "ben"))
    with ThreadPoolExecutor(1) as thread:
        told = thread.submit(lambda: asyncio.run(pending.acknowledged()))
        with pytest.raises(TimeoutError):
            told.result(0.1)
        result.success((0, 0, None))
        told.result(30)


def test_what_is_never_acknowledged_is_unknown() -> None:
    late = FutureRecordMetadata(FutureProduceResult(TopicPartition("ws2ms_chat", 0)), 0, 0, None, 0, 0, 0)
    with pytest.raises(DeliveryUnknownError, match="in time"):
        awaited(Publisher(Producer(late), wait_s=0.1).begin("op", message(), ("ada",)))


def test_each_member_of_a_group_gets_a_copy_of_their_own() -> None:
    class Keeping(Producer):
        def send(self, topic: str, *, key: bytes, value: bytes) -> FutureRecordMetadata:
            self.values = [*getattr(self, "values", ()), json.loads(value)["msgData"]["recvID"]]
            return super().send(topic, key=key, value=value)

    producer = Keeping(acknowledgement(), acknowledgement())
    group = message(contentType=101, content={"text": "x"}, sessionType=2, groupID="g1", recvID="")
    Publisher(producer, wait_s=1).begin("op", group, group.inboxes(("ada", "ben"))).wait()
    assert producer.values == ["ada", "ben"]


def test_a_record_that_would_be_too_large_later_is_refused_at_once() -> None:
    large = msgspec.structs.replace(message(), recvID="u" * 500_000)
    with pytest.raises(InvalidNotificationError):
        Publisher(Producer(acknowledgement(), acknowledgement()), wait_s=1).begin(
            "op", large, large.inboxes()
        )


def test_no_copy_is_sent_if_one_is_too_large() -> None:
    producer = Producer(acknowledgement(), acknowledgement())
    with pytest.raises(InvalidNotificationError):
        Publisher(producer, wait_s=1).begin("op", message(), ("ada", "u" * 500_000))
    assert producer.sent == []


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_a_request_that_was_answered_leaves_nothing_to_the_garbage_collector() -> None:
    class Keeping(FutureRecordMetadata):
        def add_both(self, call: Callable[[object], object]) -> None:
            self.kept = call  # librdkafka's keep it too
            super().add_both(call)

    result = FutureProduceResult(TopicPartition("ws2ms_chat", 0))
    late = Keeping(result, 0, 0, None, 0, 0, 0)
    pending = Publisher(Producer(late), wait_s=30).begin("op", message(), ("ada",))
    left = weakref.ref(pending)

    async def answered(pending: Pending) -> None:
        asyncio.get_running_loop().call_later(0, result.success, (0, 0, None))
        await pending.acknowledged()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, answered(pending)).result(30)
    del pending, late
    assert left() is None
