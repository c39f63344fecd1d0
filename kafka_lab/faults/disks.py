"""Breaking a broker's disk: its log folder can no longer be written to."""

from __future__ import annotations

from pathlib import Path

from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import FaultError
from kafka_lab.faults.fault import Fault, Register, disk_of
from kafka_lab.faults.nodes import NodeFaults

__all__ = ["DiskFaults"]


class DiskFaults:
    """What can be done to the disks of a local cluster.

    The log folder is moved aside and a file takes its place, so that every attempt to create a file in it
    fails: for root too, and on macOS as on Linux. What is open stays open: a broker notices when it next
    writes a checkpoint, every five seconds (``replica.high.watermark.checkpoint.interval.ms``), or begins a
    segment.

    Parameters
    ----------
    cluster : LocalCluster
        Whose disks.
    register : Register
        Where open faults are noted.
    nodes : NodeFaults
        Starts again the brokers that shut down.
    """

    def __init__(self, cluster: LocalCluster, register: Register, nodes: NodeFaults) -> None:
        self._cluster = cluster
        self._register = register
        self._nodes = nodes

    def fail(self, name: str) -> Fault:
        """Make a broker's log folder refuse writes. Undone by :meth:`repair`.

        Raises
        ------
        FaultError
            The node is no broker, is down, or its disk is broken already.
        """
        node = self._cluster.node(name)
        if node.role != "broker":
            raise FaultError(f"{name} is no broker: it has no log folder")
        if self._register.at(disk_of(name)) is not None:
            raise FaultError(f"the disk of {name} is broken already; repair_disk({name!r}) repairs it")
        if not node.process.running:
            raise FaultError(f"{name} is down; restart({name!r}) brings it back")
        self._cluster.expect_exit(name)
        node.data.rename(_aside(node.data))
        fault = Fault("fail_disk", name, disk_of(name), f"repair_disk({name!r})", self._heal)
        self._register.begin(fault)
        node.data.touch()
        return fault

    def repair(self, name: str) -> None:
        """Put the log folder back, and start the broker again.

        Raises
        ------
        FaultError
            The disk is not broken.
        KafkaLabError
            The broker does not come back; its disk is whole, though.
        """
        self._cluster.node(name)  # says so if there is none
        if self._register.at(disk_of(name)) is None:
            raise FaultError(f"the disk of {name} is not broken: there is nothing to repair")
        self._put_back(name)
        self._nodes.restart(name)

    def heal_all(self) -> None:
        """Put every log folder back; the brokers are down then."""
        for fault in self._register.open():
            if fault.kind == "fail_disk":
                self._put_back(fault.node)

    def _put_back(self, name: str) -> None:
        data = self._cluster.node(name).data
        self._cluster.kill_node(name)  # it may be about to shut down
        data.unlink(missing_ok=True)
        _aside(data).rename(data)
        self._register.end(disk_of(name))

    def _heal(self, fault: Fault) -> None:
        if self._register.at(fault.place) is fault:
            self.repair(fault.node)


def _aside(data: Path) -> Path:
    return data.with_name(f"{data.name}-aside")
