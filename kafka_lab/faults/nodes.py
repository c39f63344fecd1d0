"""Breaking nodes: killing, stopping and pausing them, and ending their sessions."""

from __future__ import annotations

import signal
from collections.abc import Callable

from kafka_lab.cluster.local import LocalCluster
from kafka_lab.cluster.sessions import end_session
from kafka_lab.errors import FaultError, KafkaLabError
from kafka_lab.events import BrokerLost, FaultEnded, FaultStarted
from kafka_lab.faults.fault import Fault, Register, disk_of, link_of
from kafka_lab.history import History
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
    state : History
        The state of ``timeline``.
    patience_s : float
        How long a node may take to come back: longer than a session lasts.
    """

    def __init__(
        self,
        timeline: Timeline,
        cluster: LocalCluster,
        register: Register,
        state: History,
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
        if skip_wait:
            self._check_session(name)
            self.check_keepers(f"skipping the wait for {name}'s session")
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
        self._cluster.node(name).process.freeze()
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
        zookeeper_connect = self._check_session(name)
        self.check_keepers(f"ending the session of {name}")
        begin = len(self._timeline)
        self._timeline.append(FaultStarted(name, "expire_session"))
        try:
            end_session(zookeeper_connect, name)
            self._timeline.wait_for(BrokerLost, node=name, since=begin, timeout_s=self._patience_s)
        finally:
            self._timeline.append(FaultEnded(name, "expire_session"))

    def restart(self, name: str) -> None:
        """Start a node that is down, on the same port and with the same data; wait until it serves.

        A broker's earlier session must expire first: until then its znode belongs to the dead process, and
        a new one would exit (``NodeExistsException``). Of an ensemble or a quorum without a majority a node
        is only started: it cannot serve before the others are back.

        Raises
        ------
        FaultError
            It runs, or its ZooKeeper or controllers do not, or its link to ZooKeeper or its disk is broken.
        KafkaLabError
            It exited or did not answer in time (NodeStartError), or its old session did not expire
            (WaitTimeoutError). It is down then, as before.
        """
        node = self._cluster.node(name)
        if node.process.running:
            hint = f"; resume({name!r}) lets it go on" if self._paused(name) else ""
            raise FaultError(f"{name} runs: there is nothing to restart{hint}")
        if node.role == "broker":
            self._prepare_broker(name)
        self._cluster.start_node(name)
        if self._cluster.has_quorum(self._is_well):
            try:
                self._wait_until_serving(name)
            except KafkaLabError:
                self._cluster.kill_node(name)
                raise
        self._register.end(name)

    def _prepare_broker(self, name: str) -> None:
        """Make sure that a broker can start.

        Raises
        ------
        FaultError
            Something that it needs is broken.
        WaitTimeoutError
            Its old session did not expire.
        """
        if self._register.at(disk_of(name)) is not None:
            raise FaultError(f"restarting {name} needs its disk: repair_disk({name!r}) first")
        if name not in self._cluster.voters:
            self.check_keepers(f"restarting {name}")
        if self._cluster.zookeeper_connect is None:
            return
        broken = [keeper for keeper in self._cluster.keepers if self._register.at(link_of(name, keeper))]
        if len(broken) == len(self._cluster.keepers):
            raise FaultError(
                f"restarting {name} needs its link to ZooKeeper: heal({name!r}, {broken[0]!r}) first"
            )
        self._wait(lambda: not self._registered(name), f"the end of the session of {name}'s earlier process")

    def _wait_until_serving(self, name: str) -> None:
        self._cluster.wait_until_answers(name, self._patience_s)
        if self._cluster.node(name).role == "broker":
            self._wait(lambda: self._registered(name), f"the registration of {name}")

    def _registered(self, name: str) -> bool:
        return self._state.now().nodes[name].registered

    def _wait(self, check: Callable[[], bool], expected: str) -> None:
        self._timeline.wait_until(lambda: check() or None, timeout_s=self._patience_s, expected=expected)

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

    def _check_session(self, name: str) -> str:
        """Return where ZooKeeper is, for a node that has a session there.

        Raises
        ------
        FaultError
            It has none.
        """
        connect = self._cluster.zookeeper_connect
        if connect is None:
            raise FaultError(
                "in KRaft there is no session that could be ended by hand: a broker is fenced when its "
                "heartbeats have been missing for broker.session.timeout.ms"
            )
        if self._cluster.node(name).role != "broker":
            raise FaultError(f"{name} is no broker: it has no session that could be ended")
        return connect

    def _is_well(self, name: str) -> bool:
        return not self._paused(name)

    def check_keepers(self, what: str) -> None:
        """Refuse what needs the cluster's metadata while nobody keeps them.

        Raises
        ------
        FaultError
            The ZooKeepers or controllers have no majority.
        """
        if self._cluster.has_quorum(self._is_well):
            return
        name = next(
            n for n in self._cluster.voters if self._paused(n) or not self._cluster.node(n).process.running
        )
        cure = "resume" if self._paused(name) else "restart"
        needed = "ZooKeeper" if self._cluster.zookeeper_connect else "a majority of the controllers"
        raise FaultError(f"{what} needs {needed}: {cure}({name!r}) first")
