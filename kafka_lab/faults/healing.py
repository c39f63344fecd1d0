"""All faults of a lab, and bringing everything back whatever was broken in whatever order."""

from __future__ import annotations

from kafka_lab.cluster.config import HOST
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import FaultError, WaitTimeoutError
from kafka_lab.faults.disks import DiskFaults
from kafka_lab.faults.fault import Register
from kafka_lab.faults.links import LinkFaults
from kafka_lab.faults.nodes import NodeFaults
from kafka_lab.history import History
from kafka_lab.observe.direct import metadata_of, name_of
from kafka_lab.progress import Report
from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline
from kafka_lab.waiting import wait_until

__all__ = ["Faults"]

_STUCK_S = 25.0  # a replica that is not back by then will not come back by itself


class Faults:
    """What can be broken in a local cluster.

    Parameters
    ----------
    timeline : Timeline
        Gets the faults; what the cluster does about them arrives there too.
    cluster : LocalCluster
        The cluster.
    state : History
        The state of ``timeline``.
    patience_s : float
        How long a node may take to come back: longer than a session lasts.

    Attributes
    ----------
    nodes, links, disks
        The faults by what they break.
    """

    def __init__(self, timeline: Timeline, cluster: LocalCluster, state: History, patience_s: float) -> None:
        self._timeline = timeline
        self._cluster = cluster
        self._state = state
        self._patience_s = patience_s
        self._register = Register(timeline)
        self.nodes = NodeFaults(timeline, cluster, self._register, state, patience_s)
        self.links = LinkFaults(cluster, self._register)
        self.disks = DiskFaults(cluster, self._register, self.nodes)

    def check_whole(self, name: str) -> None:
        """Refuse what must not be done to a node while something is wrong with it or its links.

        Raises
        ------
        FaultError
            Something is.
        """
        for fault in self._register.open():
            if name in {fault.node, fault.peer}:
                raise FaultError(f"{fault.kind} of {fault.place} is not healed: {fault.cure} first")

    def heal_all(self, report: Report) -> None:
        """Heal every link and disk, bring every node back, and wait until every ISR is full.

        A leader that still waits for an earlier controller takes no follower back into the ISR, for
        ``controller.socket.timeout.ms`` (30 s as shipped, 3 s in the lab's own profiles): it is restarted.

        Raises
        ------
        KafkaLabError
            Something did not come back; the error says what.
        """
        self.links.heal_all()
        self.disks.heal_all()
        for name, node in self._cluster.nodes.items():  # ZooKeepers and controllers come first
            report(f"Bringing {name} back", 0, 0)
            fault = self._register.at(name)
            if not node.process.running:
                self.nodes.restart(name)
            elif fault is not None and fault.kind == "pause":
                self.nodes.resume(name)
        try:
            self._wait_until_whole(report, _STUCK_S)
        except WaitTimeoutError:
            for leader in _leaders_of_incomplete(self._state.now()):
                report(f"Restarting {leader}, which does not take its followers back", 0, 0)
                self.nodes.stop(leader)
                self.nodes.restart(leader)
            self._wait_until_whole(report, self._patience_s)

    def _wait_until_whole(self, report: Report, timeout_s: float) -> None:
        """Wait until every broker is registered, every replica in sync, and clients are told of them all.

        Sessions that ZooKeeper took with it can still expire when it is back, after the watches' first look:
        so the replicas are looked at once more when all brokers are told of.

        Raises
        ------
        WaitTimeoutError
            That was not so in time.
        """
        self._wait_until_in_sync(report, timeout_s)
        report("Waiting until every broker tells of all others", 0, 0)
        wait_until(
            lambda: None if self._ignorant() else True,
            timeout_s=timeout_s,
            expected="metadata that list all brokers",
            last_seen=lambda: f"{', '.join(self._ignorant())} do not list all",
        )
        self._wait_until_in_sync(report, timeout_s)

    def _ignorant(self) -> list[str]:
        """Return the brokers that do not tell their clients of all brokers."""
        state = self._state.now()
        everybody = set(state.brokers)

        def told(name: str) -> set[str | None]:
            metadata = metadata_of(HOST, state.nodes[name].port)
            return {name_of(broker.node_id) for broker in metadata.brokers} if metadata else set()

        return [name for name in state.brokers if not everybody <= told(name)]

    def _wait_until_in_sync(self, report: Report, timeout_s: float) -> None:
        """Wait until every broker is registered, there is a controller, and every replica is in sync."""

        def whole() -> bool | None:
            state = self._state.now()
            full, all_ = _full_isrs(state)
            report("Waiting until every replica is in sync", full, all_)
            registered = all(state.nodes[name].registered for name in state.brokers)
            return True if full == all_ and registered and state.controller else None

        self._timeline.wait_until(whole, timeout_s=timeout_s, expected="every ISR full")


def _leaders_of_incomplete(state: ClusterState) -> list[str]:
    """Return who leads a partition of which a replica is not in sync."""
    partitions = [p for topic in state.topics.values() for p in topic.values()]
    return sorted({p.leader for p in partitions if p.leader and set(p.isr) != set(p.replicas)})


def _full_isrs(state: ClusterState) -> tuple[int, int]:
    """Return how many partitions have all their replicas in sync, and how many there are."""
    partitions = [p for topic in state.topics.values() for p in topic.values()]
    return sum(set(p.isr) == set(p.replicas) for p in partitions), len(partitions)
