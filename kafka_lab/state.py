"""What the cluster looks like at a moment: the fold of the events up to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import reduce, singledispatch

from kafka_lab import events as ev
from kafka_lab.errors import ConfigurationError, unknown

__all__ = [
    "OFFSETS_TOPIC",
    "ClusterState",
    "GroupState",
    "NodeState",
    "PartitionState",
    "Told",
    "ZnodeState",
    "node_id",
    "node_name",
]


_CONTROLLERS = 9000  # the node.ids of KRaft controllers that are no brokers begin after it
OFFSETS_TOPIC = "__consumer_offsets"  # where groups' committed offsets are


@dataclass(frozen=True)
class NodeState:
    """One node.

    Attributes
    ----------
    role : str
        ``"zookeeper"``, ``"controller"`` (of KRaft) or ``"broker"``.
    port, pid : int
        Where clients find it, and its process; 0 if that is somebody else's.
    running : bool
        Its process is there.
    paused : bool
        Its process is frozen (SIGSTOP): it is there and does nothing.
    disk_failed : bool
        Its log folder refuses writes.
    registered : bool
        A broker's znode ``/brokers/ids/N`` is there; in KRaft: it is not fenced. It outlives the process by
        up to a session timeout.
    """

    role: str
    port: int = 0
    pid: int = 0
    running: bool = False
    paused: bool = False
    disk_failed: bool = False
    registered: bool = False

    @property
    def answers(self) -> bool:
        """True if there is a process and it is not frozen."""
        return self.running and not self.paused


@dataclass(frozen=True)
class Told:
    """What a broker tells its clients of a partition: leader, leader epoch and in-sync replicas."""

    leader: str | None
    leader_epoch: int
    isr: tuple[str, ...]


@dataclass(frozen=True)
class PartitionState:
    """One partition: what ZooKeeper or the quorum says, and beside it what brokers say.

    Attributes
    ----------
    replicas : tuple of str
        Brokers, in assignment order.
    leader : str or None
        None while there is no leader.
    leader_epoch : int
        Grows by one with each election; -1 before the first.
    isr : tuple of str
        The in-sync replicas.
    told : dict
        What each broker tells its clients, by broker.
    high_watermark : int
        Where consumers stop, when it was last asked; -1 before the first time.
    behind_bytes : dict
        How much shorter each follower's log was than the leader's, when it was last asked.
    """

    replicas: tuple[str, ...] = ()
    leader: str | None = None
    leader_epoch: int = -1
    isr: tuple[str, ...] = ()
    told: dict[str, Told] = field(default_factory=dict)
    high_watermark: int = -1
    behind_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupState:
    """One consumer group, when it was last asked for.

    Attributes
    ----------
    group_state : str
        Kafka's name for it, such as ``"Stable"``.
    members : tuple of str
        The client ids of its members.
    assignments : dict
        Who reads a partition, by topic and number.
    committed : dict
        The committed offset, by topic and number.
    before : dict
        Who read a partition before the last rebalance.
    rebalances : int
        How often other assignments were seen, the first not counted.
    """

    group_state: str = ""
    members: tuple[str, ...] = ()
    assignments: dict[tuple[str, int], str] = field(default_factory=dict)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    before: dict[tuple[str, int], str] = field(default_factory=dict)
    rebalances: int = 0


@dataclass(frozen=True)
class ZnodeState:
    """One znode of ZooKeeper.

    Attributes
    ----------
    data : str
        What it holds, as text.
    session : str
        Whose it is if it is ephemeral; else empty.
    changed_s : float
        When it was last seen to change, in seconds of the timeline's clock.
    gone : bool
        It is there no longer.
    """

    data: str = ""
    session: str = ""
    changed_s: float = 0.0
    gone: bool = False


@dataclass(frozen=True)
class ClusterState:
    """Nodes, controller, partitions and broken links at one moment; the fold of a timeline.

    Attributes
    ----------
    nodes, topics : dict
        By name; a topic's partitions by number.
    controller : str or None
        None while there is none.
    controller_epoch : int
        The KRaft quorum's epoch, which grows with each election; -1 in ZooKeeper mode.
    links : dict
        What is wrong between two ends, such as ``{("broker-1", "broker-2"): "cut"}``; in alphabetical order.
    groups : dict
        The consumer groups, by id.
    znodes : dict
        The znodes that the lab watches, by path; none in KRaft.

    Examples
    --------
    >>> from kafka_lab.events import LeaderChanged
    >>> state = ClusterState.after([LeaderChanged("chat", 0, "broker-1", None, 0)])
    >>> state.topics["chat"][0].leader
    'broker-1'
    """

    nodes: dict[str, NodeState] = field(default_factory=dict)
    controller: str | None = None
    controller_epoch: int = -1
    topics: dict[str, dict[int, PartitionState]] = field(default_factory=dict)
    links: dict[tuple[str, str], str] = field(default_factory=dict)
    groups: dict[str, GroupState] = field(default_factory=dict)
    znodes: dict[str, ZnodeState] = field(default_factory=dict)

    @classmethod
    def after(cls, events: Iterable[ev.Event], begin: ClusterState | None = None) -> ClusterState:
        """Return the state after all of these events, beginning with ``begin`` (default: nothing)."""
        some = (event for event in events if type(event) in _apply.registry)  # most are of records: no change
        return reduce(lambda state, event: _apply(event, state), some, begin or cls())

    def partitions_of(self, topic: str) -> dict[int, PartitionState]:
        """Return a topic's partitions by number.

        Raises
        ------
        ConfigurationError
            There is no such topic.
        """
        if topic not in self.topics:
            raise ConfigurationError(unknown("topic", topic, self.topics))
        return self.topics[topic]

    def partition_of(self, topic: str, partition: int) -> PartitionState:
        """Return one partition.

        Raises
        ------
        ConfigurationError
            There is no such topic or partition.
        """
        partitions = self.partitions_of(topic)
        if partition not in partitions:
            raise ConfigurationError(unknown(f"partition of {topic}", partition, partitions))
        return partitions[partition]

    def is_changed_by(self, event: ev.Event) -> bool:
        """Tell whether an event is news: what was seen before is none, nor what has no place here."""
        return _apply(event, self) != self

    @property
    def brokers(self) -> tuple[str, ...]:
        """The names of the brokers, in the order of their ids."""
        return tuple(sorted((n for n, node in self.nodes.items() if node.role == "broker"), key=node_id))

    @property
    def in_kraft(self) -> bool:
        """True without ZooKeeper: only KRaft's quorum has an epoch here."""
        return self.controller_epoch >= 0


