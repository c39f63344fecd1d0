"""The pipeline carried by confluent-kafka."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from kafka_lab import Lab
from kafka_lab.events import (
    LeaderChanged,
    NotificationAccepted,
    NotificationPushed,
    RecordAcknowledged,
    RecordFailed,
    RecordRead,
    RecordRejected,
)
from kafka_lab.openim.librdkafka import Librdkafka, LibrdkafkaProducer
from kafka_lab.openim.partitioner import sarama_partition
from kafka_lab.openim.records import DEAD_LETTERS, MESSAGES_TOPIC, PUSH_TOPIC
from kafka_lab.openim.service import OpenIM
from kafka_lab.timeline import Timeline

from ..waiting import until
from .conftest import unread_after_a_kill_s


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def producer(timeline: Timeline) -> Iterator[LibrdkafkaProducer]:
    """A producer that finds nobody."""
    library = Librdkafka(timeline, lambda: ["127.0.0.1:1"], itertools.count(), 1000, "sarama")
    producer = library.producer("nobody-there", one_by_one=True)
    yield producer
    producer.close(timeout=0)


def test_what_nobody_acknowledges_fails_in_time(producer: LibrdkafkaProducer, timeline: Timeline) -> None:
    told: list[object] = []
    future = producer.send("t", key=b"k", value=b"v")
    future.add_both(told.append)
    with pytest.raises(KafkaTimeoutError, match="no acknowledgement in 0"):
        future.get(0)
    with pytest.raises(KafkaError, match="_MSG_TIMED_OUT"):
        future.get(30)
    until(lambda: told == [future.exception])
    future.add_both(told.append)
    assert told == [future.exception] * 2
    failed = timeline.find(RecordFailed, sender="nobody-there")
    assert failed is not None
    assert failed.error == "_MSG_TIMED_OUT"


def test_what_is_not_delivered_when_it_is_closed_has_failed(producer: LibrdkafkaProducer) -> None:
    future = producer.send("t", key=b"k", value=b"v")
    producer.close(timeout=0)
    assert isinstance(future.exception, KafkaError)
    assert not [thread for thread in threading.enumerate() if thread.name == "kafka-lab-nobody-there-answers"]
    producer.close(timeout=0)


def test_a_record_that_is_too_large_is_refused_at_once(producer: LibrdkafkaProducer) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        producer.send("t", key=b"k", value=b"v" * 2_000_000)


def test_of_many_records_only_the_one_that_is_too_large_is_refused_at_once(
    producer: LibrdkafkaProducer,
) -> None:
    fine, refused = producer.send_all("t", [(b"k", b"v"), (b"k", b"v" * 2_000_000)])
    assert isinstance(refused.exception, MessageSizeTooLargeError)
    assert not fine.is_done
    with pytest.raises(KafkaError, match="_MSG_TIMED_OUT"):
        fine.get(30)


@pytest.fixture(scope="module")
def openim(running_lab: Lab) -> Iterator[OpenIM]:
    running_lab.close_openim()
    yield running_lab.openim(client="confluent-kafka")
    running_lab.close_openim()


@pytest.mark.jvm
def test_a_notification_reaches_every_stage(openim: OpenIM, lab: Lab) -> None:
    begin = len(lab.timeline)
    with openim.device("rd-ada") as device:
        sent = openim.send("rd-ada", "hello")
        (message,) = device.wait_for(1)
    assert message["clientMsgID"] == sent.clientMsgID
    assert openim.account(wait_s=30).clean
    until(lambda: openim.inbox.history("rd-ada"), timeout_s=30)
    pushed = lab.timeline.wait_for(NotificationPushed, since=begin, user="rd-ada", timeout_s=30)
    assert pushed.how == "online"
    partition = sarama_partition(b"rd-ada", 8)
    acknowledged = lab.timeline.find(RecordAcknowledged, since=begin, topic=MESSAGES_TOPIC, key="rd-ada")
    assert acknowledged is not None
    assert acknowledged.partition == partition
    for reader in ("mongo-1", "mysql-1"):
        lab.timeline.wait_for(
            RecordRead,
            since=begin,
            reader=reader,
            partition=partition,
            offset=acknowledged.offset,
            timeout_s=30,
        )
    assert lab.timeline.find(RecordRead, since=begin, reader="push-1", topic=PUSH_TOPIC)


@pytest.mark.jvm
def test_both_libraries_put_a_key_on_the_same_partition(openim: OpenIM, lab: Lab) -> None:
    users = [f"rd-{number}" for number in range(30)]
    openim.send_many(users, "to everybody")
    assert openim.account(wait_s=60).clean
    found = {e.key: e.partition for e in lab.timeline if isinstance(e, RecordAcknowledged) and e.key in users}
    assert found == {user: sarama_partition(user.encode(), 8) for user in users}


@pytest.mark.jvm
def test_the_death_of_a_leader_loses_and_doubles_nothing(openim: OpenIM, lab: Lab) -> None:
    partition = sarama_partition(b"rd-0", 8)
    victim = lab.leader_of(MESSAGES_TOPIC, partition)
    assert victim
    with openim.office(*(f"rd-{number}" for number in range(8)), per_s=60):
        lab.wait_for(NotificationAccepted)
        lab.kill(victim)
        elected = lab.wait_for(LeaderChanged, topic=MESSAGES_TOPIC, partition=partition)
        lab.wait_for(NotificationAccepted, since=elected.seq)
    account = openim.account(wait_s=60)
    assert account.clean, account
    assert account.unknown == 0


@pytest.mark.jvm
def test_a_poisoned_record_and_a_killed_worker(openim: OpenIM, lab: Lab) -> None:
    begin, letters = len(lab.timeline), len(lab.read(DEAD_LETTERS))
    with lab.producer() as producer:
        producer.send(MESSAGES_TOPIC, key=b"rd-ada", value=b"\x00 not ours", partition=3).get(30)
    lab.timeline.wait_for(RecordRejected, since=begin, topic=MESSAGES_TOPIC, partition=3, timeout_s=30)
    until(lambda: len(lab.read(DEAD_LETTERS)) > letters, timeout_s=30)
    openim.kill_worker("mongo-1")
    openim.send("rd-ben", "while nobody stores")
    openim.start_worker("mongo")
    assert openim.account(wait_s=60).clean


@pytest.mark.jvm
def test_a_killed_worker_tells_nobody(openim: OpenIM, lab: Lab) -> None:
    # Its session must end first: 6 s, less a heartbeat.
    assert unread_after_a_kill_s(lab, openim, "mysql-1") > 2
