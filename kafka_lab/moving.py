"""The acts of a lab that change the cluster without breaking it; :class:`kafka_lab.Lab` has them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from kafka_lab.showing import visible

if TYPE_CHECKING:
    from kafka_lab.assembly import Assembly

__all__ = ["Moving"]


class Moving(ABC):
    """Makes topics, elects leaders, moves partitions, adds and removes brokers."""

    @abstractmethod
    def _acting(self) -> AbstractContextManager[Assembly]:
        """Yield the running parts for an act, which is noted when it was done."""

    def create_topic(
        self,
        topic: str,
        *,
        partitions: int = 1,
        replication_factor: int | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic, and return when each of its partitions has a leader.

        Parameters
        ----------
        topic : str
            Letters, digits, ``.``, ``_`` and ``-``.
        partitions : int, default 1
            How many partitions.
        replication_factor : int, optional
            How many replicas each partition has; by default three, or as many as there are brokers.
        config : mapping, optional
            Topic settings by Kafka's keys, such as ``{"min.insync.replicas": "2"}``.

        Raises
        ------
        ConfigurationError
            An argument is not valid, or the topic exists.
        WaitTimeoutError
            No leaders within 30 s.
        """
        with self._acting() as running:
            running.topics.create(topic, partitions, replication_factor, config)

    def delete_topic(self, topic: str, *, wait: bool = True) -> None:
        """Delete a topic, and return when it is gone.

        Parameters
        ----------
        topic : str
            Which.
        wait : bool, default True
            False returns as soon as the controller has the order. It takes some tenths of a second until the
            topic is gone; its name is free then.

        Raises
        ------
        ConfigurationError
            There is no such topic.
        WaitTimeoutError
            It was still there after 30 s, such as when a broker is down.
        """
        with self._acting() as running:
            running.topics.delete(topic, wait=wait)

    def configure_topic(self, topic: str, config: Mapping[str, str | None]) -> None:
        """Change a topic's settings while it is used; those that are not named stay as they are.

        Parameters
        ----------
        topic : str
            Whose.
        config : mapping
            By Kafka's keys, such as ``{"retention.ms": "60000"}``; None gives a setting the brokers' value
            again.

        Raises
        ------
        ConfigurationError
            There is no such topic, or Kafka refuses a setting.
        """
        with self._acting() as running:
            running.topics.configure(topic, config)

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Take away the records before an offset (KIP-107); the partition begins there from now on.

        Whole segments leave the disk some time after that, when retention is looked after.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition, or it does not reach as far.
        """
        with self._acting() as running:
            running.topics.delete_records(topic, partition, before_offset)

    def elect_preferred(self, topic: str, partition: int | None = None) -> None:
        """Elect the preferred leader, the first replica of the assignment; return when it leads.

        Brokers that were down lead nothing when they are back, until this is done. Kafka does it by itself
        every five minutes (``auto.leader.rebalance.enable``), which the lab's profiles switch off.

        Parameters
        ----------
        topic : str
            Whose partitions.
        partition : int, optional
            Which of them; all by default.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        FaultError
            The preferred leader is not in sync.
        """
        with self._acting() as running:
            running.moves.elect_preferred(topic, partition)

    def elect_unclean(self, topic: str, partition: int) -> None:
        """Let a replica lead that is alive but not in sync: **what it does not have is lost** (KIP-460).

        For a partition without a leader, whose in-sync replicas are all down. Returns when it is led.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        FaultError
            It has a leader, or no living replica.
        """
        with self._acting() as running:
            running.moves.elect_unclean(topic, partition)

    def reassign(self, topic: str, partition: int, replicas: Sequence[str]) -> None:
        """Let other brokers keep a partition (KIP-455); return when they all have it, or call it off.

        Parameters
        ----------
        topic, partition
            Which.
        replicas : sequence of str
            The brokers, the preferred leader first.

        Raises
        ------
        ConfigurationError
            There is no such topic, partition or broker.
        WaitTimeoutError
            It did not end within 120 s, such as when a broker is down; it was called off.

        Examples
        --------
        ``lab.reassign("chat", 0, ["broker-2", "broker-3"])``
        """
        with self._acting() as running, visible(f"Moving {topic}-{partition}") as report:
            running.moves.reassign(topic, partition, replicas, report)

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions, ``total`` in all; return when each of them has a leader.

        Keys go to other partitions from then on, so the order of a key's messages is not kept over this.

        Raises
        ------
        ConfigurationError
            There is no such topic, or it has that many partitions already.
        """
        with self._acting() as running:
            running.topics.add_partitions(topic, total)

    def add_broker(self, broker_id: int | None = None) -> str:
        """Start one more broker; it has no partitions until some are created or moved there.

        Parameters
        ----------
        broker_id : int, optional
            Its ``broker.id``, such as 4711; by default the next one.

        Returns
        -------
        str
            Its name, such as ``"broker-4711"``.

        Raises
        ------
        ConfigurationError
            The id is taken, or is none.
        FaultError
            ZooKeeper is down.
        NodeStartError, WaitTimeoutError
            It did not start, and is gone again.
        """
        with self._acting() as running, visible("Adding a broker"):
            running.faults.nodes.check_keepers("a new broker")
            return running.moves.add_broker(broker_id)

    def remove_broker(self, broker: str) -> None:
        """Move a broker's partitions to the others, stop it, and forget it with its data.

        Raises
        ------
        ConfigurationError
            There is no such broker, or the others are too few for its replicas.
        FaultError
            Something is wrong with it or its links: heal that first.
        WaitTimeoutError
            The partitions could not be moved; the broker stays.
        """
        with self._acting() as running, visible(f"Removing {broker}") as report:
            running.faults.check_whole(broker)
            running.moves.remove_broker(broker, report)
