"""What can be seen of a lab, all of it from its timeline; :class:`kafka_lab.Lab` has it all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from kafka_lab.errors import ConfigurationError
from kafka_lab.events import GroupChanged, NotificationStored, RecordAcknowledged, TopicCreated
from kafka_lab.history import History
from kafka_lab.showing import visible
from kafka_lab.state import OFFSETS_TOPIC, ClusterState, NodeState, PartitionState
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline

if TYPE_CHECKING:
    from kafka_lab.openim.service import Receipt
    from kafka_lab.views import Together, View
    from kafka_lab.views.plots import Plot

__all__ = ["Looking"]


class Looking(ABC):
    """Asks the timeline: who is there, who leads, what was sent."""

    timeline: Timeline
    _state: History

    @property
    @abstractmethod
    def brokers(self) -> tuple[str, ...]:
        """The brokers' names."""

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

    def state_at(self, at_s: float | None) -> ClusterState:
        """Return the cluster as it was at a moment, in seconds of the timeline's clock; None: at its end."""
        return self._state.after(self.timeline.moment(at_s).count)

    def controller(self) -> str | None:
        """Return the name of the controller, or None while there is none."""
        return self.state.controller

    def leader_of(self, topic: str, partition: int) -> str | None:
        """Return the leader of a partition as ZooKeeper or the quorum has it, or None while there is none.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        """
        return self._partition(topic, partition).leader

    def isr_of(self, topic: str, partition: int) -> tuple[str, ...]:
        """Return the in-sync replicas of a partition as ZooKeeper or the quorum has them.

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

    def groups(self, *group_ids: str) -> View:
        """Return the picture of consumer groups: who reads what, how far they have committed, and their lag.

        They are asked for again and again, so it may be a second or two old.

        Parameters
        ----------
        *group_ids : str
            Which, side by side; by default all that there are.
        """
        from kafka_lab.views import groups_view

        return groups_view(self.timeline, self._state, group_ids)

    def topology(self, *topics: str) -> View:
        """Return the picture of brokers, replicas and leaders: live in JupyterLab, still elsewhere.

        Parameters
        ----------
        *topics : str
            Which; by default all but Kafka's own.
        """
        from kafka_lab.views import topology_view

        return topology_view(self.timeline, self._state, topics)

    def elections(self, *topics: str, last_s: float | None = 60.0) -> View:
        """Return the time axis: who led each partition when, faults, and what clients met.

        Parameters
        ----------
        *topics : str
            Which; by default all but Kafka's own.
        last_s : float or None, default 60
            How much of the past it shows, in seconds; None for all of it.

        Raises
        ------
        ConfigurationError
            ``last_s`` is not above 0.
        """
        from kafka_lab.views import elections_view

        if last_s is not None and last_s <= 0:
            raise ConfigurationError(f"last_s is {last_s}; expected seconds above 0, or None for all")
        return elections_view(self.timeline, topics, last_s)

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
        if self.timeline.find(TopicCreated, topic=topic) is None:  # it may be deleted now: pictures look back
            self.state.partitions_of(topic)  # says so
        return order_view(self.timeline, topic)

    def route(self, message: str | Receipt | None = None) -> View:
        """Return the picture of one notification's way from the HTTP request to the inboxes.

        Parameters
        ----------
        message : str or Receipt, optional
            Its clientMsgID, or what ``lab.openim().send(...)`` returned; by default the latest notification.
        """
        from kafka_lab.views import route_view

        asked = message if message is None or isinstance(message, str) else message.clientMsgID
        return route_view(self.timeline, asked)

    def inbox(self, user: str) -> View:
        """Return the picture of a user's inbox, as their chat client shows it."""
        from kafka_lab.views import inbox_view

        return inbox_view(self.timeline, user)

    def plot_latency(self, *topics: str) -> Plot:
        """Return how long records took from sending to their acknowledgement, as distributions.

        Parameters
        ----------
        *topics : str
            Which; by default all that the lab's producers sent to.

        Raises
        ------
        ConfigurationError
            Nothing was acknowledged there.
        """
        from kafka_lab.views.plots import latency_plot

        return latency_plot(self.timeline, topics)

    def plot_lag(self, *group_ids: str) -> Plot:
        """Return how many records waited for consumer groups, over time.

        Parameters
        ----------
        *group_ids : str
            Which; by default all.

        Raises
        ------
        ConfigurationError
            No committed offset was seen.
        """
        from kafka_lab.views.plots import lag_plot

        return lag_plot(self.timeline, group_ids)

    def zookeeper_tree(self) -> View:
        """Return the picture of ZooKeeper's tree: the znodes that matter, and what changed last.

        Raises
        ------
        ConfigurationError
            The cluster runs in KRaft mode.
        """
        from kafka_lab.views import zookeeper_view

        if self.state.in_kraft:
            raise ConfigurationError("a cluster in KRaft mode has no ZooKeeper; lab.quorum() shows who leads")
        return zookeeper_view(self.timeline, self._state)

    def znodes(self) -> Table:
        """Return the znodes in which Kafka keeps brokers, controller, topics and leaders, as last seen.

        Raises
        ------
        ConfigurationError
            The cluster runs in KRaft mode.
        """
        return self.zookeeper_tree().scene().table

    def together(self, *views: View) -> Together:
        """Return several views under one slider; by default the topology and the elections.

        Raises
        ------
        ConfigurationError
            They are of different labs.
        """
        from kafka_lab.views import Together

        return Together(*(views or (self.topology(), self.elections())))

    def save_html(self, path: str | Path, title: str = "A Kafka cluster, recorded") -> Path:
        """Write everything that happened as one HTML file, which opens in any browser; return its path.

        It holds the pictures, a slider, the list of events and the keyboard's shortcuts, and asks no network
        for anything. ``lesson.html#t=12.3`` opens it at that moment.

        Parameters
        ----------
        path : str or pathlib.Path
            The file; it is replaced.
        title : str
            The headline.

        Raises
        ------
        ConfigurationError
            The file cannot be written.
        """
        from kafka_lab.views.replay import save_html

        with visible("Drawing every moment") as report:
            try:
                return save_html(path, self._recorded_views(), title, report)
            except OSError as error:
                raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error

    def _recorded_views(self) -> list[View]:
        """Return what a recording shows: what this timeline has something of."""
        sent = Counter(event.topic for event in self.timeline if isinstance(event, RecordAcknowledged))
        users = Counter(event.user for event in self.timeline if isinstance(event, NotificationStored))
        views = [self.topology(), self.elections()]
        if self.timeline.find(GroupChanged):
            views.append(self.groups())
        views += [self.order(topic) for topic, _ in sent.most_common(1)]
        views += [self.inbox(user) for user, _ in users.most_common(2)]
        return views

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
