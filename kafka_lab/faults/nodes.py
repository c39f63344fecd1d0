"""Breaking nodes: killing, stopping and pausing them, and ending their sessions."""

from __future__ import annotations

import signal

from kafka_lab.cluster.local import ZOOKEEPER, LocalCluster
from kafka_lab.cluster.sessions import end_session
from kafka_lab.errors import FaultError, KafkaLabError
from kafka_lab.events import BrokerLost, BrokerRegistered, FaultEnded, FaultStarted
from kafka_lab.faults.fault import Fault, Register, disk_of, link_of
from kafka_lab.state import LiveState
from kafka_lab.timeline import Timeline

__all__ = ["NodeFaults"]

_STOP_S = 60.0  # a controlled shutdown with Kafka's defaults tries three times, five seconds apart


class NodeFaults:
    """What can be done to the nodes of a local cluster.

    Parameters
    ----------
    timeline : Timeline
        Gets the faults; what the cluster does about them arrives there too.
    cluster : LocalCluster
        Whose nodes.
    register : Register
        Where open faults are noted.
    state : LiveState
        The state of ``timeline``.
    patience_s : float
        How long a node may take to come back: longer than a session lasts.
    """

    def __init__(
        self,
        timeline: Timeline,
        cluster: LocalCluster,
        register: Register,
        state: LiveState,
        patience_s: float,
    ) -> None:
        self._timeline = timeline
        self._cluster = cluster
        self._state = state
        self._patience_s = patience_s
        self._register = register

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
        if skip_wait:
            self.check_zookeeper(f"skipping the wait for {name}'s session")
        fault = self._begin(name, "kill", "restart")
        self._cluster.kill_node(name)
        if skip_wait and self._state.now().nodes[name].registered:
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
        if self._paused(name):
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
        node = self._cluster.node(name)
        if not self._paused(name):
            raise FaultError(f"{name} is not paused: there is nothing to resume")
        node.process.send(signal.SIGCONT)
        self._register.end(name)

    def expire_session(self, name: str) -> None:
        """End a broker's ZooKeeper session by hand; a living broker registers again by itself.

        Raises
        ------
        FaultError
            The node is no broker or has no session, or ZooKeeper does not answer.
        """
        if self._cluster.node(name).role != "broker":
            raise FaultError(f"{name} is no broker: it has no session")
        self.check_zookeeper(f"ending the session of {name}")
        begin = len(self._timeline)
        self._timeline.append(FaultStarted(name, "expire_session"))
        try:
            end_session(self._cluster.zookeeper_connect, name)
            self._timeline.wait_for(BrokerLost, node=name, since=begin, timeout_s=self._patience_s)
        finally:
            self._timeline.append(FaultEnded(name, "expire_session"))

    def restart(self, name: str) -> None:
        """Start a node that is down, on the same port and with the same data; wait until it serves.

        A broker's earlier session must expire first: until then its znode belongs to the dead process, and
        a new one would exit (``NodeExistsException``).

        Raises
        ------
        FaultError
            It runs, or ZooKeeper does not, or its link to ZooKeeper or its disk is broken.
        KafkaLabError
            It exited or did not answer in time (NodeStartError), or its old session did not expire
            (WaitTimeoutError). It is down then, as before.
        """
        node = self._cluster.node(name)
        if node.process.running:
            hint = f"; resume({name!r}) lets it go on" if self._paused(name) else ""
            raise FaultError(f"{name} runs: there is nothing to restart{hint}")
        if node.role == "broker":
            self.check_zookeeper(f"restarting {name}")
            if self._register.at(link_of(name, ZOOKEEPER)) is not None:
                raise FaultError(
                    f"restarting {name} needs its link to ZooKeeper: heal({name!r}, {ZOOKEEPER!r}) first"
                )
            if self._register.at(disk_of(name)) is not None:
                raise FaultError(f"restarting {name} needs its disk: repair_disk({name!r}) first")
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
        self._register.end(name)

    def _begin(self, name: str, kind: str, cure: str) -> Fault:
        return self._register.begin(Fault(kind, name, name, f"{cure}({name!r})", self._heal))

    def _paused(self, name: str) -> bool:
        fault = self._register.at(name)
        return fault is not None and fault.kind == "pause"

    def _heal(self, fault: Fault) -> None:
        if self._register.at(fault.place) is fault:
            (self.resume if fault.kind == "pause" else self.restart)(fault.node)

    def _check_running(self, name: str) -> None:
        """Refuse to end what has ended; a paused node has not.

        Raises
        ------
        FaultError
            The node is down.
        """
        if not self._cluster.node(name).process.running:
            raise FaultError(f"{name} is down already; restart({name!r}) brings it back")

    def check_zookeeper(self, what: str) -> None:
        """Refuse what needs ZooKeeper while there is none.

        Raises
        ------
        FaultError
            ZooKeeper is down or paused.
        """
        if not self._cluster.node(ZOOKEEPER).process.running:
            raise FaultError(f"{what} needs ZooKeeper: restart({ZOOKEEPER!r}) first")
        if self._paused(ZOOKEEPER):
            raise FaultError(f"{what} needs ZooKeeper: resume({ZOOKEEPER!r}) first")