def node_id(node: str) -> int:
    """Return the ``node.id`` (or ``broker.id``) of a broker or a KRaft controller.

    Examples
    --------
    >>> node_id("broker-12"), node_id("controller-1")
    (12, 9001)
    """
    role, number = node.rsplit("-", 1)
    return int(number) + (_CONTROLLERS if role == "controller" else 0)


def node_name(node_id: int) -> str:
    """Return the name of a node by its id, the reverse of :func:`node_id`."""
    if _CONTROLLERS < node_id < _CONTROLLERS + 10:
        return f"controller-{node_id - _CONTROLLERS}"
    return f"broker-{node_id}"


@singledispatch
def _apply(event: ev.Event, state: ClusterState) -> ClusterState:  # noqa: ARG001
    """Return the state after one more event; most events change nothing of it."""
    return state


def _with_node(state: ClusterState, name: str, **changes: object) -> ClusterState:
    node = state.nodes.get(name, NodeState(role="broker"))
    return replace(state, nodes={**state.nodes, name: replace(node, **changes)})  # type: ignore[arg-type]


def _with_fault(state: ClusterState, event: ev.FaultStarted | ev.FaultEnded, *, there: bool) -> ClusterState:
    marks = {"pause": "paused", "fail_disk": "disk_failed"}
    return _with_node(state, event.node, **{marks[event.fault]: there}) if event.fault in marks else state


def _alive(state: ClusterState, name: str, *, alive: bool) -> dict[str, object]:
    """Return what a registration says of a process that is somebody else's: nothing else tells of it."""
    node = state.nodes.get(name)
    return {} if node is not None and node.pid else {"running": alive}


def _ends(node: str, peer: str) -> tuple[str, str]:
    first, second = sorted((node, peer))
    return first, second


def _with_partition(state: ClusterState, event: ev.PartitionEvent, **changes: object) -> ClusterState:
    partitions = state.topics.get(event.topic, {})
    changed = replace(partitions.get(event.partition, PartitionState()), **changes)  # type: ignore[arg-type]
    return replace(state, topics={**state.topics, event.topic: {**partitions, event.partition: changed}})


def _with_known(
    state: ClusterState, event: ev.PartitionEvent, **changes: Callable[[PartitionState], object]
) -> ClusterState:
    """Change what was asked for a partition; the answer may come after the topic was deleted."""
    known = state.topics.get(event.topic, {}).get(event.partition)
    if known is None:
        return state
    return _with_partition(state, event, **{name: change(known) for name, change in changes.items()})


@_apply.register
def _(event: ev.NodeStarted, state: ClusterState) -> ClusterState:
    return _with_node(state, event.node, role=event.role, port=event.port, pid=event.pid, running=True)


@_apply.register
def _(event: ev.NodeExited, state: ClusterState) -> ClusterState:
    return _with_node(state, event.node, running=False)


@_apply.register
def _(event: ev.NodeRemoved, state: ClusterState) -> ClusterState:
    return replace(state, nodes={name: node for name, node in state.nodes.items() if name != event.node})


@_apply.register
def _(event: ev.BrokerRegistered, state: ClusterState) -> ClusterState:
    return _with_node(state, event.node, registered=True, **_alive(state, event.node, alive=True))


