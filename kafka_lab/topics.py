"""Making topics: arguments checked before Kafka is asked, and done when every partition is led."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping

from kafka import KafkaAdminClient
from kafka.errors import BrokerResponseError, KafkaError, RetriableError, TopicAlreadyExistsError

from kafka_lab.errors import ConfigurationError, WaitTimeoutError
from kafka_lab.state import LiveState
from kafka_lab.timeline import Timeline

__all__ = ["Topics"]

_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")  # Kafka's own rule
_WAIT_S = 30.0
_AGAIN_S = 0.1


class Topics:
    """The topics of one cluster.

    Parameters
    ----------
    timeline : Timeline
        Where new topics and their leaders appear.
    state : LiveState
        The state of ``timeline``.
    new_admin : callable
        Returns a :class:`kafka.KafkaAdminClient` to use once.
    brokers : int
        How many brokers there are.
    """

    def __init__(
        self,
        timeline: Timeline,
        state: LiveState,
        new_admin: Callable[[], KafkaAdminClient],
        brokers: int,
    ) -> None:
        self._timeline = timeline
        self._state = state
        self._new_admin = new_admin
        self._brokers = brokers

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
        copies = min(3, self._brokers) if replication_factor is None else replication_factor
        self._check(topic, partitions, copies)
        description = {
            "num_partitions": partitions,
            "replication_factor": copies,
            "configs": dict(config or {}),
        }
        self._ask({topic: description}, f"the topic {topic!r}")

        def all_led() -> bool | None:
            led = [p for p in self._state.now().topics.get(topic, {}).values() if p.leader]
            return True if len(led) == partitions else None

        self._timeline.wait_until(
            all_led, timeout_s=_WAIT_S, expected=f"a leader for each partition of {topic}"
        )

    def _ask(self, descriptions: dict[str, object], what: str) -> None:
        """Create topics, asking again while the brokers are electing, restarting or not to be reached.

        Raises
        ------
        ConfigurationError
            Kafka refuses it.
        WaitTimeoutError
            No controller answered in time.
        """
        deadline = time.monotonic() + _WAIT_S
        pause = threading.Event()
        asked_before = False
        while True:
            try:
                with self._new_admin() as admin:
                    admin.create_topics(descriptions)
                return
            except TopicAlreadyExistsError as error:
                if asked_before:  # the answer to the first time was lost
                    return
                raise ConfigurationError(f"{what} was not created: {error}") from error
            except KafkaError as error:
                if isinstance(error, BrokerResponseError) and not isinstance(error, RetriableError):
                    raise ConfigurationError(f"{what} was not created: {error}") from error
                if time.monotonic() > deadline:
                    raise WaitTimeoutError(
                        f"the creation of {what}", waited_s=_WAIT_S, last_seen=repr(error)
                    ) from error
            asked_before = True
            pause.wait(_AGAIN_S)

    def _check(self, topic: str, partitions: int, copies: int) -> None:
        if not isinstance(topic, str) or not _NAME.fullmatch(topic):
            raise ConfigurationError(
                f"topic is {topic!r}; expected 1 to 249 letters, digits, '.', '_' or '-'"
            )
        if topic in self._state.now().topics:
            raise ConfigurationError(f"there is a topic {topic!r} already")
        if type(partitions) is not int or partitions < 1:
            raise ConfigurationError(f"partitions is {partitions!r}; expected a whole number from 1 on")
        if type(copies) is not int or not 1 <= copies <= self._brokers:
            raise ConfigurationError(
                f"replication_factor is {copies!r}; expected 1 to {self._brokers}: "
                "replicas of a partition live on different brokers"
            )
