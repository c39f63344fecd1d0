"""Making topics: arguments checked before Kafka is asked, and done when every partition is led."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from kafka_lab.asking import ask
from kafka_lab.errors import ConfigurationError
from kafka_lab.events import GroupDeleted, TopicDeleted
from kafka_lab.history import History
from kafka_lab.timeline import Timeline

__all__ = ["Topics"]

_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")  # Kafka's own rule
_WAIT_S = 30.0


class Topics:
    """The topics of one cluster.

    Parameters
    ----------
    timeline : Timeline
        Where new topics and their leaders appear.
    state : History
        The state of ``timeline``.
    new_admin : callable
        Returns a :class:`kafka.KafkaAdminClient` to use once.
    """

    def __init__(self, timeline: Timeline, state: History, new_admin: Callable[[], KafkaAdminClient]) -> None:
        self._timeline = timeline
        self._state = state
        self._new_admin = new_admin

    def create(
        self,
        topic: str,
        partitions: int,
        replication_factor: int | None,
        config: Mapping[str, str] | None,
    ) -> None:
        """Create a topic as :meth:`kafka_lab.Lab.create_topic` describes.

        Raises
        ------
        ConfigurationError
            An argument is not valid, or the topic exists.
        WaitTimeoutError
            No leaders within 30 s.
        """
        brokers = len(self._state.now().brokers)
        copies = min(3, brokers) if replication_factor is None else replication_factor
        self._check(topic, partitions, copies, brokers)
        description = {
            "num_partitions": partitions,
            "replication_factor": copies,
            "configs": dict(config or {}),
        }
        asked_before = False

        def create(admin: KafkaAdminClient) -> None:
            nonlocal asked_before
            try:
                admin.create_topics({topic: description})
            except TopicAlreadyExistsError as error:
                if asked_before:  # the answer to the first time was lost
                    return
                if self._is_going(topic):
                    raise RuntimeError(f"a broker still has {topic}, which was deleted") from error
                raise
            except BaseException:
                asked_before = True
                raise

        ask(self._new_admin, create, f"the creation of topic {topic!r}")
        self._wait_until_led(topic, partitions)

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions as :meth:`kafka_lab.Lab.add_partitions` describes.

        Raises
        ------
        ConfigurationError
            An argument is not valid.
        WaitTimeoutError
            No leaders within 30 s.
        """
        present = len(self._state.now().partitions_of(topic))
        if type(total) is not int or total <= present:
            raise ConfigurationError(
                f"total is {total!r}; expected more than the {present} that {topic} has: "
                "Kafka takes no partition away"
            )

        def add(admin: KafkaAdminClient) -> None:
            if len(self._state.now().topics[topic]) < total:
                admin.create_partitions({topic: total})

        ask(self._new_admin, add, f"more partitions for {topic}")
        self._wait_until_led(topic, total)

    def configure(self, topic: str, config: Mapping[str, str | None]) -> None:
        """Change settings as :meth:`kafka_lab.Lab.configure_topic` describes.

        Raises
        ------
        ConfigurationError
            There is no such topic, or Kafka refuses a setting.
        """
        self._state.now().partitions_of(topic)  # says so if there is none
        changes = {
            key: (AlterConfigOp.DELETE, None) if value is None else (AlterConfigOp.SET, value)
            for key, value in config.items()
        }
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=changes)

        def change(admin: KafkaAdminClient) -> None:
            answers = admin.alter_configs([resource], raise_on_unknown=False)
            refused = next(
                (said for each in answers.values() for said in each.values() if said != "OK"), None
            )
            if refused:
                raise ConfigurationError(f"Kafka refuses {dict(config)} for {topic}: {refused}")

        ask(self._new_admin, change, f"settings of {topic}")

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Take records away as :meth:`kafka_lab.Lab.delete_records` describes.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition, or it does not reach as far.
        """
        self._state.now().partition_of(topic, partition)
        where = TopicPartition(topic, partition)
        ask(
            self._new_admin,
            lambda admin: admin.delete_records({where: before_offset}),
            f"the deletion of what {topic}-{partition} has before offset {before_offset}",
        )

    def delete(self, *topics: str, wait: bool = True) -> None:
        """Delete topics, and return when they are gone, or when they are sure to go.

        Raises
        ------
        ConfigurationError
            There is no such topic.
        WaitTimeoutError
            One was still there after 30 s, such as when a broker is down.
        """
        for topic in topics:
            self._state.now().partitions_of(topic)  # says so if there is none

        def remove(admin: KafkaAdminClient) -> None:
            with contextlib.suppress(UnknownTopicOrPartitionError):  # the answer to the first time was lost
                admin.delete_topics(list(topics))

        named = ", ".join(topics)
        ask(self._new_admin, remove, f"the deletion of {named}")
        if wait:
            self._timeline.wait_until(
                lambda: not set(topics) & set(self._state.now().topics) or None,
                timeout_s=_WAIT_S,
                expected=f"the end of {named}",
            )

    def delete_everything(self) -> None:
        """Delete all topics that are not Kafka's own, and all consumer groups.

        Raises
        ------
        WaitTimeoutError
            Something was still there after 30 s, such as a group with members that are not the lab's.
        """
        if topics := [name for name in self._state.now().topics if not name.startswith("__")]:
            self.delete(*topics)

        def remove(admin: KafkaAdminClient) -> list[str]:
            groups = [str(group["group_id"]) for group in admin.list_groups()]
            answers: dict[str, str] = admin.delete_groups(groups) if groups else {}
            for group, answer in answers.items():
                if answer not in {"OK", "GroupIdNotFoundError"}:  # it is gone: an earlier answer was lost
                    raise RuntimeError(f"group {group}: {answer}")  # it has members yet, or moves
            return groups

        for group in ask(self._new_admin, remove, "the deletion of the consumer groups"):
            if group in self._state.now().groups:
                self._timeline.append(GroupDeleted(group))

    def _is_going(self, topic: str) -> bool:
        """Whether a topic was deleted, which brokers hear a moment after ZooKeeper's watches tell of it."""
        deleted = self._timeline.find(TopicDeleted, topic=topic) is not None
        return deleted and topic not in self._state.now().topics

    def _wait_until_led(self, topic: str, partitions: int) -> None:
        def all_led() -> bool | None:
            led = [p for p in self._state.now().topics.get(topic, {}).values() if p.leader]
            return True if len(led) == partitions else None

        self._timeline.wait_until(
            all_led, timeout_s=_WAIT_S, expected=f"a leader for each partition of {topic}"
        )

    def _check(self, topic: str, partitions: int, copies: int, brokers: int) -> None:
        if not isinstance(topic, str) or not _NAME.fullmatch(topic):
            raise ConfigurationError(
                f"topic is {topic!r}; expected 1 to 249 letters, digits, '.', '_' or '-'"
            )
        if topic in self._state.now().topics:
            raise ConfigurationError(f"there is a topic {topic!r} already")
        if type(partitions) is not int or partitions < 1:
            raise ConfigurationError(f"partitions is {partitions!r}; expected a whole number from 1 on")
        if type(copies) is not int or not 1 <= copies <= brokers:
            raise ConfigurationError(
                f"replication_factor is {copies!r}; expected 1 to {brokers}: "
                "replicas of a partition live on different brokers"
            )
