"""Breaking nodes on purpose, and bringing them back. Each act leaves FaultStarted, its undoing FaultEnded."""

from __future__ import annotations

from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import FaultError, KafkaLabError
from kafka_lab.events import BrokerRegistered, FaultEnded, FaultStarted
from kafka_lab.state import LiveState
from kafka_lab.timeline import Timeline

__all__ = ["Faults"]


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
    """

    def __init__(self, timeline: Timeline, cluster: LocalCluster, state: LiveState) -> None:
        self._timeline = timeline
        self._cluster = cluster
        self._state = state
        self._broken: dict[str, str] = {}  # node to fault

    def kill(self, name: str) -> None:
        """End a node with SIGKILL, as a power cut would. Undone by :meth:`restart`.

        Raises
        ------
        FaultError
            It is down already.
        """
        node = self._cluster.node(name)
        if not node.process.running:
            raise FaultError(f"{name} is down already; restart({name!r}) brings it back")
        self._timeline.append(FaultStarted(name, "kill"))
        self._broken[name] = "kill"
        self._cluster.kill_node(name)

    def restart(self, name: str, timeout_s: float) -> None:
        """Start a node that is down, on the same port and with the same data; wait until it serves.

        A broker's earlier session must expire first: until then its znode belongs to the dead process, and
        a new one would exit (``NodeExistsException``).

        Raises
        ------
        FaultError
            It runs.
        KafkaLabError
            It exited or did not answer in time (NodeStartError), or its old session did not expire
            (WaitTimeoutError). It is down then, as before.
        """
        node = self._cluster.node(name)
        if node.process.running:
            raise FaultError(f"{name} runs (process {node.process.pid}): there is nothing to restart")
        if node.role == "broker":
            self._timeline.wait_until(
                lambda: True if not self._state.now().nodes[name].registered else None,
                timeout_s=timeout_s,
                expected=f"the end of the session of {name}'s killed process",
            )
        begin = len(self._timeline)
        self._cluster.start_node(name)
        try:
            self._cluster.wait_until_answers(name, timeout_s)
            if node.role == "broker":
                self._timeline.wait_for(BrokerRegistered, node=name, since=begin, timeout_s=timeout_s)
        except KafkaLabError:
            self._cluster.kill_node(name)
            raise
        if name in self._broken:
            self._timeline.append(FaultEnded(name, self._broken.pop(name)))
