"""A consumer group that the lab runs."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from kafka_lab.asking import ask
from kafka_lab.clients import LabConsumer
from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.groups.member import STRATEGIES, Delivered, Member, Way
from kafka_lab.state import ClusterState
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline
from kafka_lab.waiting import wait_until

__all__ = ["MOST_MEMBERS", "Group"]

T = TypeVar("T")

MOST_MEMBERS = 20
_MOST_KEPT = 100_000  # deliveries
_WAIT_S = 30.0
_AGAIN_S = 0.02
# Short, so that a lesson need not wait for a minute; kafka-python's are 45 s and five minutes.
_SETTINGS = {"session_timeout_ms": 3000, "heartbeat_interval_ms": 300, "max_poll_interval_ms": 5000}


class Group:
    """Consumers that share topics, each in a thread of the lab; made by ``lab.group()``.

    Parameters
    ----------
    name : str
        The group's ID.
    topics : sequence of str
        What its members subscribe to.
    way : Way
        How they work.
    consumer : callable
        Makes a kafka-python consumer; it takes kafka-python's settings.
    admin : callable
        Returns a :class:`kafka.KafkaAdminClient` to use once.
    timeline : Timeline
        Gets what becomes of the members.
    state : callable
        Returns the cluster's state.

    Attributes
    ----------
    name : str
        The group's ID.
    deliveries : collections.deque of Delivered
        What the members handled, in the order in which they did; the last 100,000.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        way: Way,
        *,
        consumer: Callable[..., LabConsumer],
        admin: Callable[[], KafkaAdminClient],
        timeline: Timeline,
        state: Callable[[], ClusterState],
    ) -> None:
        self.name = name
        self.topics = tuple(topics)
        self.deliveries: deque[Delivered] = deque(maxlen=_MOST_KEPT)
        self._way = way
        self._consumer = consumer
        self._admin = admin
        self._timeline = timeline
        self._state = state
        self._members: dict[str, Member] = {}
        self._hold = threading.Event()

    # Members -------------------------------------------------------------------------------------

    def add_member(self, instance_id: str | None = None) -> str:
        """Start one more member and return its name; the group is rebalanced.

        Parameters
        ----------
        instance_id : str, optional
            ``group.instance.id`` (KIP-345): a static member, whose partitions wait for it while it is away
            for less than its session timeout.

        Raises
        ------
        ConfigurationError
            There are twenty already.
        """
        if len(self._working()) >= MOST_MEMBERS:
            raise ConfigurationError(f"the group {self.name} has {MOST_MEMBERS} members: expected no more")
        name = f"{self.name}-{len(self._members) + 1}"
        static = {"group_instance_id": instance_id} if instance_id else {}
        consumer = self._consumer(
            group_id=self.name,
            **{
                **_SETTINGS,
                "client_id": name,
                "partition_assignment_strategy": [STRATEGIES[self._way.strategy]],
                **static,
                **self._way.settings,
            },
        )
        member = Member(
            name, self.name, self.topics, consumer, self._way, self._timeline, self._deliver, self._hold
        )
        self._members[name] = member
        member.start()
        return name

    def remove_member(self, name: str) -> None:
        """Let a member leave in order: the others take its partitions at once.

        Raises
        ------
        ConfigurationError
            There is no such member.
        """
        self._member(name).close()

    def kill_member(self, name: str) -> None:
        """End a member as a crash does: the others take its partitions when its session is over.

        Raises
        ------
        ConfigurationError
            There is no such member.
        """
        self._member(name).kill()

    def hang_member(self, name: str) -> None:
        """Let a member poll no more: after ``max.poll.interval.ms`` (5 s here) it leaves the group by itself.

        Raises
        ------
        ConfigurationError
            There is no such member.
        """
        self._member(name).hang()

    def resume_member(self, name: str) -> None:
        """Let a member that hangs go on.

        Raises
        ------
        ConfigurationError
            There is no such member.
        """
        self._member(name).resume()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold every member between its two steps, handling and committing, as long as the block lasts.

        A member that is killed there has done the first step and never does the second.
        """
        self._hold.set()
        try:
            yield
        finally:
            self._hold.clear()

    def wait_until_held(self, timeout_s: float = _WAIT_S) -> str:
        """Return the name of a member that is held between its two steps, waiting for one.

        Raises
        ------
        WaitTimeoutError
            None came there: nothing was delivered.
        """
        return self._wait(
            lambda: next((m.name for m in self._working() if m.held.is_set()), None),
            timeout_s,
            "a member between handling and committing",
        )

    def close(self) -> None:
        """Let all members leave; within five seconds, whatever the brokers do."""
        for member in self._members.values():
            member.end()
        for member in self._members.values():
            member.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it does --------------------------------------------------------------------------------

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """The members that read, and the partitions that each was given last, such as ``"chat-0"``.

        One that hangs is not among them, though it does not know yet that it lost its partitions.
        """
        return {m.name: m.partitions for m in self._working() if m.state == "reading"}

    @property
    def rebalances(self) -> int:
        """How often partitions were handed out: the generations that its members saw."""
        return len(set[int]().union(*(member.generations for member in self._members.values())))

    def wait_until_assigned(self, timeout_s: float = _WAIT_S) -> dict[str, tuple[str, ...]]:
        """Return the members and their partitions once every partition has one reader, waiting for that.

        Raises
        ------
        WaitTimeoutError
            Some partition stays without a reader.
        """
        state = self._state()
        wanted = sorted(f"{t}-{number}" for t in self.topics for number in state.partitions_of(t))

        def all_read() -> dict[str, tuple[str, ...]] | None:
            members = self.members
            everybody = all(self._members[name].generations for name in members)
            read = sorted(name for given in members.values() for name in given)
            return members if members and everybody and read == wanted else None

        return self._wait(all_read, timeout_s, f"one reader of {self.name} for each partition")

    def wait_for(self, count: int, timeout_s: float = _WAIT_S) -> None:
        """Wait until the members have handled so many records.

        Raises
        ------
        WaitTimeoutError
            They have not.
        """
        self._wait(
            lambda: len(self.deliveries) >= count or None,
            timeout_s,
            f"{count} records handled by {self.name}",
        )

    def wait_until_read(self, timeout_s: float = _WAIT_S) -> None:
        """Wait until everything is handled or committed that is in the topics now.

        Raises
        ------
        WaitTimeoutError
            Something is not.
        """
        committed, ends = self._asked()

        def all_read() -> bool | None:
            done = dict(committed)
            for member in tuple(self._members.values()):
                for where, offset in tuple(member.handled.items()):
                    done[where] = max(offset, done.get(where, 0))
            return all(done.get(where, 0) >= end for where, end in ends.items()) or None

        self._wait(all_read, timeout_s, f"the end of {', '.join(self.topics)}, read by {self.name}")

    def wait_until_committed(self, timeout_s: float = _WAIT_S) -> None:
        """Wait until the committed offsets are the ends of the topics, as they are now.

        Raises
        ------
        WaitTimeoutError
            They are not.
        """
        self._wait(lambda: self.lag() == 0 or None, timeout_s, f"no lag of {self.name}")

    def wait_until_ended(self, timeout_s: float = _WAIT_S) -> None:
        """Wait until no member is left, such as when their handler fails.

        Raises
        ------
        WaitTimeoutError
            Some go on.
        """
        self._wait(lambda: not self._working() or None, timeout_s, f"the end of {self.name}'s members")

    def offsets(self) -> Table:
        """Return, for each partition: who reads it, the position, the committed offset, the end, and the lag.

        The brokers are asked for it. The lag is the end less the committed offset, as Kafka's own tools
        count it.

        Raises
        ------
        WaitTimeoutError
            No broker answers, or a partition has no leader.
        """
        committed, ends = self._asked()
        readers = {name: member for member, given in self.members.items() for name in given}
        rows = []
        for where, end in ends.items():
            name = f"{where.topic}-{where.partition}"
            reader = readers.get(name, "")
            position = self._members[reader].positions.get(where) if reader else None
            offset = committed.get(where)
            rows.append((
                name,
                reader or "-",
                "-" if position is None else str(position),
                "-" if offset is None else str(offset),
                str(end),
                str(end - (offset or 0)),
            ))  # fmt: skip
        return Table(("partition", "member", "position", "committed", "end", "lag"), rows)

    def lag(self) -> int:
        """Return how many records are not committed yet, over all partitions; the brokers are asked.

        Raises
        ------
        WaitTimeoutError
            No broker answers, or a partition has no leader.
        """
        committed, ends = self._asked()
        return sum(end - committed.get(where, 0) for where, end in ends.items())

    def counts(self) -> Counter[tuple[str, int, int]]:
        """Return how often each record was handled, by topic, partition and offset."""
        return Counter((d.topic, d.partition, d.offset) for d in tuple(self.deliveries))

    def table(self) -> Table:
        """Return the members: what they do, their partitions, and how many records each handled."""
        handled = Counter(delivered.member for delivered in tuple(self.deliveries))
        rows = [
            (
                name,
                member.state,
                " ".join(member.partitions) or "-" if not member.ended else "-",
                str(handled[name]),
            )
            for name, member in self._members.items()
        ]
        return Table(("member", "state", "partitions", "handled"), rows)

    def __str__(self) -> str:
        return self.table().to_text()

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def _deliver(self, member: str, records: list[Any]) -> None:
        self.deliveries.extend(
            Delivered(member, record.topic, record.partition, record.offset, record.key, record.value)
            for record in records
        )

    def _working(self) -> list[Member]:
        return [member for member in self._members.values() if not member.ended]

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise ConfigurationError(unknown(f"member of {self.name}", name, self._members))
        return self._members[name]

    def _asked(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the committed offsets and the ends of all partitions."""
        state = self._state()
        partitions = [
            TopicPartition(t, number) for t in self.topics for number in sorted(state.partitions_of(t))
        ]

        def call(admin: KafkaAdminClient) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
            committed = admin.list_group_offsets(self.name).get(self.name, {})
            ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
            return (
                {where: found.offset for where, found in committed.items() if found.offset >= 0},
                {where: ends[where].offset for where in partitions},
            )

        return ask(self._admin, call, f"the offsets of {self.name}")

    def _wait(self, look: Callable[[], T | None], timeout_s: float, expected: str) -> T:
        """Return what ``look`` finds, looking again until it finds something."""
        return wait_until(
            look,
            timeout_s=timeout_s,
            expected=expected,
            last_seen=lambda: str(self.table()),
            again_s=_AGAIN_S,
        )
