from __future__ import annotations

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ClosedError
from kafka_lab.events import IsrShrunk, RecordAcknowledged, RecordFailed


@pytest.mark.jvm
def test_sends_are_numbered_across_producers(lab: Lab, topic: str) -> None:
    anna, ben = lab.producer(client_id="anna"), lab.producer(client_id="ben")
    for producer in (anna, ben, anna):
        producer.send(topic, b"x", None, [("header", b"1")]).get(30)
    sent = [e for e in lab.timeline if isinstance(e, RecordAcknowledged) and e.topic == topic]
    assert [event.sender for event in sent] == ["anna", "ben", "anna"]
    assert sent[0].number < sent[1].number < sent[2].number


@pytest.mark.jvm
def test_a_send_that_failed_is_on_the_timeline(lab: Lab) -> None:
    lab.create_topic("pair", replication_factor=2, config={"min.insync.replicas": "2"})
    follower = next(name for name in lab.isr_of("pair", 0) if name != lab.leader_of("pair", 0))
    lab.kill(follower)
    lab.wait_for(IsrShrunk, topic="pair", partition=0)
    future = lab.producer(delivery_timeout_ms=1000, request_timeout_ms=500).send("pair", b"x")
    failed = lab.wait_for(RecordFailed, topic="pair")
    assert future.failed()
    assert failed.error == type(future.exception).__name__


@pytest.mark.jvm
def test_a_join_that_outlasts_many_polls_still_gets_its_partitions(lab: Lab) -> None:
    """The members' first metadata come late, and every poll is over before the join is."""
    for number in range(5):
        topic = f"late-{number}"
        lab.create_topic(topic, partitions=8)
        consumer = lab.consumer(topic, group_id=topic)
        lab.producer().send(topic, b"x").get(30)
        polls = 0
        while not consumer.poll(timeout_ms=5):
            polls += 1
            assert polls < 4000
        consumer.close()


@pytest.mark.jvm
def test_clients_are_closed_with_the_lab() -> None:
    with Lab(brokers=1) as lab:
        producer = lab.producer()
        consumer = lab.consumer("chat")
    assert producer._closed
    assert consumer._closed
    with pytest.raises(ClosedError):
        lab.consumer("chat")
