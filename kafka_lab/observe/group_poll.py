"""Groups, committed offsets, high watermarks and followers' distances, asked of Kafka now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from kafka_lab.events import (
    Event,
    GroupChanged,
    GroupDeleted,
    HighWatermarkMoved,
    OffsetCommitted,
    PollsFailed,
    PollsSucceeded,
    ReplicaDistanceChanged,
)
from kafka_lab.history import History
from kafka_lab.observe.poll import Poll
from kafka_lab.state import OFFSETS_TOPIC, node_id, node_name
from kafka_lab.timeline import Timeline

__all__ = ["GroupPoll"]

_BLIND_AFTER_S = 3.0  # without an answer; one broker's death is no blindness


class GroupPoll(Poll):
    """Asks the cluster what no znode says.

    Parameters
    ----------
    timeline : Timeline
        Gets what is new since the last time.
    state : History
        The state of ``timeline``: which partitions there are.
    new_admin : callable
        Returns an admin client that gives up soon.
    """

    name = "groups"

    def __init__(self, timeline: Timeline, state: History, new_admin: Callable[[], KafkaAdminClient]) -> None:
        super().__init__(timeline, state)
        self._new_admin = new_admin
        self._admin: KafkaAdminClient | None = None
        self._outdated = False
        self._missing: set[str] = set()  # groups that were not listed the last time
        self._silent_since_s: float | None = None
        self._blind = False

    def close(self) -> None:
        """End."""
        super().close()
        self._close_admin()

    def look(self) -> bool:
        """Report what is new, or that nobody answers."""
        changed = False
        try:
            if self._admin is None:
                self._admin = self._new_admin()
            changed = self.report(self._all(self._admin))
        except Exception as error:  # noqa: BLE001 - kafka-python raises many kinds while brokers die
            self._close_admin()  # an old one does not find its way after all brokers were restarted
            now_s = time.monotonic()
            self._silent_since_s = self._silent_since_s or now_s
            if not self._blind and now_s - self._silent_since_s > _BLIND_AFTER_S:
                self._blind = True
                self._timeline.append(PollsFailed(type(error).__name__))
        else:
            if self._outdated:
                self._close_admin()
            self._silent_since_s = None
            if self._blind:
                self._blind = False
                self._timeline.append(PollsSucceeded())
        return changed

    def _close_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        self._outdated = False

    def _all(self, admin: KafkaAdminClient) -> Iterator[Event]:
        brokers = self._answering()
        yield from self._of_groups(admin, brokers)
        led = {
            TopicPartition(topic, number): partition
            for topic, partitions in self._state.now().topics.items()
            if not topic.startswith("__")
            for number, partition in partitions.items()
            if partition.leader in brokers
        }
        if not led:
            return
        ends = admin.list_partition_offsets(dict.fromkeys(led, OffsetSpec.LATEST))
        for where, end in sorted(ends.items()):
            yield HighWatermarkMoved(where.topic, where.partition, end.offset)
        sizes = _sizes(admin, brokers)
        for where, partition in sorted(led.items()):
            for replica in partition.replicas:
                size, most = sizes.get((where, replica)), sizes.get((where, str(partition.leader)))
                if size is not None and most is not None and replica != partition.leader:
                    behind = max(0, most - size)
                    if behind or replica in partition.behind_bytes:
                        yield ReplicaDistanceChanged(where.topic, where.partition, replica, behind)

    def _answering(self) -> list[str]:
        nodes = self._state.now().nodes.items()
        return [n for n, node in nodes if node.role == "broker" and node.answers and node.registered]

    def _of_groups(self, admin: KafkaAdminClient, brokers: list[str]) -> Iterator[Event]:
        listed = admin.list_groups(list(map(node_id, brokers)))
        names = [group["group_id"] for group in listed if group["protocol_type"] in {"consumer", ""}]
        coordinators = [p.leader for p in self._state.now().topics.get(OFFSETS_TOPIC, {}).values()]
        missing = set(self._state.now().groups) - set(names)
        if all(coordinator in brokers for coordinator in coordinators):  # else they were only not asked
            for gone in sorted(missing & self._missing):  # twice: a new coordinator reads the log first
                yield GroupDeleted(gone)
        self._missing = missing
        for name, group in sorted(admin.describe_groups(names).items() if names else ()):
            if group["error"] is not None:  # its coordinator moved, which this client never looks up again
                self._outdated = True
                continue
            yield _group(name, group)
            for where, committed in sorted(admin.list_group_offsets(name)[name].items()):
                if where.topic in self._state.now().topics:
                    yield OffsetCommitted(where.topic, where.partition, name, committed.offset)


def _group(name: str, described: dict[str, Any]) -> GroupChanged:
    """Return the group's members by ``client_id``, and who has what."""
    members = sorted(described["members"], key=lambda member: str(member["member_id"]))
    names = _told_apart([str(member["client_id"]) for member in members])
    return GroupChanged(
        name,
        group_state=described["group_state"],
        members=tuple(names),
        assignments=tuple(
            f"{assigned['topic']}-{partition} {client}"
            for client, member in zip(names, members, strict=True)
            for assigned in (member["member_assignment"] or {}).get("assigned_partitions", ())
            for partition in assigned["partitions"]
        ),
    )


def _told_apart(client_ids: list[str]) -> list[str]:
    """Return names for members: clients may have equal ids.

    Examples
    --------
    >>> _told_apart(["anna", "rdkafka", "rdkafka"])
    ['anna', 'rdkafka', 'rdkafka #2']
    """
    seen: Counter[str] = Counter()
    names = []
    for client in client_ids:
        seen[client] += 1
        names.append(client if seen[client] == 1 else f"{client} #{seen[client]}")
    return names


def _sizes(admin: KafkaAdminClient, brokers: list[str]) -> dict[tuple[TopicPartition, str], int]:
    """Return how many bytes of each partition each broker has."""
    return {
        (TopicPartition(topic["name"], partition["partition_index"]), node_name(broker["broker"])): int(
            partition["partition_size"]
        )
        for broker in admin.describe_log_dirs(brokers=list(map(node_id, brokers)))
        for folder in broker["log_dirs"]
        for topic in folder["topics"]
        for partition in topic["partitions"]
        if not partition["is_future_key"]
    }
