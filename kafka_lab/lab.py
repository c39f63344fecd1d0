"""The lab: the one name a person talks to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kafka_lab import cells
from kafka_lab.breaking import Breaking
from kafka_lab.cluster.config import profile as profile_named
from kafka_lab.cluster.distribution import prepare
from kafka_lab.cluster.shape import shape
from kafka_lab.control import PROTOCOL, ControlServer, find_owner
from kafka_lab.errors import ClosedError, ConfigurationError, unknown
from kafka_lab.events import Event
from kafka_lab.history import History
from kafka_lab.looking import Looking
from kafka_lab.moving import Moving
from kafka_lab.progress import Report
from kafka_lab.showing import visible
from kafka_lab.timeline import Timeline
from kafka_lab.using import Using

if TYPE_CHECKING:
    from kafka_lab.assembly import Assembly
    from kafka_lab.dashboard import Dashboard
    from kafka_lab.experiments.claims import Claim, Finding
    from kafka_lab.faults import Fault
    from kafka_lab.logfiles import PartitionLog
    from kafka_lab.openim.service import OpenIM
    from kafka_lab.views import View

__all__ = ["Lab"]

E = TypeVar("E", bound=Event)

UP = "up.json"  # how ``kafka-lab up`` started this lab: a file in its folder
_WAIT_S = 30.0


class Lab(Looking, Using, Moving, Breaking):
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
    mode : str, default "zookeeper"
        What keeps the cluster's metadata: ZooKeeper, or ``"kraft"`` (KIP-500), Kafka's own quorum.
    zookeepers : int, optional
        1 (the default), or 3 or 5 for an ensemble.
    controllers : int, optional
        In KRaft 1, 3 or 5 controllers of their own. By default the first brokers, three at most, are
        controllers too.
    kafka : str, optional
        Kafka's version: 3.9.2 by default with ZooKeeper, 4.3.1 in KRaft. Another one is downloaded first.
    links : bool, default False
        Lead all connections through links that can be cut, slowed and reset (see :meth:`cut`). They cost some
        throughput: measure without them.
    metrics : bool, default False
        Let brokers tell their own metrics (see :meth:`metrics`), by Prometheus's JMX exporter on loopback.
        They start more slowly: the caches for a fast start do not go with it.

    Attributes
    ----------
    timeline : Timeline
        Everything that happened, in order.

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
        mode: str = "zookeeper",
        zookeepers: int | None = None,
        controllers: int | None = None,
        kafka: str | None = None,
        links: bool = False,
        metrics: bool = False,
    ) -> None:
        self._shape = shape(
            brokers=brokers, mode=mode, kafka=kafka, zookeepers=zookeepers, controllers=controllers
        )
        self._profile = profile_named(profile).with_settings(settings or {})
        self._links = links
        self._metrics = metrics
        self.timeline = Timeline()
        self._assemble: Callable[[Report], Assembly] = self._assemble_local
        self._starting = f"Starting {self._shape}"
        self._state = History(self.timeline)
        self._assembly: Assembly | None = None
        self._openim: OpenIM | None = None
        self._had_openim = False
        self._lock = threading.Lock()
        self._acts = threading.RLock()  # one act at a time, whichever program asks for it
        self._stop_recording: Callable[[], None] | None = None
        self._used = False
        self._last_act = 0  # the timeline's length when somebody last did something

    # Life ----------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the cluster, and return the lab when it is ready.

        Ready means: every broker registered, a controller, metadata that list all brokers,
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
        with visible(self._starting) as report:
            self._assembly = self._assemble(report)
        return self

    def _assemble_local(self, report: Report) -> Assembly:
        distribution = prepare(report, self._shape.kafka)
        from kafka_lab.assembly import assemble

        try:
            assembly = assemble(
                self.timeline,
                self._state,
                shape=self._shape,
                profile=self._profile,
                links=self._links,
                metrics=self._metrics,
                distribution=distribution,
                report=report,
            )
        except OSError as error:
            raise ConfigurationError(
                f"the lab could not be started: {error}; it needs some 200 MB of disk in its cache "
                "folder, which KAFKA_LAB_CACHE moves"
            ) from error
        self._assembly = assembly  # what interrupts the next step finds it, to close it
        server = ControlServer(assembly.cluster.folder, self.timeline, self._calls())
        assembly.closers.add(server.close)
        server.start()
        return assembly

    @classmethod
    def attach(
        cls,
        bootstrap_servers: str | Sequence[str],
        *,
        zookeeper_connect: str | None = None,
        **client_settings: object,
    ) -> Self:
        """Watch and use brokers that somebody else runs; return the lab when it knows them.

        Everything that observes, sends, reads and measures works as on a lab of one's own. Faults do not: the
        processes are not the lab's. Closing it leaves the brokers as they are.

        Parameters
        ----------
        bootstrap_servers : str or sequence of str
            Where they are, as ``"host:port"``; one that answers is enough.
        zookeeper_connect : str, optional
            Where their ZooKeeper is; its watches tell more, and sooner, than brokers that are asked.
        **client_settings
            kafka-python's settings for every client, such as ``security_protocol``, ``ssl_cafile``,
            ``sasl_mechanism``, ``sasl_plain_username`` and ``sasl_plain_password``.

        Raises
        ------
        ConfigurationError
            No broker answers there, or not to us.
        WaitTimeoutError
            They do not tell who they are.

        Examples
        --------
        ``lab = Lab.attach("kafka.test.example:9092")``
        """
        given = [bootstrap_servers] if isinstance(bootstrap_servers, str) else bootstrap_servers
        servers = [server for part in given for server in part.split(",")]
        lab = cls()
        lab._starting = f"Attaching to {', '.join(servers)}"

        def assemble(_: Report) -> Assembly:
            from kafka_lab.attaching import assemble_attached

            return assemble_attached(
                lab.timeline,
                lab._state,
                bootstrap_servers=servers,
                zookeeper_connect=zookeeper_connect,
                settings=client_settings,
            )

        lab._assemble = assemble
        return lab.start()

    @classmethod
    def join(cls, name: str | None = None) -> Self:
        """Use a lab that another program of yours runs on this machine, faults included.

        Such as the one that ``kafka-lab up`` started, or that of a notebook. It gets the
        owner's timeline from its beginning on; closing it here leaves it running there.

        Parameters
        ----------
        name : str, optional
            Which one, if there are several: ``kafka-lab status`` lists them.

        Raises
        ------
        ConfigurationError
            There is none, or there are several and none was named.
        ClosedError
            Its owner has just ended.
        """
        owner = find_owner(name)
        lab = cls(links=bool(owner.told().get("links")))
        lab._starting = f"Joining {owner.name}"

        def assemble(report: Report) -> Assembly:
            from kafka_lab.attaching import assemble_joined

            return assemble_joined(lab.timeline, lab._state, owner, report)

        lab._assemble = assemble
        return lab.start()

    def _calls(self) -> dict[str, Callable[..., object]]:
        """Return what other programs may call."""
        faults = (
            self.kill, self.stop, self.pause, self.cut, self.slow, self.drop_responses, self.reset,
            self.fail_disk,
        )  # fmt: skip
        acts = (
            self.resume, self.restart, self.expire_session, self.heal, self.repair_disk, self.heal_all,
            self.add_broker, self.remove_broker,
        )  # fmt: skip
        return {
            "told": self._told,
            "send_notification": self._send_notification,
            **{act.__name__: act for act in acts},
            **{fault.__name__: _plain(fault) for fault in faults},
        }

    def _send_notification(self, **fields: Any) -> dict[str, object]:  # noqa: ANN401 - those of OpenIM.send
        """Notify a user for another program."""
        openim = self.openim()
        return {**asdict(openim.send(**fields)), "url": openim.url}

    def _told(self) -> dict[str, object]:
        """Return what another program must know to join."""
        running = self._running
        up = running.cluster.folder / UP
        rows = self.nodes().rows
        pids, states = {row[0]: int(row[3]) for row in rows}, {row[0]: row[4] for row in rows}
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "up": json.loads(up.read_text("utf-8")) if up.exists() else None,
            "mode": running.cluster.mode,
            "links": self._links,
            "bootstrap_servers": running.cluster.bootstrap_servers,
            "zookeeper_connect": running.cluster.zookeeper_connect,
            "delivery_ms": running.clients.delivery_timeout_ms,
            "events": len(self.timeline),
            "began_s": self.timeline.began_s,
            "started_at": self.timeline.started_at.isoformat(),
            "nodes": {
                name: {
                    "role": node.role,
                    "port": node.client_port,
                    "pid": pids.get(name, 0),
                    "state": states.get(name, "starting"),
                    "data": str(node.data),
                    "log": str(node.log_path),
                }
                for name, node in tuple(running.cluster.nodes.items())
            },
        }

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
        self._assembly.closers.add(self.stop_recording)
        try:
            self._assembly.closers.close("the lab")
        finally:
            self._assembly.cluster.close()
            self._assembly = self._openim = None

    def __enter__(self) -> Self:
        return self if self._assembly is not None else self.start()  # attached and joined ones have started

    def __exit__(self, *_: object) -> None:
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
        try:
            known = self._assembly.cluster.nodes
        except ClosedError:  # the lab that was joined has ended
            return "(removed)"
        return str(known[node].log_path) if node in known else "(elsewhere)"

    def _check_started(self) -> None:
        """Say what to do first.

        Raises
        ------
        ClosedError
            The lab was never started.
        """
        if not self._used:
            raise ClosedError("this lab is not started: call start()")

    @property
    def brokers(self) -> tuple[str, ...]:
        """The brokers' names; ``broker-N`` has the ``broker.id`` N."""
        return self.state.brokers or tuple(self._shape.broker_names)

    # Where things are ----------------------------------------------------------------------------

    def data_folder(self, node: str) -> Path:
        """Return the folder in which a node keeps its data: a broker's has one folder per replica."""
        return Path(self._running.cluster.node(node).data)

    def log_files(self, topic: str, partition: int, node: str | None = None) -> PartitionLog:
        """Return what a broker has of a partition on disk: segments, batches, records, indexes.

        Parameters
        ----------
        topic : str
            Whose; Kafka's own topics too, such as ``__consumer_offsets``.
        partition : int
            Which.
        node : str, optional
            On which broker; by default the leader.

        Raises
        ------
        ConfigurationError
            There is no such partition or broker, or its files are on another machine.
        LogFileError
            The broker has no replica of it.
        """
        from kafka_lab.logfiles import PartitionLog

        broker = node or self.leader_of(topic, partition) or next(iter(self.isr_of(topic, partition)), "")
        return PartitionLog(self.data_folder(broker) / f"{topic}-{partition}")

    def log(self, node: str) -> str:
        """Return the last 16 KiB that a node wrote to its log.

        Raises
        ------
        ConfigurationError
            There is no such node.
        """
        return str(self._running.cluster.node(node).log_text())

    def metrics(self, node: str) -> dict[str, float]:
        """Return what a broker or controller counts and times, by the names in Kafka's documentation.

        Such as ``"UnderReplicatedPartitions"``, ``"IsrShrinksPerSec.Count"``,
        ``"Produce.TotalTimeMs.99thPercentile"`` and, on a controller with ZooKeeper,
        ``"LeaderElectionRateAndTimeMs.Mean"``.
        For a Prometheus of your own there is a scrape configuration, ``prometheus.yml``, in the lab's folder.

        Raises
        ------
        ConfigurationError
            The lab was made without ``metrics=True``, or the node has none.
        FaultError
            The node is down or paused.
        """
        exporter = getattr(self._running.cluster, "exporter", None)
        if exporter is None:
            raise ConfigurationError("this lab's brokers tell no metrics: make it with Lab(metrics=True)")
        if node not in exporter.ports:
            raise ConfigurationError(unknown("node with metrics", node, exporter.ports))
        from kafka_lab.cluster.metrics import read

        return dict(read(node, exporter.ports[node]))

    # Looking back --------------------------------------------------------------------------------

    def record(self, path: str | Path) -> None:
        """Write everything that happened and will happen to a file, until :meth:`stop_recording` or the end.

        ``Replay(path)`` shows it without a cluster, ``kafka-lab replay`` makes one HTML file of it.

        Parameters
        ----------
        path : str or pathlib.Path
            The file; it is replaced.

        Raises
        ------
        ConfigurationError
            It is being recorded already, or the file cannot be written.
        """
        self._stop_recording = self.timeline.record(path)

    def stop_recording(self) -> None:
        """End the recording; nothing happens if there is none.

        Raises
        ------
        OSError
            It had ended before, such as on a full disk: the file has what came before.
        """
        stop, self._stop_recording = self._stop_recording, None
        if stop is not None:
            stop()

    def claim(self, claim: str | Claim, bet: str = "") -> Finding:
        """Put a sentence of the textbook before this cluster, and return its verdict with the evidence.

        Parameters
        ----------
        claim : str or Claim
            Such as ``"K16"``; or a :class:`kafka_lab.experiments.claims.Claim` of your own.
        bet : str
            What you expect: ``"true"``, ``"false"``, ``"outdated"`` or ``"depends"``.

        Raises
        ------
        ConfigurationError
            There is no such claim, or no such verdict.
        """
        from kafka_lab.experiments.claims import claim_of, judge

        return judge(self, claim_of(claim) if isinstance(claim, str) else claim, bet)

    def dashboard(self, *views: View) -> Dashboard:
        """Return pictures with buttons to break the lab, for a notebook on a projector.

        Parameters
        ----------
        *views : View
            Such as ``lab.order("chat")``, from top to bottom; by default the topology, the elections and the
            consumer groups.

        Raises
        ------
        ConfigurationError
            The views are not of one lab, at one moment.
        """
        from kafka_lab.dashboard import Dashboard

        self._check_started()
        return Dashboard(self, *(views or (self.topology(), self.elections(), self.groups())))

    @property
    def has_links(self) -> bool:
        """Whether connections can be cut and slowed: the lab was made with ``links=True``."""
        return self._links

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
        with self._acts:
            begin = len(self.timeline)
            yield self._running
            self._last_act = begin


def _plain(fault: Callable[..., Fault]) -> Callable[..., dict[str, object]]:
    """Return a call that gives its fault as plain data."""

    def call(**arguments: object) -> dict[str, object]:
        made = fault(**arguments)
        return {
            "kind": made.kind, "node": made.node, "place": made.place, "cure": made.cure, "peer": made.peer
        }  # fmt: skip

    return call
