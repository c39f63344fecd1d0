"""What can be used of a running lab: Kafka clients, ZooKeeper, Kafka's tools, OpenIM; Lab has it all."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from kafka_lab.cluster.config import HOST, min_insync_replicas
from kafka_lab.cluster.remote import RemoteCluster
from kafka_lab.cluster.tools import run_tool
from kafka_lab.errors import ConfigurationError, FaultError, WaitTimeoutError
from kafka_lab.quorum import quorum_table
from kafka_lab.showing import visible
from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition
    from kazoo.client import KazooClient

    from kafka_lab.assembly import Assembly
    from kafka_lab.clients import LabConsumer, LabProducer
    from kafka_lab.groups import Group
    from kafka_lab.openim.clients import Library
    from kafka_lab.openim.service import OpenIM, Options
    from kafka_lab.stream import Stream
    from kafka_lab.table import Table

__all__ = ["Using"]

_ZOOKEEPER_S = 5.0
_MOST_PER_S = 1000  # messages of a stream
_kazoo_log = logging.getLogger(f"{__name__}.zookeeper")
_kazoo_log.addHandler(logging.NullHandler())


class Using(ABC):
    """Clients of the cluster, and what is built on them."""

    timeline: Timeline
    _openim: OpenIM | None
    _had_openim: bool
    _lock: threading.Lock

    @abstractmethod
    def _acting(self) -> AbstractContextManager[Assembly]:
        """Yield the running parts for an act, which is noted when it was done."""

    @property
    @abstractmethod
    def brokers(self) -> tuple[str, ...]:
        """The brokers' names."""

    @property
    @abstractmethod
    def state(self) -> ClusterState:
        """The cluster as the timeline has it at this moment."""

    @property
    @abstractmethod
    def _running(self) -> Assembly:
        """Return the running parts."""

    @property
    def bootstrap_servers(self) -> list[str]:
        """Where a client finds the brokers, as ``["127.0.0.1:...", ...]``."""
        return list(self._running.cluster.bootstrap_servers)

    @property
    def zookeeper_connect(self) -> str:
        """Where a client finds ZooKeeper, as ``"127.0.0.1:..."``.

        Raises
        ------
        ConfigurationError
            There is none (KRaft), or it is not known where it is.
        """
        cluster = self._running.cluster
        if cluster.zookeeper_connect is not None:
            return str(cluster.zookeeper_connect)
        if cluster.mode == "kraft":
            raise ConfigurationError("this lab runs in KRaft mode: it has no ZooKeeper; see quorum()")
        raise ConfigurationError("it is not known where ZooKeeper is: Lab.attach(..., zookeeper_connect=...)")

    def zookeeper(self) -> KazooClient:
        """Return a connected ZooKeeper client (kazoo) to look around with; the lab closes it.

        Raises
        ------
        WaitTimeoutError
            ZooKeeper does not answer.
        """
        from kazoo.client import KazooClient
        from kazoo.handlers.threading import KazooTimeoutError

        closers = self._running.closers
        client = KazooClient(self.zookeeper_connect, logger=_kazoo_log)
        try:
            client.start(_ZOOKEEPER_S)
        except KazooTimeoutError as error:
            client.close()
            raise WaitTimeoutError(
                "an answer of ZooKeeper", waited_s=_ZOOKEEPER_S, last_seen="none"
            ) from error
        closers.add(client.close)
        closers.add(client.stop)
        return client

    def quorum(self) -> Table:
        """Return KRaft's controllers and who else reads their log, as the active controller tells (KIP-595).

        Raises
        ------
        ConfigurationError
            The lab runs with ZooKeeper.
        WaitTimeoutError
            The quorum has no leader.
        """
        if self._running.cluster.mode != "kraft":
            raise ConfigurationError("this lab runs with ZooKeeper: it has no quorum; see zookeeper()")
        return quorum_table(self._running.clients.admin)

    def tool(self, name: str, *arguments: str) -> str:
        """Run one of Kafka's own command-line tools against the lab and return what it prints.

        Parameters
        ----------
        name : str
            ``"topics"`` for what a Kafka installation calls ``kafka-topics.sh``; also
            ``"consumer-groups"``, ``"configs"``, ``"log-dirs"``, ``"leader-election"``.
        *arguments : str
            Its arguments; ``--bootstrap-server`` is added.

        Raises
        ------
        ConfigurationError
            There is no such tool, or it refused its arguments (with what it said).

        Examples
        --------
        ``print(lab.tool("topics", "--describe", "--topic", "chat"))``
        """
        running = self._running
        return run_tool(running.cluster, name, *arguments, client_settings=running.clients.settings)

    def address_of(self, node: str) -> tuple[str, int]:
        """Return host and port where a node listens for clients.

        Raises
        ------
        ConfigurationError
            There is no such node.
        """
        return HOST, int(self._running.cluster.node(node).client_port)

    def admin(self, **settings: Any) -> KafkaAdminClient:  # noqa: ANN401 - kafka-python's settings
        """Return a kafka-python admin client for this lab, to be used in a ``with`` statement.

        Raises
        ------
        ClosedError
            The lab does not run.
        """
        return self._running.clients.admin(**settings)

    def producer(self, **settings: Any) -> LabProducer:  # noqa: ANN401 - kafka-python's settings
        """Return a kafka-python producer for this lab (acks=all, idempotent), closed with it.

        Raises
        ------
        ClosedError
            The lab does not run.
        """
        return self._running.clients.producer(**settings)

    def consumer(self, *topics: str, group_id: str | None = None, **settings: Any) -> LabConsumer:  # noqa: ANN401
        """Return a kafka-python consumer for this lab, closed with it.

        It begins at the earliest record where its group has no offset, and commits only when told to.

        Raises
        ------
        ClosedError
            The lab does not run.
        """
        return self._running.clients.consumer(*topics, group_id=group_id, **settings)

    def stream(self, topic: str, *, per_s: float = 10.0, keys: int = 3) -> Stream:
        """Send numbered messages to a topic from now on, in a thread; ``close()`` ends it, as the lab's does.

        Parameters
        ----------
        topic : str
            Where to.
        per_s : float, default 10
            How many a second, 1000 at most.
        keys : int, default 3
            How many different keys in turn; 0 for messages without a key.

        Raises
        ------
        ConfigurationError
            There is no such topic, or a number is out of range.
        ClosedError
            The lab does not run.
        """
        from kafka_lab.stream import Stream

        running = self._running
        self.state.partitions_of(topic)  # says so if there is none
        if not 0 < per_s <= _MOST_PER_S:
            raise ConfigurationError(f"per_s is {per_s}; expected above 0, at most {_MOST_PER_S}")
        if keys < 0:
            raise ConfigurationError(f"keys is {keys}; expected 0 or more")
        stream = Stream(running.clients.producer(client_id=f"stream-{topic}"), topic, per_s, keys)
        running.closers.add(stream.close)
        stream.start()
        return stream

    def group(
        self,
        name: str,
        topics: Sequence[str],
        *,
        members: int = 1,
        strategy: str = "range",
        commit: str = "after",
        handle: Callable[[list[Any]], object] | None = None,
        start_at: Callable[[TopicPartition], int | None] | None = None,
        **settings: Any,  # noqa: ANN401 - kafka-python's settings
    ) -> Group:
        """Start a consumer group whose members are threads of the lab, until its ``close()`` or the lab's.

        Parameters
        ----------
        name : str
            The group's ID.
        topics : sequence of str
            What it reads, from the earliest record on where the group has no offset yet.
        members : int, default 1
            How many, 20 at most; ``add_member()`` adds more.
        strategy : str, default "range"
            How partitions are shared out: also ``"round-robin"``, ``"sticky"``, ``"cooperative-sticky"``.
        commit : str, default "after"
            When offsets are committed: after a batch was handled (at least once), ``"before"`` it is (at most
            once), or ``"never"``.
        handle : callable, optional
            Is given each batch, a list of kafka-python's records.
        start_at : callable, optional
            Returns where to begin in a :class:`kafka.TopicPartition`, for offsets kept outside Kafka.
        **settings
            kafka-python's consumer settings; ``session_timeout_ms`` is 3000 here, ``max_poll_interval_ms``
            5000.

        Raises
        ------
        ConfigurationError
            There is no such topic, strategy or commit, or a number is out of range.
        ClosedError
            The lab does not run.
        """
        from kafka_lab.groups import Group, Way
        from kafka_lab.groups.group import MOST_MEMBERS

        running = self._running
        if isinstance(topics, str):
            topics = [topics]
        for topic in topics:
            self.state.partitions_of(topic)  # says so if there is none
        if type(members) is not int or not 0 <= members <= MOST_MEMBERS:
            raise ConfigurationError(
                f"members is {members!r}; expected a whole number from 0 to {MOST_MEMBERS}"
            )
        group = Group(
            name,
            topics,
            Way(strategy, commit, handle, start_at, settings),
            consumer=running.clients.consumer,
            admin=running.clients.admin,
            timeline=self.timeline,
            state=lambda: self.state,
        )
        running.closers.add(group.close)
        for _ in range(members):
            group.add_member()
        return group

    def read(self, topic: str) -> list[Any]:
        """Read a topic from its beginning to its present end, and return the records as they came.

        Raises
        ------
        ClosedError
            The lab does not run.
        ConfigurationError
            There is no such topic.
        WaitTimeoutError
            The end was not reached: a partition has no leader.
        """
        clients = self._running.clients
        self.state.partitions_of(topic)  # says so if there is none
        return clients.read(topic)

    def openim(self, **options: Any) -> OpenIM:  # noqa: ANN401 - those of Options
        """Return the lab's OpenIM: gateway, workers and inboxes, started at the first call.

        Parameters
        ----------
        follow : str, default "article"
            Which content types are taken: those of the article's table, or with ``"server"`` those that a
            v2.1.0 server takes on this call.
        idempotent : bool, default False
            Recognise a repeated request by its operationID; OpenIM does not.
        commit : str, default "with_store"
            When workers commit offsets: once a batch is stored, or ``"before_store"`` as OpenIM v2.1.0
            does: a crash then loses the batch.
        seq : str, default "atomic"
            How seqs are allotted; ``"get_set"`` as OpenIM v2.1.0 does: right only while one user is one
            partition.
        partitioner : str, default "sarama"
            How producers pick a partition: as OpenIM's, or ``"murmur2"`` as other clients of Kafka do.
        client : str, default "kafka-python"
            Which library carries gateway and workers; ``"confluent-kafka"`` (to be installed with
            ``pip install 'kafka-lab[confluent]'``) carries larger loads.

        Raises
        ------
        ClosedError
            The lab does not run.
        ConfigurationError
            There is no such option, or OpenIM runs already with others: ``lab.close_openim()`` ends it first.
        """
        from kafka_lab.openim.service import Options

        try:
            wanted = Options(**options)
        except TypeError as error:
            raise ConfigurationError(f"lab.openim: {error}") from error
        with self._lock:
            if self._openim is None:
                return self._start_openim(wanted)
            if options and wanted != self._openim.options:
                raise ConfigurationError(
                    f"OpenIM runs already, with {self._openim.options}; lab.close_openim() ends it first"
                )
            return self._openim

    def close_openim(self) -> None:
        """End OpenIM, if it runs; its topics and inboxes stay, and :meth:`openim` starts it again.

        Raises
        ------
        ExceptionGroup
            A worker had failed.
        """
        with self._lock:
            if self._openim is not None:
                service, self._openim = self._openim, None
                service.close()

    def clear(self) -> None:
        """Heal everything, close this lab's clients, and delete all topics and consumer groups.

        The cluster goes on as if it were new, within a second if nothing was broken. So does its timeline.

        Raises
        ------
        FaultError
            The cluster is somebody else's.
        KafkaLabError
            Something did not come back, or did not go, such as a group with members that are not the lab's.
        """
        if not self._running.cluster.ours:
            raise FaultError("this cluster is somebody else's: the lab does not delete all that is in it")
        with self._acting() as running, visible("Clearing the cluster") as report:
            try:
                self.close_openim()
            finally:
                running.clients.close()
                running.faults.heal_all(report)
                running.topics.delete_everything()
                for file in running.cluster.folder.glob("inbox.sqlite*"):
                    file.unlink()

    def _check_nobody_else_has_openim(self, running: Assembly) -> None:
        """Refuse to share OpenIM's groups with another program: each would get some of the messages.

        Raises
        ------
        ConfigurationError
            Another program has it.
        """
        from kafka_lab.openim.records import HISTORY_GROUP, MESSAGES_TOPIC

        state = self.state
        taken = HISTORY_GROUP in state.groups and bool(state.groups[HISTORY_GROUP].members)
        if (
            isinstance(running.cluster, RemoteCluster)
            and not self._had_openim  # what is still there is its own
            and (taken or (not running.cluster.ours and MESSAGES_TOPIC in state.topics))
        ):
            raise ConfigurationError(
                "this cluster has an OpenIM already, in another program: its workers and yours would share "
                "the messages. Use that one's gateway, or `kafka-lab send`"
            )

    def _start_openim(self, options: Options) -> OpenIM:
        from kafka_lab.openim import records
        from kafka_lab.openim.service import OpenIM

        running = self._running
        self._check_nobody_else_has_openim(running)
        library = _library(running, self.timeline, options)
        enough = str(min_insync_replicas(len(self.brokers)))
        topics = dict.fromkeys(
            (records.MESSAGES_TOPIC, records.MONGO_TOPIC, records.PUSH_TOPIC), records.PARTITIONS
        )
        for topic, partitions in {**topics, records.DEAD_LETTERS: 1}.items():
            if topic not in self.state.topics:
                running.topics.create(topic, partitions, None, {"min.insync.replicas": enough})
        service = OpenIM(
            self.timeline,
            library=library,
            database=running.cluster.folder / "inbox.sqlite",
            delivery_timeout_ms=running.clients.delivery_timeout_ms,
            options=options,
        )
        try:
            service.start()
        except BaseException:
            service.close()
            raise
        running.closers.add(service.close)
        self._openim, self._had_openim = service, True
        return service


def _library(running: Assembly, timeline: Timeline, options: Options) -> Library:
    """Return what makes the clients of OpenIM's gateway and workers.

    Raises
    ------
    ConfigurationError
        The one that was asked for is not installed, or cannot reach this cluster.
    """
    from kafka_lab.openim.clients import KafkaPython

    clients = running.clients
    if options.client == "kafka-python":
        return KafkaPython(clients.producer, clients.consumer, options.partitioner)
    if clients.settings:
        raise ConfigurationError("client='confluent-kafka' does not know kafka-python's client settings")
    try:
        from kafka_lab.openim.librdkafka import Librdkafka
    except ImportError as error:
        raise ConfigurationError(
            "confluent-kafka is not installed: pip install 'kafka-lab[confluent]'"
        ) from error
    return Librdkafka(
        timeline,
        lambda: running.cluster.bootstrap_servers,
        clients.numbers,
        clients.delivery_timeout_ms,
        options.partitioner,
    )
