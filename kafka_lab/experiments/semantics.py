"""At most once, at least once, effectively once: what a member's death does, counted by the messages' ids."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kafka import TopicPartition

from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.experiments.report import Report, side_by_side
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.ledger import Delivery, delivery
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["SEMANTICS", "SemanticsReport", "semantics"]

#: What each is called, and when the offset is kept.
SEMANTICS = {
    "at most once": "before",  # the batch is handled
    "at least once": "after",
    "effectively once": "never",  # in Kafka: with the result, in one transaction of a database
}
MOST_MESSAGES = 1000
_SCHEMA = """
CREATE TABLE handled (id INTEGER);
CREATE TABLE position (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
"""


@dataclass(frozen=True)
class SemanticsReport(Report):
    """What a group did with messages while one of its members was killed.

    Attributes
    ----------
    name : str
        One of :data:`SEMANTICS`.
    topic : str
        Where the messages are.
    killed : str
        The member that was killed, between handling its batch and keeping the offset, or the reverse.
    delivery : Delivery
        Of the ids that were sent, which were handled how often.
    """

    name: str
    topic: str
    killed: str
    delivery: Delivery

    def table(self) -> Table:
        """Return the counts."""
        return Table((self.name, "messages"), [(what, str(count)) for what, count in self._counts()])

    def compare(self, other: SemanticsReport) -> Table:
        """Return the counts of two reports side by side."""
        return side_by_side(("messages", self.name, other.name), self._counts(), other._counts())

    def scene(self) -> Scene:
        """Return the counts as bars."""
        bad = {"never handled", "handled twice"}
        bars = [Bar(what, n, str(n), alarming=n > 0 and what in bad) for what, n in self._counts()]
        return bars_scene("Delivery", f"{self.name}, {self.killed} killed", bars, self.table())

    def _counts(self) -> list[tuple[str, int]]:
        found = self.delivery
        return [
            ("sent", found.sent),
            ("handled", found.stored),
            ("never handled", len(found.lost)),
            ("handled twice", len(found.doubled)),
        ]


@visible("A member is killed between two steps")
def semantics(lab: Subject, name: str = "at least once", *, messages: int = 60) -> SemanticsReport:
    """Kill a member between its two steps, let another take over, and count what was handled how often.

    The two steps are handling a batch and keeping the offset after it. "Effectively once" does both in one
    transaction of a database outside Kafka, where the next member looks for where to go on.

    Parameters
    ----------
    lab : Lab
        A running lab.
    name : str, default "at least once"
        One of :data:`SEMANTICS`.
    messages : int, default 60
        How many, 2 to 1000.

    Raises
    ------
    ConfigurationError
        An argument is not valid.
    WaitTimeoutError
        The second member did not get what the first one left.
    """
    if name not in SEMANTICS:
        raise ConfigurationError(unknown("semantics", name, SEMANTICS))
    if type(messages) is not int or not 2 <= messages <= MOST_MESSAGES:
        raise ConfigurationError(
            f"messages is {messages!r}; expected a whole number from 2 to {MOST_MESSAGES}"
        )
    topic = new_topic_name(lab, "semantics")
    lab.create_topic(topic)
    _send(lab, topic, range(messages // 2))
    with TemporaryDirectory() as folder:
        database = _Database(Path(folder) / "handled.sqlite")
        try:
            if name == "effectively once":
                killed = _killed_in_a_transaction(lab, topic, database, messages)
            else:
                killed = _killed_between(lab, topic, SEMANTICS[name], database.handle, messages)
            handled = database.handled()
        finally:
            database.close()
    return SemanticsReport(
        name, topic, killed, delivery(range(messages), range(messages), handled.elements())
    )


def _killed_between(
    lab: Subject, topic: str, commit: str, handle: Callable[[list[Any]], None], messages: int
) -> str:
    with lab.group(topic, [topic], commit=commit, handle=handle) as group:
        with group.held():
            killed = group.wait_until_held()
            group.kill_member(killed)
        _go_on(lab, group, topic, messages)
    return killed


def _killed_in_a_transaction(lab: Subject, topic: str, database: _Database, messages: int) -> str:
    group = lab.group(topic, [topic], commit="never", handle=database.crash_once, start_at=database.next)
    with group:
        group.wait_until_ended()
        _go_on(lab, group, topic, messages)
    return f"{topic}-1"


def _go_on(lab: Subject, group: Any, topic: str, messages: int) -> None:  # noqa: ANN401 - a Group
    """Let another member go on, and send it the rest."""
    group.add_member()
    group.wait_until_assigned()
    _send(lab, topic, range(messages // 2, messages))
    group.wait_until_read()


def _send(lab: Subject, topic: str, numbers: range) -> None:
    producer = lab.producer()
    for number in numbers:
        producer.send(topic, str(number).encode())
    producer.flush()
    producer.close()


class _Database:
    """Results, and in the same transaction the offsets after them."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.executescript(_SCHEMA)
        self._crashes = 1

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def handle(self, records: list[Any]) -> None:
        """Keep the messages' ids."""
        with self._connection:
            self._keep(records)

    def crash_once(self, records: list[Any]) -> None:
        """Keep ids and offsets in one transaction; the first time, fail before it is committed.

        Raises
        ------
        RuntimeError
            The first time.
        """
        with self._connection:  # commits at its end, rolls back when there is an error
            self._keep(records)
            last = records[-1]
            self._connection.execute(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
                (last.topic, last.partition, last.offset + 1),
            )
            if self._crashes:
                self._crashes -= 1
                raise RuntimeError("the member dies before the transaction is committed")

    def next(self, where: TopicPartition) -> int:
        """Return the offset to go on from."""
        row = self._connection.execute(
            "SELECT next FROM position WHERE topic = ? AND partition = ?", (where.topic, where.partition)
        ).fetchone()
        return int(row[0]) if row else 0

    def handled(self) -> Counter[int]:
        """Return how often each id was handled."""
        return Counter(row[0] for row in self._connection.execute("SELECT id FROM handled"))

    def _keep(self, records: list[Any]) -> None:
        rows = [(int(record.value),) for record in records]
        self._connection.executemany("INSERT INTO handled VALUES (?)", rows)
