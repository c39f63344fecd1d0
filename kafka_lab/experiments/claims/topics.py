"""Claims about topics, partitions, and the order of messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

from kafka import TopicPartition

from kafka_lab.experiments.claims.claim import Check, Claim
from kafka_lab.experiments.claims.hands import WAIT_MS, make_topic, refusal, send
from kafka_lab.experiments.ordering import ordering
from kafka_lab.experiments.subject import Subject
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["TOPIC_CLAIMS"]

_COUNTS = (1, 3, 12, 48)
_WAIT_S = 30.0
_FASTER = 1.2  # times: what counts as more throughput, on a machine that does other things too


def subscribe_and_assign(lab: Subject) -> Iterator[Check | Scene]:
    """Read a topic by subscription, and one of its partitions by assignment."""
    topic = make_topic(lab, "K2", partitions=3)
    for number in range(3):
        send(lab, topic, [f"in {number}"] * 4, partition=number)
    with lab.group(topic, [topic]) as group:
        group.wait_for(12)
        partitions = sorted({delivered.partition for delivered in group.deliveries})
    yield Check(
        "who subscribes to a topic gets all its partitions",
        f"partitions {partitions}",
        partitions == [0, 1, 2],
    )
    consumer = lab.consumer(consumer_timeout_ms=WAIT_MS)
    consumer.assign([TopicPartition(topic, 1)])
    got = [record.partition for _, record in zip(range(4), consumer, strict=False)]
    consumer.close()
    yield Check("who asks for one partition gets that one", f"partitions {sorted(set(got))}", set(got) == {1})


def throughput(lab: Subject) -> Iterator[Check | Scene]:
    """Measure a producer on more and more partitions, and readers that take their time."""
    topics = {count: make_topic(lab, "K4", partitions=count) for count in _COUNTS}
    rates = dict.fromkeys(_COUNTS, 0.0)
    for count in (*_COUNTS, *_COUNTS, *_COUNTS):  # in turn: the first ones warm the brokers up
        rates[count] = max(rates[count], _produced_per_s(lab, topics[count], count))
    for fewer, more in pairwise(_COUNTS):
        yield Check(
            f"{more} partitions take more than {fewer}",
            f"{rates[more]:.0f}/s, {rates[fewer]:.0f}/s",
            rates[more] > _FASTER * rates[fewer],
            under=f"one producer, {fewer} to {more}",
        )
    one, four = _read_per_s(lab, 1), _read_per_s(lab, 4)
    yield Check(
        "4 partitions are read faster than one is",
        f"4 members, 20 ms for each message: {one:.0f}/s from 1 partition, {four:.0f}/s from 4",
        four > _FASTER * one,
        under="readers that take time for each message",
    )
    table = Table(("partitions", "messages/s"), [(str(n), f"{rate:.0f}") for n, rate in rates.items()])
    bars = [Bar(f"{count} partitions", rate, f"{rate:.0f}/s") for count, rate in rates.items()]
    yield bars_scene("Throughput", "one producer, 100 bytes each, on this machine", bars, table)


def _produced_per_s(lab: Subject, topic: str, partitions: int, messages: int = 3000) -> float:
    """Return how many messages a producer hands over in a second."""
    producer = lab.producer(linger_ms=5)
    producer.send(topic, b"first").get(_WAIT_S)
    begin = time.monotonic()
    for number in range(messages):
        producer.send(topic, b"x" * 100, partition=number % partitions)
    producer.flush()
    took = time.monotonic() - begin
    producer.close()
    return messages / took


def _read_per_s(lab: Subject, partitions: int, messages: int = 80) -> float:
    """Return how many messages four members handle in a second that take 20 ms for each."""
    topic = make_topic(lab, "K4", partitions=partitions)
    group = lab.group(topic, [topic], members=4, handle=lambda records: _take_time(0.02 * len(records)))
    with group:
        group.wait_until_assigned()
        begin = time.monotonic()
        producer = lab.producer()
        for number in range(messages):
            producer.send(topic, b"x", partition=number % partitions)
        producer.flush()
        group.wait_for(messages)
        return messages / (time.monotonic() - begin)


def _take_time(seconds: float) -> None:
    """Do nothing for a while, as a reader that waits for a database does."""
    threading.Event().wait(seconds)


def order(lab: Subject) -> Iterator[Check | Scene]:
    """Send four conversations without keys, then with a key each, and count the steps backwards."""
    keyed, without = ordering(lab, keys=True), ordering(lab, keys=False, messages=120)
    yield Check(
        "inside a partition the order holds",
        f"each key in one partition: {sum(keyed.inversions_per_key.values())} inversions",
        not sum(keyed.inversions_per_key.values()),
        under="inside a partition",
    )
    across = sum(without.inversions_per_sender.values())
    yield Check(
        "across partitions it does not", f"{across} inversions", across > 0, under="across partitions"
    )
    of_one = sum(without.inversions_per_key.values())
    yield Check(
        "that can be ignored",
        f"a conversation without a key: {of_one} steps backwards, which its reader sees",
        not of_one,
        under="for a conversation",
    )
    yield without.scene()


def replicas_apart(lab: Subject) -> Iterator[Check | Scene]:
    """Read the assignment, and ask for more replicas than there are brokers."""
    topic = make_topic(lab, "K8", partitions=6)
    replicas = {number: p.replicas for number, p in lab.state.topics[topic].items()}
    yield Check(
        "no broker has a partition twice",
        "; ".join(f"{number}: {', '.join(names)}" for number, names in replicas.items()),
        all(len(set(names)) == len(names) for names in replicas.values()),
    )
    copies = len(lab.brokers) + 1
    with lab.admin() as admin:
        said = refusal(
            lambda: admin.create_topics({
                f"{topic}-more": {"num_partitions": 1, "replication_factor": copies}
            })
        )
    yield Check(f"{copies} replicas on {copies - 1} brokers are refused", said or "accepted", bool(said))


def change_partitions(lab: Subject) -> Iterator[Check | Scene]:
    """Ask for more partitions, then for fewer; and see where keys go."""
    topic = make_topic(lab, "K10", partitions=3)
    names = [f"user-{number}" for number in range(40)]
    before = [place.partition for place in send(lab, topic, names, key=names.__getitem__)]
    lab.add_partitions(topic, 7)
    after = [place.partition for place in send(lab, topic, names, key=names.__getitem__)]
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    yield Check(
        "it becomes more partitions",
        f"{len(lab.state.topics[topic])} instead of 3; {moved} of {len(names)} keys go elsewhere since then",
        len(lab.state.topics[topic]) == 7,
        under="upwards",
    )
    with lab.admin() as admin:
        said = refusal(lambda: admin.create_partitions({topic: 2}))
    yield Check("it becomes fewer partitions", said or "accepted", not said, under="downwards")


TOPIC_CLAIMS = (
    Claim(
        "K2",
        "A topic groups messages; consumers subscribe to a topic, or to some of its partitions.",
        "true",
        "",
        subscribe_and_assign,
    ),
    Claim("K4", "More partitions, more throughput.", "depends", "what the bottleneck is", throughput),
    Claim(
        "K5",
        "Order holds inside a partition, not across partitions; and that can be ignored.",
        "depends",
        "the key",
        order,
    ),
    Claim("K8", "The replicas of a partition are on different brokers.", "true", "", replicas_apart),
    Claim(
        "K10", "The number of partitions can be changed later.", "depends", "the direction", change_partitions
    ),
)
