"""Order on trial: which settings let a reader meet messages in another order than they were sent in."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.experiments.report import Report
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene
from kafka_lab.waiting import wait_until

__all__ = ["DISTURBANCES", "OrderingReport", "inversions", "ordering"]

DISTURBANCES = ("none", "lost responses", "more partitions")
KEYS = ("anna", "ben", "cleo", "dev")
MOST_MESSAGES = 1000
_SENDERS = ("ordering-1", "ordering-2")
_PARTITIONS, _MORE_PARTITIONS = 3, 7
_WAIT_S = 60.0


def inversions(numbers: Iterable[int]) -> int:
    """Count the steps of a reader that go backwards.

    Examples
    --------
    >>> inversions([1, 2, 5, 3, 4, 4])
    1
    """
    return sum(later < earlier for earlier, later in itertools.pairwise(numbers))


@dataclass(frozen=True)
class OrderingReport(Report):
    """In which order a reader of the whole topic met the messages.

    Attributes
    ----------
    keyed, idempotence, disturbance
        How it was done.
    topic : str
        Where to look again.
    read : int
        Messages that the reader got; more than were sent if some are there twice.
    inversions_per_key, inversions_per_sender : dict
        How often the reader went backwards, among the messages of one sender with one key; of one sender.
    partitions_per_key : dict
        How many partitions a key's messages are in.
    """

    keyed: bool
    idempotence: bool
    disturbance: str
    topic: str
    read: int
    inversions_per_key: dict[str, int]
    inversions_per_sender: dict[str, int]
    partitions_per_key: dict[str, int]

    @property
    def settings(self) -> str:
        """The settings in a few words."""
        keys = "with keys" if self.keyed else "without keys"
        twice = "idempotent" if self.idempotence else "not idempotent"
        return f"{keys}, {twice}, disturbance: {self.disturbance}"

    def table(self) -> Table:
        """Return the inversions of each key and each sender."""
        rows = [
            (f"key {key}", str(self.inversions_per_key[key]), str(self.partitions_per_key[key]))
            for key in sorted(self.inversions_per_key)
        ]
        rows += [(sender, str(count), "-") for sender, count in sorted(self.inversions_per_sender.items())]
        return Table((f"order {self.settings}", "inversions", "partitions"), rows)

    def compare(self, other: OrderingReport) -> Table:
        """Return the sums of two reports side by side."""
        return Table(
            ("inversions", self.settings, other.settings),
            [
                (what, str(sum(mine.values())), str(sum(theirs.values())))
                for what, mine, theirs in (
                    ("among a key's messages", self.inversions_per_key, other.inversions_per_key),
                    ("among a sender's messages", self.inversions_per_sender, other.inversions_per_sender),
                )
            ],
        )

    def scene(self) -> Scene:
        """Return the inversions as bars."""
        counts = {f"key {key}": count for key, count in sorted(self.inversions_per_key.items())}
        counts |= dict(sorted(self.inversions_per_sender.items()))
        return bars_scene(
            "Inversions",
            f"{self.settings}; {self.read} messages read",
            [Bar(name, count, str(count), alarming=count > 0) for name, count in counts.items()],
            self.table(),
        )


@visible("Order on trial")
def ordering(
    lab: Subject,
    *,
    keys: bool = True,
    idempotence: bool = True,
    disturbance: str = "none",
    messages: int = 60,
) -> OrderingReport:
    """Let two senders send to one topic, read it, and count where the reader met messages backwards.

    Each sender has up to five requests in flight, and each message is a request of its own.

    Parameters
    ----------
    lab : Lab
        A running lab; it is whole again afterwards.
    keys : bool, default True
        Whether the messages have keys, four in all; without, each goes to any partition.
    idempotence : bool, default True
        ``enable.idempotence`` of the producers.
    disturbance : str
        ``"none"``; ``"lost responses"``: the leaders' answers are lost for a while, so that the senders send
        again (needs a lab with links); ``"more partitions"``: the topic gets more of them halfway.
    messages : int, default 60
        How many each sender sends, 2 to 1000.

    Raises
    ------
    ConfigurationError
        An argument is not valid.
    FaultError
        The disturbance needs links, and the lab has none.
    WaitTimeoutError
        The cluster did not come back.
    """
    if disturbance not in DISTURBANCES:
        raise ConfigurationError(unknown("disturbance", disturbance, DISTURBANCES))
    if type(messages) is not int or not 2 <= messages <= MOST_MESSAGES:
        raise ConfigurationError(
            f"messages is {messages!r}; expected a whole number from 2 to {MOST_MESSAGES}"
        )
    lab.heal_all()
    topic = new_topic_name(lab, "ordering")
    lab.create_topic(topic, partitions=_PARTITIONS)
    producers = {
        sender: lab.producer(
            client_id=sender,
            enable_idempotence=idempotence,
            max_in_flight_requests_per_connection=5,
            batch_size=0,  # each message is a request of its own
            metadata_max_age_ms=500,  # more partitions are heard of soon
        )
        for sender in _SENDERS
    }
    half = messages // 2
    try:
        _send(producers, topic, range(half), keyed=keys)
        _flush(producers)
        if disturbance == "more partitions":
            lab.add_partitions(topic, _MORE_PARTITIONS)
            _learn_partitions(producers, topic)
        if disturbance == "lost responses":
            _lose_responses(lab, producers, topic, range(half, messages), keyed=keys)
        else:
            _send(producers, topic, range(half, messages), keyed=keys)
        _flush(producers)
    finally:
        lab.heal_all()
        for producer in producers.values():
            producer.close(timeout=2)
    return _report(lab.read(topic), topic, keyed=keys, idempotence=idempotence, disturbance=disturbance)


def _send(producers: dict[str, Any], topic: str, numbers: Sequence[int], *, keyed: bool) -> None:
    for number in numbers:
        key = KEYS[number % len(KEYS)]
        for sender, producer in producers.items():
            value = f"{sender} {key} {number}".encode()
            producer.send(topic, value, key=key.encode() if keyed else None)


def _flush(producers: dict[str, Any]) -> None:
    for producer in producers.values():
        producer.flush(_WAIT_S)


def _learn_partitions(producers: dict[str, Any], topic: str) -> None:
    """Wait until the producers know the new partitions: their metadata are refreshed twice a second."""
    wait_until(
        lambda: all(len(p.partitions_for(topic)) >= _MORE_PARTITIONS for p in producers.values()) or None,
        timeout_s=_WAIT_S,
        expected="producers that know the new partitions",
        last_seen=lambda: "none",
    )


def _lose_responses(
    lab: Subject, producers: dict[str, Any], topic: str, numbers: Sequence[int], *, keyed: bool
) -> None:
    sent_before = len(producers) * numbers[0]
    leaders = {partition.leader for partition in lab.state.topics[topic].values() if partition.leader}
    for sender, leader in itertools.product(producers, sorted(leaders)):
        lab.drop_responses(sender, leader)
    _send(producers, topic, numbers, keyed=keyed)
    lab.timeline.wait_until(
        lambda: sum(p.high_watermark for p in lab.state.topics[topic].values()) > sent_before or None,
        timeout_s=_WAIT_S,
        expected="messages that are stored without an answer",
    )
    for sender, leader in itertools.product(producers, sorted(leaders)):
        lab.heal(sender, leader)


def _report(
    records: Iterable[Any], topic: str, *, keyed: bool, idempotence: bool, disturbance: str
) -> OrderingReport:
    of_key: dict[tuple[str, str], list[int]] = defaultdict(list)
    of_sender: dict[str, list[int]] = defaultdict(list)
    partitions: dict[str, set[int]] = defaultdict(set)
    read = 0
    for record in records:
        sender, key, number = record.value.decode().split()
        of_key[key, sender].append(int(number))
        of_sender[sender].append(int(number))
        partitions[key].add(record.partition)
        read += 1
    per_key = dict.fromkeys(KEYS, 0)
    for (key, _), numbers in of_key.items():
        per_key[key] += inversions(numbers)
    return OrderingReport(
        keyed=keyed,
        idempotence=idempotence,
        disturbance=disturbance,
        topic=topic,
        read=read,
        inversions_per_key=per_key,
        inversions_per_sender={sender: inversions(numbers) for sender, numbers in of_sender.items()},
        partitions_per_key={key: len(partitions[key]) for key in KEYS},
    )
