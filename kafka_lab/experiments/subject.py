"""What the experiments need of a lab, so that each can be read, and tried, without one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kafka_lab.clients import LabConsumer, LabProducer
from kafka_lab.faults import Fault
from kafka_lab.groups import Group
from kafka_lab.logfiles import PartitionLog
from kafka_lab.openim.service import OpenIM
from kafka_lab.state import ClusterState
from kafka_lab.stream import Stream
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline

__all__ = ["Subject", "new_topic_name"]


class Subject(Protocol):
    """A running lab; :class:`kafka_lab.Lab` documents what each does."""

    timeline: Timeline

    @property
    def brokers(self) -> tuple[str, ...]:
        """The brokers' names."""

    @property
    def state(self) -> ClusterState:
        """The cluster at this moment."""

    def create_topic(
        self,
        topic: str,
        *,
        partitions: int = 1,
        replication_factor: int | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic."""

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions."""

    def configure_topic(self, topic: str, config: Mapping[str, str | None]) -> None:
        """Change a topic's settings."""

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Take the records before an offset away."""

    def leader_of(self, topic: str, partition: int) -> str | None:
        """Return the leader of a partition."""

    def isr_of(self, topic: str, partition: int) -> tuple[str, ...]:
        """Return the in-sync replicas of a partition."""

    def kill(self, node: str, *, skip_wait: bool = False) -> Fault:
        """End a node at once."""

    def stop(self, node: str) -> Fault:
        """End a node in order."""

    def restart(self, node: str) -> None:
        """Start a node that is down."""

    def pause(self, node: str) -> Fault:
        """Freeze a node."""

    def resume(self, node: str) -> None:
        """Let a frozen node go on."""

    def cut(self, a: str, b: str) -> Fault:
        """Cut a link."""

    def drop_responses(self, a: str, b: str) -> Fault:
        """Lose answers."""

    def heal(self, a: str, b: str) -> None:
        """Make a link whole."""

    def heal_all(self) -> None:
        """Bring everything back."""

    def elect_unclean(self, topic: str, partition: int) -> None:
        """Let a replica lead that is not in sync."""

    @property
    def has_links(self) -> bool:
        """Whether links can be cut and slowed."""

    def controller(self) -> str | None:
        """Return the controller."""

    def slow(self, a: str, b: str, *, latency_ms: float) -> Fault:
        """Delay a link."""

    def add_broker(self, broker_id: int | None = None) -> str:
        """Start one more broker."""

    def remove_broker(self, broker: str) -> None:
        """Take a broker out."""

    def reassign(self, topic: str, partition: int, replicas: Sequence[str]) -> None:
        """Let other brokers keep a partition."""

    def data_folder(self, node: str) -> Path:
        """Return the folder in which a node keeps its data."""

    def address_of(self, node: str) -> tuple[str, int]:
        """Return where a node listens for clients."""

    def zookeeper(self) -> Any:  # noqa: ANN401 - kazoo has no types
        """Return a ZooKeeper client."""

    def quorum(self) -> Table:
        """Return KRaft's quorum."""

    def admin(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        """Return an admin client."""

    def stream(self, topic: str, *, per_s: float = 10.0, keys: int = 3) -> Stream:
        """Send messages all the time."""

    def openim(self) -> OpenIM:
        """Return the lab's OpenIM."""

    def producer(self, **settings: Any) -> LabProducer:  # noqa: ANN401 - kafka-python's settings
        """Return a producer."""

    def consumer(self, *topics: str, **settings: Any) -> LabConsumer:  # noqa: ANN401
        """Return a consumer."""

    def group(self, name: str, topics: Sequence[str], **how: Any) -> Group:  # noqa: ANN401
        """Start a consumer group."""

    def log_files(self, topic: str, partition: int, node: str | None = None) -> PartitionLog:
        """Return what a broker has of a partition on disk."""

    def read(self, topic: str) -> list[Any]:
        """Read a topic from its beginning to its end."""


def new_topic_name(lab: Subject, stem: str) -> str:
    """Return a name that no topic has yet, such as ``durability-3``."""
    return next(name for n in itertools.count(1) if (name := f"{stem}-{n}") not in lab.state.topics)