@_apply.register
def _(event: ev.BrokerLost, state: ClusterState) -> ClusterState:
    if event.node not in state.nodes:
        return state
    return _with_node(state, event.node, registered=False, **_alive(state, event.node, alive=False))


@_apply.register
def _(event: ev.FaultStarted, state: ClusterState) -> ClusterState:
    if event.peer is not None:
        return replace(state, links={**state.links, _ends(event.node, event.peer): event.fault})
    return _with_fault(state, event, there=True)


@_apply.register
def _(event: ev.FaultEnded, state: ClusterState) -> ClusterState:
    if event.peer is not None:
        healed = _ends(event.node, event.peer)
        return replace(state, links={ends: fault for ends, fault in state.links.items() if ends != healed})
    return _with_fault(state, event, there=False)


@_apply.register
def _(event: ev.ControllerElected, state: ClusterState) -> ClusterState:
    return replace(state, controller=event.node, controller_epoch=event.epoch)


@_apply.register
def _(event: ev.ControllerLost, state: ClusterState) -> ClusterState:  # noqa: ARG001
    return replace(state, controller=None)


@_apply.register
def _(event: ev.TopicCreated, state: ClusterState) -> ClusterState:
    return replace(state, topics={**state.topics, event.topic: {}})


@_apply.register
def _(event: ev.TopicDeleted, state: ClusterState) -> ClusterState:
    return replace(
        state,
        topics={name: parts for name, parts in state.topics.items() if name != event.topic},
        groups={
            name: replace(group, committed={w: o for w, o in group.committed.items() if w[0] != event.topic})
            for name, group in state.groups.items()
        },
    )


@_apply.register
def _(event: ev.ReplicasAssigned, state: ClusterState) -> ClusterState:
    return _with_partition(state, event, replicas=event.replicas)


@_apply.register
def _(event: ev.LeaderChanged, state: ClusterState) -> ClusterState:
    return _with_partition(state, event, leader=event.leader, leader_epoch=event.leader_epoch)


@_apply.register
def _(event: ev.LeaderLost, state: ClusterState) -> ClusterState:
    return _with_partition(state, event, leader=None, leader_epoch=event.leader_epoch)


@_apply.register
def _(event: ev.IsrShrunk, state: ClusterState) -> ClusterState:
    return _with_partition(state, event, isr=event.isr, leader_epoch=event.leader_epoch)


@_apply.register
def _(event: ev.IsrExpanded, state: ClusterState) -> ClusterState:
    return _with_partition(state, event, isr=event.isr, leader_epoch=event.leader_epoch)


@_apply.register
def _(event: ev.MetadataChanged, state: ClusterState) -> ClusterState:
    told = Told(event.leader, event.leader_epoch, event.isr)
    return _with_known(state, event, told=lambda known: {**known.told, event.broker: told})


@_apply.register
def _(event: ev.HighWatermarkMoved, state: ClusterState) -> ClusterState:
    return _with_known(state, event, high_watermark=lambda _: event.offset)


@_apply.register
def _(event: ev.ReplicaDistanceChanged, state: ClusterState) -> ClusterState:
    return _with_known(
        state, event, behind_bytes=lambda known: {**known.behind_bytes, event.replica: event.behind_bytes}
    )


@_apply.register
def _(event: ev.GroupChanged, state: ClusterState) -> ClusterState:
    assignments = {}
    for assignment in event.assignments:
        partition, _, member = assignment.partition(" ")
        topic, _, number = partition.rpartition("-")
        assignments[topic, int(number)] = member
    known = state.groups.get(event.group, GroupState())
    moved = bool(assignments) and assignments != known.assignments
    last = known.assignments or known.before  # while a group rebalances it has no assignments
    group = replace(
        known,
        group_state=event.group_state,
        members=event.members,
        assignments=assignments,
        before=last if moved or not assignments else known.before,
        rebalances=known.rebalances + (moved and bool(last) and assignments != last),
    )
    return replace(state, groups={**state.groups, event.group: group})


@_apply.register
def _(event: ev.GroupDeleted, state: ClusterState) -> ClusterState:
    return replace(state, groups={name: group for name, group in state.groups.items() if name != event.group})


@_apply.register
def _(event: ev.OffsetCommitted, state: ClusterState) -> ClusterState:
    group = state.groups.get(event.group, GroupState())
    committed = {**group.committed, (event.topic, event.partition): event.offset}
    return replace(state, groups={**state.groups, event.group: replace(group, committed=committed)})


@_apply.register
def _(event: ev.ZnodeChanged, state: ClusterState) -> ClusterState:
    znode = ZnodeState(event.data, event.session, event.at_s)
    return replace(state, znodes={**state.znodes, event.path: znode})


@_apply.register
def _(event: ev.ZnodeDeleted, state: ClusterState) -> ClusterState:
    known = state.znodes.get(event.path, ZnodeState())
    gone = replace(known, changed_s=event.at_s, gone=True)
    return replace(state, znodes={**state.znodes, event.path: gone})
