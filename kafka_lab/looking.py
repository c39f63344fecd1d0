"""What can be seen of a lab, all of it from its timeline; :class:`kafka_lab.Lab` has it all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape
from typing import TYPE_CHECKING

from kafka_lab.state import OFFSETS_TOPIC, ClusterState, LiveState, NodeState, PartitionState
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline

if TYPE_CHECKING:
    from kafka_lab.views.view import View

__all__ = ["Looking"]


class Looking(ABC):
    """Asks the timeline: who is there, who leads, what was sent."""

    timeline: Timeline
    brokers: tuple[str, ...]
    _state: LiveState

    @abstractmethod
    def _check_started(self) -> None:
        """Say what to do first, if the lab was never started."""

    @abstractmethod
    def _condition(self) -> str:
        """Return "running", or why the lab is not."""

    @abstractmethod
    def _log_file(self, node: str) -> str:
        """Return where a node writes its log."""

    @property
    def state(self) -> ClusterState:
        """The cluster as the timeline has it at this moment."""
        return self._state.now()

    def controller(self) -> str | None:
        """Return the name of the controller, or None while there is none."""
        return self.state.controller

    def leader_of(self, topic: str, partition: int) -> str | None:
        """Return the leader of a partition as ZooKeeper has it, or None while there is none.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        """
        return self._partition(topic, partition).leader

    def isr_of(self, topic: str, partition: int) -> tuple[str, ...]:
        """Return the in-sync replicas of a partition as ZooKeeper has them.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        """
        return self._partition(topic, partition).isr

    def coordinator(self, group_id: str) -> str | None:
        """Return the coordinator of a consumer group, or None while there is none.

        It is the leader of the partition of ``__consumer_offsets`` that the group's ID picks: its Java hash
        code modulo the number of partitions (``GroupMetadataManager.partitionFor`` in Kafka 3.9).
        """
        from kafka_lab.clients import offsets_partition

        partitions = len(self.state.topics[OFFSETS_TOPIC])
        return self.leader_of(OFFSETS_TOPIC, offsets_partition(group_id, partitions))

    def _partition(self, topic: str, partition: int) -> PartitionState:
        self._check_started()
        return self.state.partition_of(topic, partition)

    def told(self, topic: str, partition: int) -> dict[str, str | None]:
        """Return whom each broker tells its clients to be the leader, by broker, when it was last asked.

        What ZooKeeper says is :meth:`leader_of`. They differ while news travel, and as long as a broker is
        cut off: it goes on telling what it heard last.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        """
        return {
            broker: told.leader for broker, told in sorted(self._partition(topic, partition).told.items())
        }

    def partitions(self, topic: str) -> Table:
        """Return a topic's partitions: what ZooKeeper says, and where brokers tell something else.

        The last columns are what the polls saw last: the high watermark, and which followers' logs are
        shorter than the leader's, by how many bytes.

        Raises
        ------
        ConfigurationError
            There is no such topic.
        """
        self._check_started()
        partitions = self.state.partitions_of(topic)
        header = ("partition", "leader", "epoch", "in sync", "told otherwise by", "high watermark", "behind")
        return Table(header, [_row_of(f"{topic}-{n}", p) for n, p in sorted(partitions.items())])

    def groups(self) -> Table:
        """Return the consumer groups: who reads what, how far they have committed, and their lag.

        They are asked for again and again, so the table may be a second or two old.
        """
        state = self.state
        rows = []
        for name, group in sorted(state.groups.items()):
            for topic, number in sorted({*group.assignments, *group.committed}) or [("", -1)]:
                partition = state.topics.get(topic, {}).get(number, PartitionState())
                committed = group.committed.get((topic, number))
                if committed is None or partition.high_watermark < 0:
                    lag = "-"
                else:
                    lag = str(max(0, partition.high_watermark - committed))
                rows.append((
                    name,
                    group.group_state,
                    f"{topic}-{number}" if topic else "-",
                    group.assignments.get((topic, number), "-"),
                    "-" if committed is None else str(committed),
                    lag,
                ))
        return Table(("group", "state", "partition", "member", "committed", "lag"), rows)

    def topology(self) -> View:
        """Return the picture of brokers, replicas and leaders: live in JupyterLab, still elsewhere."""
        from kafka_lab.views import topology_view

        return topology_view(self.timeline)

    def order(self, topic: str) -> View:
        """Return the picture of a topic's messages and the orders between them.

        It shows what the lab's own producers sent and its consumers read (``lab.producer()``,
        ``lab.read()``).

        Raises
        ------
        ConfigurationError
            There is no such topic.
        """
        from kafka_lab.views import order_view

        self._check_started()
        self.state.partitions_of(topic)  # says so if there is none
        return order_view(self.timeline, topic)

    def nodes(self) -> Table:
        """Return the table of nodes: name, role, port, process id, state, log file."""
        return Table(
            ("node", "role", "port", "pid", "state", "log file"),
            [
                (
                    name,
                    node.role,
                    str(node.port),
                    str(node.pid),
                    _condition_of(node, is_controller=name == self.state.controller),
                    self._log_file(name),
                )
                for name, node in self.state.nodes.items()
            ],
        )

    def __repr__(self) -> str:
        condition = self._condition()
        if condition == "running":
            return self.nodes().to_text()
        return f"<Lab: {len(self.brokers)} brokers, {condition}>"

    def _repr_html_(self) -> str:
        if self._condition() == "running":
            return self.nodes().to_html()
        return f"<p>{escape(repr(self))}</p>"


def _row_of(name: str, partition: PartitionState) -> tuple[str, ...]:
    otherwise = [
        f"{broker} ({told.leader or 'none'})"
        for broker, told in sorted(partition.told.items())
        if told.leader != partition.leader
    ]
    behind = [f"{replica} {size} bytes" for replica, size in sorted(partition.behind_bytes.items()) if size]
    return (
        name,
        partition.leader or "none",
        str(partition.leader_epoch),
        ", ".join(partition.isr),
        ", ".join(otherwise) or "-",
        "-" if partition.high_watermark < 0 else str(partition.high_watermark),
        ", ".join(behind) or "-",
    )


def _condition_of(node: NodeState, *, is_controller: bool) -> str:
    if node.paused:
        return "paused"
    if not node.running:
        return "down, still registered" if node.registered else "down"
    if node.role == "broker" and not node.registered:
        return "starting"
    return "running, controller" if is_controller else "running"
