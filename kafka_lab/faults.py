"""Breaking nodes on purpose, and bringing them back. Each act leaves FaultStarted, its undoing FaultEnded."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kafka_lab.cluster.local import ZOOKEEPER, LocalCluster
from kafka_lab.cluster.sessions import end_session
from kafka_lab.errors import FaultError, KafkaLabError, WaitTimeoutError
from kafka_lab.events import BrokerLost, BrokerRegistered, FaultEnded, FaultStarted
from kafka_lab.progress import Report
from kafka_lab.state import ClusterState, LiveState
from kafka_lab.timeline import Timeline

__all__ = ["Fault", "Faults"]

_STUCK_S = 25.0  # a replica that is not back by then will not come back by itself
_STOP_S = 60.0  # a controlled shutdown with Kafka's defaults tries three times, five seconds apart


@dataclass(frozen=True, repr=False)
class Fault:
    """Something that was broken; in a ``with`` statement it is healed at the end.

    Attributes
    ----------
    node, kind : str
        What is broken, and how: ``"kill"``, ``"stop"`` or ``"pause"``.
    cure : str
        The name of the act that heals it.
    """

    node: str
    kind: str
    cure: str
    _heal: Callable[[Fault], None]

    def heal(self) -> None:
        """Undo it; nothing happens if that was done already."""
        self._heal(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.node}; {self.cure}({self.node!r}) heals it>"


class Faults:
    """What can be done to the nodes of a local cluster.

    Parameters
    ----------
    timeline : Timeline
        Gets the faults; what the cluster does about them arrives there too.
    cluster : LocalCluster
        Whose nodes.
    state : LiveState
        The state of ``timeline``.
    patience_s : float
        How long a node may take to come back: longer than a session lasts.
    """

    def __init__(
        self, timeline: Timeline, cluster: LocalCluster, state: LiveState, patience_s: float
    ) -> None:
        self._timeline = timeline
        self._cluster = cluster
        self._state = state
        self._patience_s = patience_s
        self._open: dict[str, Fault] = {}  # by node

    def kill(self, name: str, *, skip_wait: bool = False) -> Fault:
        """End a node with SIGKILL, as a power cut would. Undone by :meth:`restart`.

        Raises
        ------
        FaultError
            It is down already; or ``skip_wait`` is asked for what has no session.
        """
        self._check_running(name)
        if skip_wait and name == ZOOKEEPER:
            raise FaultError(f"{name} has no session of its own whose end could be hastened")
        fault = self._begin(name, "kill", "restart")
        self._cluster.kill_node(name)
        if skip_wait:
            self.expire_session(name)
        return fault

    def stop(self, name: str) -> Fault:
        """End a node in order: a broker hands its leaders over first. Undone by :meth:`restart`.

        Raises
        ------
        FaultError
            It is down already.
        """
        self._check_running(name)
        fault = self._begin(name, "stop", "restart")
        self._cluster.stop_node(name, timeout_s=_STOP_S)
        return fault

    def pause(self, name: str) -> Fault:
        """Freeze a node with SIGSTOP: its connections stay, but nothing answers. Undone by :meth:`resume`.

        Raises
        ------
        FaultError
            It is down or paused already.
        """
        self._check_running(name)
        if name in self._open:
            raise FaultError(f"{name} is paused already; resume({name!r}) lets it go on")
        fault = self._begin(name, "pause", "resume")
        self._cluster.node(name).process.send(signal.SIGSTOP)
        return fault

    def resume(self, name: str) -> None:
        """Let a paused node go on.

        Raises
        ------
        FaultError
            It is not paused.
        """
        fault = self._open.get(self._cluster.node(name).name)
        if fault is None or fault.kind != "pause":
            raise FaultError(f"{name} is not paused: there is nothing to resume")
        self._cluster.node(name).process.send(signal.SIGCONT)
        self._end(name)

    def expire_session(self, name: str) -> None:
        """End a broker's ZooKeeper session by hand; a living broker registers again by itself.

        Raises
        ------
        FaultError
            The node is no broker or has no session, or ZooKeeper does not answer.
        """
        if self._cluster.node(name).role != "broker":
            raise FaultError(f"{name} is no broker: it has no session")
        self._check_zookeeper(f"ending the session of {name}")
        begin = len(self._timeline)
        self._timeline.append(FaultStarted(name, "expire_session"))
        end_session(self._cluster.zookeeper_connect, name)
        self._timeline.wait_for(BrokerLost, node=name, since=begin, timeout_s=self._patience_s)
        self._timeline.append(FaultEnded(name, "expire_session"))

    def restart(self, name: str) -> None:
        """Start a node that is down, on the same port and with the same data; wait until it serves.

        A broker's earlier session must expire first: until then its znode belongs to the dead process, and
        a new one would exit (``NodeExistsException``).

        Raises
        ------
        FaultError
            It runs, or ZooKeeper does not.
        KafkaLabError
            It exited or did not answer in time (NodeStartError), or its old session did not expire
            (WaitTimeoutError). It is down then, as before.
        """
        node = self._cluster.node(name)
        if node.process.running:
            hint = f"; resume({name!r}) lets it go on" if name in self._open else ""
            raise FaultError(f"{name} runs: there is nothing to restart{hint}")
        if node.role == "broker":
            self._check_zookeeper(f"restarting {name}")
            self._timeline.wait_until(
                lambda: True if not self._state.now().nodes[name].registered else None,
                timeout_s=self._patience_s,
                expected=f"the end of the session of {name}'s earlier process",
            )
        begin = len(self._timeline)
        self._cluster.start_node(name)
        try:
            self._cluster.wait_until_answers(name, self._patience_s)
            if node.role == "broker":
                self._timeline.wait_for(BrokerRegistered, node=name, since=begin, timeout_s=self._patience_s)
        except KafkaLabError:
            self._cluster.kill_node(name)
            raise
        self._end(name)

    def heal_all(self, report: Report) -> None:
        """Bring every node back, whatever was done to it, and wait until every ISR is full.

        A broker that was the controller when it was paused can afterwards fail to take its followers back
        into the ISR, for minutes (seen with Kafka 3.9.2): then it is restarted.

        Raises
        ------
        KafkaLabError
            Something did not come back; the error says what.
        """
        for name, node in self._cluster.nodes.items():  # ZooKeeper comes first
            report(f"Bringing {name} back", 0, 0)
            if name in self._open and self._open[name].kind == "pause":
                self.resume(name)
            elif not node.process.running:
                self.restart(name)

        try:
            self._wait_until_whole(report, _STUCK_S)
        except WaitTimeoutError:
            for leader in _leaders_of_incomplete(self._state.now()):
                report(f"Restarting {leader}, which does not take its followers back", 0, 0)
                self.stop(leader)
                self.restart(leader)
            self._wait_until_whole(report, self._patience_s)

    def _wait_until_whole(self, report: Report, timeout_s: float) -> None:
        """Wait until every broker is registered and every replica in sync.

        Raises
        ------
        WaitTimeoutError
            That was not so in time.
        """

        def whole() -> bool | None:
            state = self._state.now()
            full, all_ = _full_isrs(state)
            report("Waiting until every replica is in sync", full, all_)
            registered = all(state.nodes[name].registered for name in state.brokers)
            return True if full == all_ and registered and state.controller else None

        self._timeline.wait_until(whole, timeout_s=timeout_s, expected="every ISR full")

    def _begin(self, name: str, kind: str, cure: str) -> Fault:
        self._end(name)  # who is killed is paused no longer
        fault = Fault(name, kind, cure, self._heal)
        self._open[name] = fault
        self._timeline.append(FaultStarted(name, kind))
        return fault

    def _end(self, name: str) -> None:
        fault = self._open.pop(name, None)
        if fault is not None:
            self._timeline.append(FaultEnded(name, fault.kind))

    def _heal(self, fault: Fault) -> None:
        if self._open.get(fault.node) is fault:
            {"restart": self.restart, "resume": self.resume}[fault.cure](fault.node)

    def _check_running(self, name: str) -> None:
        """Refuse to end what has ended; a paused node has not.

        Raises
        ------
        FaultError
            The node is down.
        """
        if not self._cluster.node(name).process.running:
            raise FaultError(f"{name} is down already; restart({name!r}) brings it back")

    def _check_zookeeper(self, what: str) -> None:
        """Refuse what needs ZooKeeper while there is none.

        Raises
        ------
        FaultError
            ZooKeeper is down or paused.
        """
        if not self._cluster.node(ZOOKEEPER).process.running:
            raise FaultError(f"{what} needs ZooKeeper: restart({ZOOKEEPER!r}) first")
        if ZOOKEEPER in self._open:
            raise FaultError(f"{what} needs ZooKeeper: resume({ZOOKEEPER!r}) first")


def _leaders_of_incomplete(state: ClusterState) -> list[str]:
    """Return who leads a partition of which a replica is not in sync."""
    partitions = [p for topic in state.topics.values() for p in topic.values()]
    return sorted({p.leader for p in partitions if p.leader and set(p.isr) != set(p.replicas)})


def _full_isrs(state: ClusterState) -> tuple[int, int]:
    """Return how many partitions have all their replicas in sync, and how many there are."""
    partitions = [p for topic in state.topics.values() for p in topic.values()]
    return sum(set(p.isr) == set(p.replicas) for p in partitions), len(partitions)
