"""Kafka brokers, and the ZooKeepers or controllers beside them, as child processes on 127.0.0.1."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kafka_lab.cluster.config import (
    HOST,
    LOG4J,
    LOG4J2,
    Profile,
    broker_properties,
    direct_listener,
    linked_listeners,
    to_text,
)
from kafka_lab.cluster.distribution import Distribution
from kafka_lab.cluster.keepers import ZooKeepers, keepers_of
from kafka_lab.cluster.links import ANY_CLIENT, BETWEEN_BROKERS, Links
from kafka_lab.cluster.metrics import Exporter
from kafka_lab.cluster.ports import free_ports
from kafka_lab.cluster.probe import broker_answers, zookeeper_answers
from kafka_lab.cluster.process import NodeProcess
from kafka_lab.cluster.runs import Run
from kafka_lab.cluster.shape import Shape
from kafka_lab.errors import ConfigurationError, NodeStartError, unknown
from kafka_lab.events import NodeExited, NodeStarted
from kafka_lab.timeline import Timeline

__all__ = ["LocalCluster", "Node"]

MAIN_CLASSES = {
    "zookeeper": "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "controller": "kafka.Kafka",
    "broker": "kafka.Kafka",
}
# Small and quick to start: a teaching laptop runs four of these beside a browser.
JAVA_OPTIONS = (
    "-Xms32m",
    "-Xmx256m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # else a killed JVM leaves a file in the system's temporary folder
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
PORT_TAKEN = "Address already in use"
#: What a log says when a start fails, and what to do about it.
HINTS = {
    PORT_TAKEN: "another program has its port: end that program, or close the lab and start a new one",
    "No space left on device": "the disk is full: make room, or set KAFKA_LAB_CACHE to another disk",
    "NodeExistsException": "the session of the broker's earlier process has not expired yet: wait for it",
    "OutOfMemoryError": "there is too little memory: close something, or start fewer brokers",
}
_POLL_S = 0.02
_STOP_S = 5.0
_CLOSE_S = 2.0  # the data are thrown away: a broker without a quorum need not wait for one
_TAIL_LINES = 12


@dataclass(frozen=True)
class Node:
    """One process of the cluster.

    Attributes
    ----------
    name, role : str
        Such as ``"broker-2"`` and ``"broker"``.
    port, client_port : int
        Where it listens, and where clients connect: another port if there is a link between them.
    data : pathlib.Path
        The folder with its data.
    process : NodeProcess
        Its process.
    """

    name: str
    role: str
    port: int
    client_port: int
    data: Path
    process: NodeProcess

    @property
    def log_path(self) -> Path:
        """The file that it logs to."""
        return self.process.log_path

    def log_text(self) -> str:
        """Return the last 16 KiB that it wrote."""
        return self.process.log_text()


class LocalCluster:
    """Some Kafka brokers with a ZooKeeper (or an ensemble) or a KRaft quorum; ``broker-N`` has the id N.

    Parameters
    ----------
    timeline : Timeline
        Gets NodeStarted and NodeExited.
    distribution : Distribution
        Java and the jars.
    shape : Shape
        Which nodes.
    profile : Profile
        How fast failures are noticed.
    java_options : mapping, optional
        Further JVM options by role: ``"zookeeper"``, ``"controller"`` and ``"broker"``.
    linked : bool, default False
        Put links that can be cut between brokers, ZooKeeper and clients.
    exporter : Exporter, optional
        Lets brokers and controllers tell their metrics.

    Attributes
    ----------
    shape : Shape
        The nodes at the start.
    links : Links or None
        These links.
    broker_names : list of str
        The brokers' names, started or not.
    nodes : dict
        The nodes by name, ZooKeepers and controllers first; empty before :meth:`start`.
    """

    def __init__(
        self,
        timeline: Timeline,
        distribution: Distribution,
        *,
        shape: Shape,
        profile: Profile,
        java_options: Mapping[str, Sequence[str]] | None = None,
        linked: bool = False,
        exporter: Exporter | None = None,
    ) -> None:
        self.ours = True
        self.exporter = exporter
        self.links = Links() if linked else None
        self.nodes: dict[str, Node] = {}
        self._timeline = timeline
        self._distribution = distribution
        self.shape = shape
        self.broker_names = shape.broker_names
        self._keepers = keepers_of(shape, profile)
        self._profile = self._keepers.broker_settings(profile)
        self._java_options = java_options or {}
        self._run: Run | None = None
        self._told_to_exit: set[str] = set()
        self._ports: set[int] = set()  # chosen, but perhaps not bound yet

    @property
    def mode(self) -> str:
        """``"zookeeper"`` or ``"kraft"``."""
        return self.shape.mode

    @property
    def bootstrap_servers(self) -> list[str]:
        """Where clients find the brokers."""
        return [f"{HOST}:{self.nodes[name].client_port}" for name in self.broker_names]

    @property
    def zookeeper_connect(self) -> str | None:
        """Where clients find ZooKeeper; None in KRaft."""
        return self._keepers.connect if isinstance(self._keepers, ZooKeepers) else None

    def has_quorum(self, is_well: Callable[[str], bool]) -> bool:
        """Tell whether a majority of the ZooKeepers or controllers runs and is well."""
        voters = [name for name in self._keepers.voters if name in self.nodes]
        well = [name for name in voters if self.nodes[name].process.running and is_well(name)]
        return 2 * len(well) > len(voters)

    @property
    def keepers(self) -> list[str]:
        """The names of the ZooKeepers, or of the controllers that are no brokers."""
        return self._keepers.names

    @property
    def voters(self) -> list[str]:
        """The names of the nodes of which a majority must live."""
        return self._keepers.voters

    @property
    def folder(self) -> Path:
        """The private folder with everything that the cluster writes."""
        return self._running().folder

    def start(self, timeout_s: float) -> None:
        """Start all processes at once and wait until the ZooKeepers or controllers serve.

        Raises
        ------
        NodeStartError
            A process exited, or one of these did not answer in time. :meth:`close` is still to be called.
        """
        self._run = Run()
        log4j = LOG4J2 if self.shape.mode == "kraft" else LOG4J
        for kind, level in {"node": "INFO", "tool": "ERROR"}.items():
            (self.folder / f"log4j.{kind}.properties").write_text(log4j.format(level=level), encoding="utf-8")
        if self.links is not None:
            self.links.start()
        self._keepers.choose_ports(self._free_port)
        for name in self._keepers.names:
            data = self._new_folder(name)
            port = self._keepers.ports[name]
            self._add(name, self._keepers.role, port, data, self._keepers.prepare(name, data))
        for name in self.broker_names:
            self._make_broker(name)
        for name in self.nodes:
            self.start_node(name)
        for name in self.keepers:
            self.wait_until_answers(name, timeout_s)

    def wait_until_answers(self, name: str, timeout_s: float) -> None:
        """Wait until a node serves: the first of {it answers, a process exited, the deadline}.

        Raises
        ------
        NodeStartError
            A process exited, or the deadline passed.
        """
        node = self.node(name)
        answers = zookeeper_answers if node.role == "zookeeper" else broker_answers
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while not answers(node.port):
            self.check_running(name)
            if time.monotonic() > deadline:
                raise self.start_error(name, f"did not answer within {timeout_s:g} s")
            pause.wait(_POLL_S)

    def node(self, name: str) -> Node:
        """Return a node by name.

        Raises
        ------
        ConfigurationError
            There is none of that name.
        """
        if name not in self.nodes:
            raise ConfigurationError(unknown("node", name, self.nodes))
        return self.nodes[name]

    def start_node(self, name: str) -> None:
        """Start a node's process: on the same port and with the same data as before."""
        node = self.node(name)
        self._told_to_exit.discard(name)
        node.process.start()
        if self.links is not None:
            self.links.follow(name, running=True)
        self._timeline.append(NodeStarted(name, node.role, node.client_port, node.process.pid))

    def add_broker(self, name: str) -> None:
        """Make room for one more broker; :meth:`start_node` starts it."""
        self._make_broker(name)
        self.broker_names.append(name)

    def remove_broker(self, name: str) -> None:
        """End a broker, if it runs, and forget it."""
        self.kill_node(name)
        del self.nodes[name]
        self.broker_names.remove(name)
        if self.links is not None:
            self.links.forget(name)
        if self.exporter is not None:
            self.exporter.forget(name, self.folder)

    def kill_node(self, name: str) -> None:
        """End a node with SIGKILL; its process is gone when this returns."""
        self._told_to_exit.add(name)
        self.node(name).process.kill()

    def expect_exit(self, name: str) -> None:
        """Note that a node is going to exit, which is then no failure."""
        self._told_to_exit.add(name)

    def stop_node(self, name: str, timeout_s: float = _STOP_S) -> None:
        """End a node in order (SIGTERM: a broker hands its leaders over first), by force if it must be."""
        self._told_to_exit.add(name)
        self.node(name).process.terminate(timeout_s)

    def check_running(self, *names: str) -> None:
        """Do nothing while these nodes run, or were told to exit.

        Raises
        ------
        NodeStartError
            One ended by itself: which, its last words, and what to do.
        """
        for name in names:
            process = self.node(name).process
            if not process.running and name not in self._told_to_exit:
                raise self.start_error(name, f"exited with code {process.exit_code} while starting")

    def start_error(self, name: str, what: str) -> NodeStartError:
        """Make the error that explains why a node did not start."""
        process = self.node(name).process
        log = process.log_text()
        hint = next((f": {HINTS[sign]}" for sign in HINTS if sign in log), "")
        return NodeStartError(
            f"{name} {what}{hint}",
            node=name,
            log_path=process.log_path,
            log_tail="\n".join(_telling(log.splitlines())[-_TAIL_LINES:]),
        )

    def close(self, *, keep_logs: bool = False) -> None:
        """Stop the brokers, then who keeps the metadata (without it they hang), and remove the folder."""
        if self._run is None:
            return
        roles = [[n for n in self.nodes if n not in self.keepers], self.keepers]
        try:
            with ThreadPoolExecutor(len(self.broker_names), thread_name_prefix="kafka-lab-stop") as pool:
                for names in roles:
                    stopping = [name for name in names if name in self.nodes]
                    list(pool.map(partial(self.stop_node, timeout_s=_CLOSE_S), stopping))
        finally:  # interrupted: what still runs is killed now
            if self.links is not None:
                self.links.close()
            self._run.close(keep_logs=keep_logs)
            self._run = None

    def java(self, role: str) -> list[str]:
        """Return a command line up to the main class: for a ``zookeeper``, a ``broker`` or a ``tool``."""
        run = self._running()
        log4j = run.folder / f"log4j.{'node' if role in MAIN_CLASSES else 'tool'}.properties"
        setting = "log4j2.configurationFile" if self.shape.mode == "kraft" else "log4j.configuration"
        return [
            str(self._distribution.java.path),
            *JAVA_OPTIONS,
            *self._java_options.get(role, ()),
            run.java_mark,
            f"-Djava.io.tmpdir={run.folder}",
            f"-XX:ErrorFile={run.folder / 'java-error.log'}",
            f"-D{setting}=file:{log4j}",
            "-cp",
            self._distribution.class_path,
        ]

    def _running(self) -> Run:
        if self._run is None:
            raise ConfigurationError("the cluster is not started, or closed: it has no folder")
        return self._run

    def _make_broker(self, name: str) -> None:
        client_port = port = self._free_port()
        listeners = direct_listener(port)
        if self.links is not None:
            client_port = self.links.listen(ANY_CLIENT, name, port)
            internal = self._free_port()
            linked_internal = self.links.listen(BETWEEN_BROKERS, name, internal)
            listeners = linked_listeners(
                internal=internal, client=port, linked_internal=linked_internal, linked_client=client_port
            )
        data = self._new_folder(name)
        properties = broker_properties(
            listeners=listeners,
            data=data,
            metadata=self._keepers.admit(name, data, listeners, self.links),
            brokers=self.shape.brokers,
            profile=self._profile,
        )
        self._add(name, "broker", port, data, properties, client_port)

    def _new_folder(self, name: str) -> Path:
        data = self.folder / name
        data.mkdir(mode=0o700)
        return data

    def _add(
        self,
        name: str,
        role: str,
        port: int,
        data: Path,
        properties: Mapping[str, str],
        client_port: int | None = None,
    ) -> None:
        file = self.folder / f"{name}.properties"
        file.write_text(to_text(properties), encoding="utf-8")
        java = self.java(role)
        if self.exporter is not None and role != "zookeeper":
            java += self.exporter.options(name, self._free_port(), self.folder)
        command = [*java, MAIN_CLASSES[role], str(file)]
        process = NodeProcess(name, command, self.folder / f"{name}.log", partial(self._on_exit, name))
        self.nodes[name] = Node(name, role, port, client_port or port, data, process)

    def _free_port(self) -> int:
        (port,) = free_ports(1, apart_from=self._ports)
        self._ports.add(port)
        return port

    def _on_exit(self, name: str, exit_code: int) -> None:
        if self.links is not None:
            self.links.follow(name, running=False)
        self._timeline.append(NodeExited(name, exit_code, expected=name in self._told_to_exit))


def _telling(lines: list[str]) -> list[str]:
    """Return the lines that tell a reader something: no stack frames."""
    return [line for line in lines if not line.startswith("\tat ")]
