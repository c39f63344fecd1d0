"""Groups, committed offsets, high watermarks and followers' distances, asked of Kafka now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

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
from kafka_lab.observe.pace import Pace
from kafka_lab.state import LiveState, broker_id, broker_name
from kafka_lab.threads import Threads
from kafka_lab.timeline import Timeline

__all__ = ["GroupPoll"]

_BLIND_AFTER_S = 3.0  # without an answer; one broker's death is no blindness


class GroupPoll:
    """Asks the cluster what no znode says.

    Parameters
    ----------
    timeline : Timeline
        Gets what is new since the last time.
    state : LiveState
        The state of ``timeline``: which partitions there are.
    new_admin : callable
        Returns an admin client that gives up soon.
    """

    def __init__(
        self, timeline: Timeline, state: LiveState, new_admin: Callable[[], KafkaAdminClient]
    ) -> None:
        self._timeline = timeline
        self._state = state
        self._new_admin = new_admin
        self._admin: KafkaAdminClient | None = None
        self._pace = Pace(timeline)
        self._threads = Threads()
        self._known: dict[tuple[Any, ...], Event] = {}  # the last event about each thing
        self._groups: set[str] = set()
        self._silent_since_s: float | None = None
        self._blind = False

    def start(self) -> None:
        """Begin."""
        self._threads.start({"groups": self._look_again_and_again})

    def close(self) -> None:
        """End."""
        self._threads.closing.set()
        self._pace.close()
        self._threads.close()

    def _look_again_and_again(self) -> None:
        while not self._threads.closing.is_set():
            self._pace.pause(changed=self._look())
        self._close_admin()

    def _look(self) -> bool:
        """Report what is new, and whether there was anything."""
        changed = False
        try:
            if self._admin is None:
                self._admin = self._new_admin()
            for about, event in self._all(self._admin):
                if self._known.get(about) != event:
                    self._known[about] = event
                    self._timeline.append(event)
                    changed = True
        except KafkaError as error:
            self._close_admin()  # an old one does not find its way after all brokers were restarted
            now_s = time.monotonic()
            self._silent_since_s = self._silent_since_s or now_s
            if not self._blind and now_s - self._silent_since_s > _BLIND_AFTER_S:
                self._blind = True
                self._timeline.append(PollsFailed(type(error).__name__))
        else:
            self._silent_since_s = None
            if self._blind:
                self._blind = False
                self._timeline.append(PollsSucceeded())
        return changed

    def _close_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _all(self, admin: KafkaAdminClient) -> Iterator[tuple[tuple[Any, ...], Event]]:
        yield from self._of_groups(admin)
        state = self._state.now()
        self._forget(lambda about: about[0] in {"end", "distance"} and about[1].topic not in state.topics)
        led = {
            TopicPartition(topic, number): partition
            for topic, partitions in state.topics.items()
            if not topic.startswith("__")
            for number, partition in partitions.items()
            if partition.leader is not None and state.nodes[partition.leader].answers
        }
        if not led:
            return
        ends = admin.list_partition_offsets(dict.fromkeys(led, OffsetSpec.LATEST))
        for where, end in sorted(ends.items()):
            yield ("end", where), HighWatermarkMoved(where.topic, where.partition, end.offset)
        sizes = _sizes(admin, self._answering())
        for where, partition in sorted(led.items()):
            for replica in partition.replicas:
                size, most = sizes.get((where, replica)), sizes.get((where, str(partition.leader)))
                if size is not None and most is not None and replica != partition.leader:
                    about = ("distance", where, replica)
                    behind = max(0, most - size)
                    if behind or about in self._known:
                        yield about, ReplicaDistanceChanged(where.topic, where.partition, replica, behind)

    def _answering(self) -> list[int]:
        nodes = self._state.now().nodes.items()
        return [broker_id(name) for name, node in nodes if node.role == "broker" and node.answers]

    def _forget(self, which: Callable[[tuple[Any, ...]], bool]) -> None:
        self._known = {about: event for about, event in self._known.items() if not which(about)}

    def _of_groups(self, admin: KafkaAdminClient) -> Iterator[tuple[tuple[Any, ...], Event]]:
        listed = admin.list_groups(self._answering())
        names = [group["group_id"] for group in listed if group["protocol_type"] in {"consumer", ""}]
        for gone in sorted(self._groups - set(names)):
            yield ("group", gone), GroupDeleted(gone)
            self._forget(partial(_is_about_group, gone))
        self._groups = set(names)
        for name, group in sorted(admin.describe_groups(names).items() if names else ()):
            if group["error"] is not None:  # its coordinator is moving: ask again later
                continue
            yield ("group", name), _group(name, group)
            for where, committed in sorted(admin.list_group_offsets(name)[name].items()):
                yield (
                    ("offset", name, where),
                    OffsetCommitted(where.topic, where.partition, name, committed.offset),
                )


def _is_about_group(group: str, about: tuple[Any, ...]) -> bool:
    return about[0] in {"group", "offset"} and about[1] == group


def _group(name: str, described: dict[str, Any]) -> GroupChanged:
    """Return the group's members by ``client_id``, and who has what."""
    members = sorted(described["members"], key=lambda member: str(member["member_id"]))
    return GroupChanged(
        name,
        group_state=described["group_state"],
        members=tuple(member["client_id"] for member in members),
        assignments=tuple(
            f"{assigned['topic']}-{partition} {member['client_id']}"
            for member in members
            for assigned in (member["member_assignment"] or {}).get("assigned_partitions", ())
            for partition in assigned["partitions"]
        ),
    )


def _sizes(admin: KafkaAdminClient, brokers: list[int]) -> dict[tuple[TopicPartition, str], int]:
    """Return how many bytes of each partition each broker has."""
    return {
        (TopicPartition(topic["name"], partition["partition_index"]), broker_name(broker["broker"])): int(
            partition["partition_size"]
        )
        for broker in admin.describe_log_dirs(brokers=brokers)
        for folder in broker["log_dirs"]
        for topic in folder["topics"]
        for partition in topic["partitions"]
        if not partition["is_future_key"]
    }
