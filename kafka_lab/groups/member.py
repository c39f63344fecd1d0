"""A member of a consumer group, in a thread; it can leave, be killed, and hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)

from kafka_lab.clients import LabConsumer
from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.events import MemberEnded, MemberStarted, PartitionsAssigned, PartitionsRevoked
from kafka_lab.timeline import Timeline

__all__ = ["COMMITS", "STRATEGIES", "Delivered", "Member", "Way"]

#: How partitions are shared out (``partition.assignment.strategy``), by the names used here.
STRATEGIES = {
    "range": RangePartitionAssignor,
    "round-robin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
#: When offsets are committed: after a batch was handled, before, or never.
COMMITS = ("after", "before", "never")
_PASSING = (RetriableError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)
_POLL_MS = 100
_AGAIN_S = 0.1
_COMMIT_MS = 1500  # with the next, less than the five seconds in which a group is closed
_CLOSE_MS = 2000


class Delivered(NamedTuple):
    """A record that a member handled."""

    member: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Way:
    """How the members of a group work.

    Attributes
    ----------
    strategy : str
        One of :data:`STRATEGIES`.
    commit : str
        One of :data:`COMMITS`.
    handle : callable, optional
        Is given each batch, a list of kafka-python's records; what it raises ends the member, as a bug would.
    start_at : callable, optional
        Is given each :class:`kafka.TopicPartition` that a member was assigned and returns where to begin, or
        None for the group's committed offset: for offsets that are kept outside Kafka.
    settings : dict
        kafka-python's settings of the consumers.

    Raises
    ------
    ConfigurationError
        There is no such strategy or commit.
    """

    strategy: str = "range"
    commit: str = COMMITS[0]
    handle: Callable[[list[Any]], object] | None = None
    start_at: Callable[[TopicPartition], int | None] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ConfigurationError(unknown("strategy", self.strategy, STRATEGIES))
        if self.commit not in COMMITS:
            raise ConfigurationError(unknown("commit", self.commit, COMMITS))


class Member(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """Polls, handles and commits, until it is closed, killed, or its handler fails.

    Parameters
    ----------
    name, group : str
        Its client id, and its group's id.
    topics : sequence of str
        What it subscribes to.
    consumer : LabConsumer
        Closed with the member.
    way : Way
        How it works.
    timeline : Timeline
        Gets what becomes of it.
    deliver : callable
        Is given each batch when it was handled.
    hold : threading.Event
        While it is set the member waits between its two steps, handling and committing.

    Attributes
    ----------
    partitions : tuple of str
        What it was given last, less what it gave back since, such as ``"chat-0"``.
    generations : set of int
        Those of the group in which it was a member.
    positions : dict
        The offset that it will read next, by TopicPartition.
    handled : dict
        The offset after the last record that it handled, by TopicPartition.
    held : threading.Event
        Set while it waits between its two steps.
    ended : str
        How it ended; empty while it works.
    """

    def __init__(
        self,
        name: str,
        group: str,
        topics: Sequence[str],
        consumer: LabConsumer,
        way: Way,
        timeline: Timeline,
        deliver: Callable[[str, list[Any]], None],
        hold: threading.Event,
    ) -> None:
        self.name = name
        self._group = group
        self._topics = list(topics)
        self._consumer = consumer
        self._way = way
        self._timeline = timeline
        self._deliver = deliver
        self._hold = hold
        self._closing = threading.Event()
        self._killed = False
        self._hung = threading.Event()
        self.held = threading.Event()
        self.partitions: tuple[str, ...] = ()
        self.generations: set[int] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.handled: dict[TopicPartition, int] = {}
        self.ended = ""
        self._thread = threading.Thread(target=self._work, name=f"kafka-lab-{name}", daemon=True)

    @property
    def state(self) -> str:
        """What it does: ``"reading"``, ``"hung"``, or how it ended."""
        return self.ended or ("hung" if self._hung.is_set() else "reading")

    def start(self) -> None:
        """Begin, in a thread."""
        self._timeline.append(MemberStarted(self._group, self.name))
        self._thread.start()

    def hang(self) -> None:
        """Let it poll no more, though its heartbeats go on, as a handler that never returns does."""
        self._hung.set()

    def resume(self) -> None:
        """Let a member that hangs go on."""
        self._hung.clear()

    def kill(self) -> None:
        """End it as a crash does: what it has in hand is neither handled nor committed, nobody is told."""
        self._killed = True
        self.close()

    def end(self) -> None:
        """Tell it to end; :meth:`close` waits for that."""
        self._closing.set()

    def close(self) -> None:
        """Let it leave the group after the step in hand."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join()

    # Called by kafka-python ------------------------------------------------------------------------

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Note what is given back."""
        if revoked and not self._closing.is_set():
            names = _names(revoked)
            self.partitions = tuple(name for name in self.partitions if name not in names)
            self._timeline.append(PartitionsRevoked(self._group, self.name, names))
        for where in revoked:
            self.positions.pop(where, None)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Note what it has now, and begin where the group says or ``start_at`` does."""
        for where in assigned:
            offset = self._way.start_at(where) if self._way.start_at else None
            if offset is not None:
                self._consumer.seek(where, offset)
                self.positions[where] = self.handled[where] = offset
        self._note_assignment()

    def _note_assignment(self) -> None:
        """Note what it has from now on."""
        generation = self._consumer.group_metadata().generation_id
        self.partitions = _names(self._consumer.assignment())
        self._timeline.append(PartitionsAssigned(self._group, self.name, self.partitions, generation))
        self.generations.add(generation)

    def _note_generation(self) -> None:
        """Note a generation of which kafka-python says nothing: one that gave nothing new (KIP-429)."""
        if self._consumer.joined and self._consumer.group_metadata().generation_id not in self.generations:
            self._note_assignment()

    # Its thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        how = "left"
        try:
            self._consumer.subscribe(self._topics, listener=self)
            while not self._closing.is_set():
                self._work_once()
        except Exception as error:  # noqa: BLE001 - the handler's: it ends this member, and the group goes on
            how = type(error).__name__
        finally:
            self.ended = "killed" if self._killed else how
            if self._killed:
                self._consumer.crash()
            else:
                self._consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)
            self._timeline.append(MemberEnded(self._group, self.name, self.ended))

    def _work_once(self) -> None:
        if self._hung.is_set():
            self._closing.wait(_AGAIN_S)
            return
        try:
            self._consumer.join()
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
        except KafkaError as error:
            if not isinstance(error, _PASSING):  # such as a group with another strategy
                raise
            self._closing.wait(_AGAIN_S)  # no coordinator just now: it comes back, or the member is closed
            return
        self._note_generation()
        records = [record for records in polled.values() for record in records]
        for where, batch in polled.items():
            self.positions[where] = batch[-1].offset + 1
        if self._killed:
            return
        if not records:
            self._skip_markers()
            return
        steps: list[Callable[[], None]] = [lambda: self._handle(records)]
        if self._way.commit != "never":
            steps.insert(0 if self._way.commit == "before" else 1, self._commit)
        for number, step in enumerate(steps):
            if number and self._wait_while_held():
                return
            step()

    def _skip_markers(self) -> None:
        """Count what is no record as handled: the consumer goes past the markers that end transactions."""
        moved = False
        for where in self._consumer.assignment():
            if where in self.positions:
                position = self._consumer.position(where, timeout_ms=_POLL_MS)
                moved = moved or position > self.positions[where]
                self.positions[where] = self.handled[where] = position
        if moved and self._way.commit != "never":
            self._commit()

    def _wait_while_held(self) -> bool:
        """Wait between the two steps as long as the group holds; return True if it is killed there."""
        while self._hold.is_set() and not self._closing.is_set():
            self.held.set()
            self._closing.wait(_AGAIN_S)
        self.held.clear()
        return self._killed

    def _handle(self, records: list[Any]) -> None:
        if self._way.handle:
            self._way.handle(records)
        self._deliver(self.name, records)
        for record in records:
            self.handled[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def _commit(self) -> None:
        try:
            self._consumer.commit(timeout_ms=_COMMIT_MS)
        except KafkaError:  # the group has moved on without it: what it handled comes again, to another
            self._closing.wait(_AGAIN_S)


def _names(partitions: Sequence[TopicPartition]) -> tuple[str, ...]:
    return tuple(f"{where.topic}-{where.partition}" for where in sorted(partitions))
