"""The lab: the one name a person talks to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kafka_lab import cells
from kafka_lab.breaking import Breaking
from kafka_lab.cluster.config import min_insync_replicas
from kafka_lab.cluster.config import profile as profile_named
from kafka_lab.cluster.distribution import prepare
from kafka_lab.cluster.tools import run_tool
from kafka_lab.errors import ClosedError, ConfigurationError, WaitTimeoutError
from kafka_lab.events import Event
from kafka_lab.looking import Looking
from kafka_lab.moving import Moving
from kafka_lab.showing import visible
from kafka_lab.state import LiveState, broker_name
from kafka_lab.timeline import Timeline

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from kafka_lab.assembly import Assembly
    from kafka_lab.clients import LabConsumer, LabProducer
    from kafka_lab.openim.service import OpenIM

__all__ = ["Lab"]

E = TypeVar("E", bound=Event)

_MOST_BROKERS = 9
_WAIT_S = 30.0
_ZOOKEEPER_S = 5.0
_kazoo_log = logging.getLogger(f"{__name__}.zookeeper")
_kazoo_log.addHandler(logging.NullHandler())


class Lab(Breaking, Moving, Looking):
    """A real local Kafka cluster to use, to break and to watch.

    Parameters
    ----------
    brokers : int, default 3
        How many Kafka brokers, 1 to 9.
    profile : str, default "lab"
        How fast failures are noticed: ``"lab"`` takes about two seconds, ``"fast"`` one, ``"kafka-defaults"``
        (Kafka's values as shipped) up to 18. ``"fragile"`` is like ``"lab"`` but can lose messages.
    settings : mapping, optional
        Further broker settings by Kafka's configuration keys, such as ``{"log.segment.bytes": "1048576"}``.
    links : bool, default False
        Lead all connections through links that can be cut, slowed and reset (see :meth:`cut`). They cost some
        throughput: measure without them.

    Attributes
    ----------
    timeline : Timeline
        Everything that happened, in order.
    brokers : tuple of str
        The brokers' names; ``broker-N`` has the ``broker.id`` N.

    Raises
    ------
    ConfigurationError
        An argument is not valid.

    Examples
    --------
    In a script ``with`` closes the lab::

        with Lab(brokers=3) as lab:
            lab.create_topic("chat", partitions=6, replication_factor=3)

    In a notebook a lab lives over many cells: ``lab = Lab().start()``, and ``lab.close()`` in the last.
    """

    def __init__(
        self,
        brokers: int = 3,
        profile: str = "lab",
        settings: Mapping[str, str] | None = None,
        *,
        links: bool = False,
    ) -> None:
        if type(brokers) is not int or not 1 <= brokers <= _MOST_BROKERS:
            raise ConfigurationError(
                f"brokers is {brokers!r}; expected a whole number from 1 to {_MOST_BROKERS}"
            )
        self._profile = profile_named(profile).with_settings(settings or {})
        self._links = links
        self.timeline = Timeline()
        self.brokers = tuple(map(broker_name, range(1, brokers + 1)))
        self._state = LiveState(self.timeline)
        self._assembly: Assembly | None = None
        self._openim: OpenIM | None = None
        self._lock = threading.Lock()
        self._used = False
        self._last_act = 0  # the timeline's length when somebody last did something

    # Life ----------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start ZooKeeper and the brokers, and return the lab when it is ready.

        Ready means: every broker registered in ZooKeeper, a controller, metadata that list all brokers,
        and a message acknowledged by all in-sync replicas. The first start on a machine downloads Kafka.
        In a notebook, starting again in the same cell closes the lab that the cell started before.

        Raises
        ------
        ConfigurationError
            There is no Java to run it, Kafka cannot be had (DistributionError), or the disk is full.
        NodeStartError
            A node exited while starting; it shows the node's last words.
        ClosedError
            This lab was started before.
        """
        if self._used:
            raise ClosedError("this lab was started before: make a new one with Lab(...)")
        if cells.replace(self.close):
            print("Closed the lab that this cell started before.")  # noqa: T201 - a notebook's answer
        self._used = True
        with visible(f"Starting ZooKeeper and {len(self.brokers)} brokers") as report:
            distribution = prepare(report)
            from kafka_lab.assembly import assemble

            try:
                self._assembly = assemble(
                    self.timeline,
                    self._state,
                    brokers=len(self.brokers),
                    profile=self._profile,
                    links=self._links,
                    distribution=distribution,
                    report=report,
                )
            except OSError as error:
                raise ConfigurationError(
                    f"the lab could not be started: {error}; it needs some 200 MB of disk in its cache "
                    "folder, which KAFKA_LAB_CACHE moves"
                ) from error
        return self

    def close(self) -> None:
        """Stop everything and remove the cluster's folder; the timeline stays.

        It may be called twice; interrupted, it can be called again to finish.

        Raises
        ------
        ExceptionGroup
            Something could not be closed in order; everything is closed all the same.
        """
        if self._assembly is None:
            return
        self.timeline.end()  # the pictures stay as they are: the end of a lesson is no failure
        try:
            self._assembly.closers.close("the lab")
        finally:
            self._assembly.cluster.close()
            self._assembly = self._openim = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _running(self) -> Assembly:
        self._check_started()
        if self._assembly is None:
            raise ClosedError("this lab is closed: make a new one")
        return self._assembly

    def _condition(self) -> str:
        if self._assembly is not None:
            return "running"
        return "closed" if self._used else "not started: call start()"

    def _log_file(self, node: str) -> str:
        if self._assembly is None:
            return "(removed)"
        return str(self._assembly.cluster.node(node).process.log_path)

    def _check_started(self) -> None:
        """Say what to do first.

        Raises
        ------
        ClosedError
            The lab was never started.
        """
        if not self._used:
            raise ClosedError("this lab is not started: call start()")

    # Where things are ----------------------------------------------------------------------------

    @property
    def bootstrap_servers(self) -> list[str]:
        """Where a client finds the brokers, as ``["127.0.0.1:...", ...]``."""
        return self._running.cluster.bootstrap_servers

    @property
    def zookeeper_connect(self) -> str:
        """Where a client finds ZooKeeper, as ``"127.0.0.1:..."``."""
        return self._running.cluster.zookeeper_connect

    def data_folder(self, node: str) -> Path:
        """Return the folder in which a node keeps its data: a broker's has one folder per replica."""
        return self._running.cluster.node(node).data

    def log(self, node: str) -> str:
        """Return the last 16 KiB that a node wrote to its log.

        Raises
        ------
        ConfigurationError
            There is no such node.
        """
        return self._running.cluster.node(node).process.log_text()

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
        return run_tool(self._running.cluster, name, *arguments)

    # Acts ----------------------------------------------------------------------------------------

    def wait_for(
        self,
        kind: type[E],
        *,
        timeout_s: float = _WAIT_S,
        since: int | None = None,
        **fields: object,
    ) -> E:
        """Return the first event of a kind since the last act on this lab; wait if it is still to come.

        An act is a call such as :meth:`kill`, :meth:`restart` or :meth:`create_topic`.

        Parameters
        ----------
        kind : type
            A class of :mod:`kafka_lab.events`, such as ``LeaderChanged``.
        timeout_s : float, default 30
            How long to wait at most, in seconds.
        since : int, optional
            Look from this ``seq`` of the timeline on, instead of from the last act.
        **fields
            What the event's fields must be, such as ``topic="chat", partition=0``.

        Raises
        ------
        WaitTimeoutError
            It did not happen; the error says what was last seen.
        """
        self._check_started()
        begin = self._last_act if since is None else since
        return self.timeline.wait_for(kind, timeout_s=timeout_s, since=begin, **fields)

    @contextmanager
    def _acting(self) -> Iterator[Assembly]:
        """Yield the running parts for an act; a refused one hides nothing from :meth:`wait_for`."""
        begin = len(self.timeline)
        yield self._running
        self._last_act = begin

    # Clients -------------------------------------------------------------------------------------

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

    def openim(self) -> OpenIM:
        """Return the lab's OpenIM: gateway and inbox worker, started at the first call.

        Raises
        ------
        ClosedError
            The lab does not run.
        """
        with self._lock:
            return self._openim or self._start_openim()

    def _start_openim(self) -> OpenIM:
        from kafka_lab.openim.pipeline import MESSAGES_TOPIC
        from kafka_lab.openim.service import PARTITIONS, OpenIM

        running = self._running
        if MESSAGES_TOPIC not in self.state.topics:
            enough = str(min_insync_replicas(len(self.brokers)))
            self.create_topic(MESSAGES_TOPIC, partitions=PARTITIONS, config={"min.insync.replicas": enough})
        service = OpenIM(
            self.timeline,
            producer=running.clients.producer,
            consumer=running.clients.consumer,
            database=running.cluster.folder / "inbox.sqlite",
            delivery_timeout_ms=running.clients.delivery_timeout_ms,
        )
        running.closers.add(service.close)
        service.start()
        self._openim = service
        return service
