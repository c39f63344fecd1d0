"""What can happen, as frozen dataclasses in the past tense.

An event is a fact about the cluster or about a message in it. Facts come from ZooKeeper's watches, from
process exits, from faults, from clients and from the notification pipeline; everything people see is a
function of them. A :class:`~kafka_lab.timeline.Timeline` gives each event its ``seq`` and its ``at_s``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

__all__ = [
    "EVENT_TYPES",
    "BrokerLost",
    "BrokerRegistered",
    "ControllerElected",
    "ControllerLost",
    "ElectionRequested",
    "Event",
    "FaultEnded",
    "FaultStarted",
    "GroupChanged",
    "GroupDeleted",
    "HighWatermarkMoved",
    "IsrExpanded",
    "IsrShrunk",
    "LeaderChanged",
    "LeaderLost",
    "MemberEnded",
    "MemberStarted",
    "MetadataChanged",
    "NodeExited",
    "NodeRemoved",
    "NodeStarted",
    "NotificationAccepted",
    "NotificationPushed",
    "NotificationRefused",
    "NotificationStored",
    "NotificationUnknown",
    "OffsetCommitted",
    "PartitionsAssigned",
    "PartitionsRevoked",
    "PollsFailed",
    "PollsSucceeded",
    "ReassignmentEnded",
    "ReassignmentStarted",
    "RecordAcknowledged",
    "RecordFailed",
    "RecordRead",
    "RecordRejected",
    "ReplicaDistanceChanged",
    "ReplicasAssigned",
    "TopicCreated",
    "TopicDeleted",
    "WorkerFailed",
    "WorkerResumed",
    "WorkerStalled",
    "WorkerStarted",
    "WorkerStopped",
    "ZnodeChanged",
    "ZnodeDeleted",
    "ZooKeeperLost",
    "ZooKeeperSeen",
    "clipped",
]

_TEXT = 120  # characters of a key or value
_BINARY = (bytes, bytearray, memoryview)


@dataclass(frozen=True, slots=True)
class Event:
    """A fact; subclasses say which.

    Attributes
    ----------
    seq : int
        Its place in the timeline, from 0; -1 until a timeline has it. It does not change after that.
    at_s : float
        When it was noticed: seconds of the monotonic clock since the timeline began.
    """

    seq: int = field(default=-1, kw_only=True)
    at_s: float = field(default=0.0, kw_only=True)

    @property
    def subject(self) -> str:
        """What the event is about, by name: a node, a partition such as ``chat-3``, a message."""
        return ""

    def stamped(self, seq: int, at_s: float) -> Self:
        """Return the event with a place and a time: itself if it had none yet, else a copy."""
        if self.seq >= 0:
            return dataclasses.replace(self, seq=seq, at_s=at_s)
        object.__setattr__(self, "seq", seq)  # a copy costs ten times as much, for each record that is sent
        object.__setattr__(self, "at_s", at_s)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain JSON data, its class name under ``"event"``."""
        return {"event": type(self).__name__, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild an event of this class from :meth:`to_dict`'s fields (without ``"event"``).

        Raises
        ------
        TypeError
            A field is missing, unknown or of another type.
        """
        hints = _field_types(cls)  # type: ignore[arg-type] # every class can be hashed
        values = {}
        for name, value in data.items():
            if name not in hints:
                raise TypeError(f"{cls.__name__} has no field {name!r}")
            values[name] = _checked(cls.__name__, name, value, hints[name])
        return cls(**values)  # type: ignore[arg-type] # checked above


@dataclass(frozen=True, slots=True)
class NodeEvent(Event):
    """A fact about one node."""

    node: str

    @property
    def subject(self) -> str:
        """The node's name."""
        return self.node


@dataclass(frozen=True, slots=True)
class NodeStarted(NodeEvent):
    """A node's process was started. ``role`` is ``"zookeeper"``, ``"controller"`` or ``"broker"``.

    A ``pid`` of 0 means that the process is somebody else's: it was there already.
    """

    role: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class NodeExited(NodeEvent):
    """A node's process is gone; a negative ``exit_code`` is the signal that ended it."""

    exit_code: int
    expected: bool


@dataclass(frozen=True, slots=True)
class NodeRemoved(NodeEvent):
    """The node is no part of the cluster any more, and its data are gone."""


@dataclass(frozen=True, slots=True)
class BrokerRegistered(NodeEvent):
    """The broker's ephemeral znode ``/brokers/ids/N`` appeared; in KRaft: it is registered and unfenced."""


@dataclass(frozen=True, slots=True)
class BrokerLost(NodeEvent):
    """The broker's ephemeral znode is gone (KRaft: it is fenced): it left, or its session expired."""


@dataclass(frozen=True, slots=True)
class ControllerElected(NodeEvent):
    """A broker won the ephemeral znode ``/controller``, or a controller leads the KRaft quorum now.

    ``epoch`` is the quorum's; -1 in ZooKeeper mode.
    """

    epoch: int = -1


@dataclass(frozen=True, slots=True)
class ControllerLost(NodeEvent):
    """The controller's znode is gone, or the quorum has no leader: nobody elects leaders meanwhile."""


@dataclass(frozen=True, slots=True)
class ZooKeeperSeen(Event):
    """The lab's own session to ZooKeeper is up: from here its watches see everything."""


@dataclass(frozen=True, slots=True)
class ZooKeeperLost(Event):
    """The lab's own connection to ZooKeeper is gone: what happens now is noticed late or not at all."""


@dataclass(frozen=True, slots=True)
class ZnodeEvent(Event):
    """A fact about one of ZooKeeper's znodes, by its path."""

    path: str

    @property
    def subject(self) -> str:
        """The path."""
        return self.path


@dataclass(frozen=True, slots=True)
class ZnodeChanged(ZnodeEvent):
    """A znode was made or written.

    Attributes
    ----------
    data : str
        What it holds, as text, clipped to 4000 characters.
    session : str
        Whose it is if it is ephemeral, such as ``"0x1000a"``: it goes with that session. Else empty.
    """

    data: str
    session: str


@dataclass(frozen=True, slots=True)
class ZnodeDeleted(ZnodeEvent):
    """A znode is gone: somebody deleted it, or the session that kept it ended."""


@dataclass(frozen=True, slots=True)
class TopicEvent(Event):
    """A fact about one topic."""

    topic: str

    @property
    def subject(self) -> str:
        """The topic's name."""
        return self.topic


@dataclass(frozen=True, slots=True)
class TopicCreated(TopicEvent):
    """The topic's znode appeared."""


@dataclass(frozen=True, slots=True)
class TopicDeleted(TopicEvent):
    """The topic's znode is gone."""


@dataclass(frozen=True, slots=True)
class PartitionEvent(TopicEvent):
    """A fact about one partition."""

    partition: int

    @property
    def subject(self) -> str:
        """The partition as Kafka's data folders spell it, such as ``chat-3``."""
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True, slots=True)
class ReplicasAssigned(PartitionEvent):
    """The partition's replicas, in assignment order: the first is the preferred leader."""

    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ElectionRequested(PartitionEvent):
    """Somebody asked for an election; ``kind`` is ``"preferred"`` or ``"unclean"``."""

    kind: str


@dataclass(frozen=True, slots=True)
class ReassignmentStarted(PartitionEvent):
    """Somebody asked for other replicas, ``replicas``."""

    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReassignmentEnded(PartitionEvent):
    """The reassignment is over; ``replicas`` are those that the partition has now."""

    replicas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaderChanged(PartitionEvent):
    """The partition has another leader; ``previous`` is the last that it had.

    With ``previous`` equal to ``leader`` the same one was elected again, under a higher epoch.
    """

    leader: str
    previous: str | None
    leader_epoch: int


@dataclass(frozen=True, slots=True)
class LeaderLost(PartitionEvent):
    """The partition has no leader: until one of its replicas can lead."""

    previous: str | None
    leader_epoch: int


@dataclass(frozen=True, slots=True)
class IsrShrunk(PartitionEvent):
    """Replicas left the in-sync replicas; ``isr`` is what remains."""

    isr: tuple[str, ...]
    left: tuple[str, ...]
    leader_epoch: int


@dataclass(frozen=True, slots=True)
class IsrExpanded(PartitionEvent):
    """Replicas joined the in-sync replicas; ``isr`` is all of them now."""

    isr: tuple[str, ...]
    joined: tuple[str, ...]
    leader_epoch: int


@dataclass(frozen=True, slots=True)
class MetadataChanged(PartitionEvent):
    """A broker tells its clients something else than before: ``broker`` in its metadata response."""

    broker: str
    leader: str | None
    leader_epoch: int
    isr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HighWatermarkMoved(PartitionEvent):
    """The high watermark was seen at ``offset``: consumers read what is below."""

    offset: int


@dataclass(frozen=True, slots=True)
class ReplicaDistanceChanged(PartitionEvent):
    """A follower's log was seen to be ``behind_bytes`` shorter than its leader's (DescribeLogDirs)."""

    replica: str
    behind_bytes: int


@dataclass(frozen=True, slots=True)
class PollsFailed(Event):
    """The lab's polls get no answer: groups and offsets are not seen; ``reason`` is the error's class."""

    reason: str


@dataclass(frozen=True, slots=True)
class PollsSucceeded(Event):
    """The lab's polls get answers again."""


@dataclass(frozen=True, slots=True)
class GroupEvent(Event):
    """A fact about one consumer group."""

    group: str

    @property
    def subject(self) -> str:
        """The group's id."""
        return self.group


@dataclass(frozen=True, slots=True)
class GroupChanged(GroupEvent):
    """A consumer group has another state, other members or other assignments.

    Attributes
    ----------
    group_state : str
        Kafka's: ``"Stable"``, ``"PreparingRebalance"``, ``"CompletingRebalance"``, ``"Empty"``, ``"Dead"``.
    members : tuple of str
        Their client ids.
    assignments : tuple of str
        Who reads what, as ``"chat-0 anna"``.
    """

    group_state: str
    members: tuple[str, ...]
    assignments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupDeleted(GroupEvent):
    """The coordinators know the group no longer."""


@dataclass(frozen=True, slots=True)
class MemberEvent(GroupEvent):
    """A fact about one member of a group that the lab runs; ``member`` is its client id."""

    member: str


@dataclass(frozen=True, slots=True)
class MemberStarted(MemberEvent):
    """A member has begun to read, as ``lab.group()`` asked for."""


@dataclass(frozen=True, slots=True)
class MemberEnded(MemberEvent):
    """A member reads no more; ``how``: ``"left"``, ``"killed"``, or the class of the error that ended it."""

    how: str


@dataclass(frozen=True, slots=True)
class PartitionsAssigned(MemberEvent):
    """A member has ``partitions``, such as ``"chat-0"``, from now on: all it has in this ``generation``."""

    partitions: tuple[str, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class PartitionsRevoked(MemberEvent):
    """A member gives ``partitions`` back, before a rebalance."""

    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OffsetCommitted(PartitionEvent):
    """A group was seen to have committed ``offset``: it goes on there."""

    group: str
    offset: int


@dataclass(frozen=True, slots=True)
class FaultStarted(NodeEvent):
    """Somebody broke something on purpose.

    Attributes
    ----------
    fault : str
        The act's name, such as ``"kill"``.
    peer : str or None
        For a link, what is at its other end: a node, or a client as ``"client anna"``.
    """

    fault: str
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class FaultEnded(NodeEvent):
    """The fault is healed: the node serves again, the link is whole."""

    fault: str
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class RecordEvent(PartitionEvent):
    """A fact about one record, which topic, partition and ``offset`` name."""

    offset: int

    @property
    def subject(self) -> str:
        """The record as ``chat-3@17``."""
        return f"{self.topic}-{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class RecordAcknowledged(RecordEvent):
    """A producer of the lab got a record's acknowledgement.

    Attributes
    ----------
    sender : str
        The producer's ``client_id``.
    number : int
        The order in which the lab's producers sent: a smaller number was sent earlier.
    key, text : str or None
        Key and value as text, clipped to 120 characters.
    latency_s : float
        From sending it to this; 0 if that was not measured.
    """

    sender: str
    number: int
    key: str | None
    text: str | None
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RecordFailed(TopicEvent):
    """A producer of the lab gave a record up; ``error`` is the class of the client's error.

    The record may be in the log all the same: an error is not a proof of absence.
    """

    sender: str
    number: int
    error: str


@dataclass(frozen=True, slots=True)
class RecordRead(RecordEvent):
    """A consumer of the lab got a record; ``reader`` is its ``client_id``."""

    reader: str


@dataclass(frozen=True, slots=True)
class RecordRejected(RecordEvent):
    """A worker could not make sense of a record and left it out; ``reason`` is the error's class."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkerEvent(Event):
    """A fact about one worker of the pipeline."""

    worker: str

    @property
    def subject(self) -> str:
        """The worker's name."""
        return self.worker


@dataclass(frozen=True, slots=True)
class WorkerStarted(WorkerEvent):
    """A worker has begun, as a member of its group."""


@dataclass(frozen=True, slots=True)
class WorkerStopped(WorkerEvent):
    """A worker has ended: in order, or ``killed``, with what it had in memory."""

    killed: bool


@dataclass(frozen=True, slots=True)
class WorkerFailed(WorkerEvent):
    """A worker of the pipeline ended by an error, whose class is ``reason``; closing it raises the error."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkerStalled(WorkerEvent):
    """A worker cannot store and reads no further, such as when the disk is full; ``reason`` is the error."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkerResumed(WorkerEvent):
    """A worker that was stalled stores again."""


@dataclass(frozen=True, slots=True)
class NotificationEvent(Event):
    """A fact about one message of OpenIM, by its ``clientMsgID``."""

    clientMsgID: str  # noqa: N815 - OpenIM's spelling

    @property
    def subject(self) -> str:
        """The message's ``clientMsgID``."""
        return self.clientMsgID


@dataclass(frozen=True, slots=True)
class NotificationAccepted(NotificationEvent):
    """The gateway answered errCode 0: Kafka acknowledged every copy.

    Attributes
    ----------
    inboxes : tuple of str
        The users who each get a copy: the recipient and the sender's own.
    received_s : float
        When the request arrived, on the timeline's clock.
    sendID, senderNickname : str
        The sending account, and the name that it shows with this message.
    groupID : str
        The group, of a message to one.
    conversationType : str
        How the conversation's ID begins: ``"notification"``, ``"single"``, ``"group"`` or ``"super_group"``.
    title, text : str
        What it says, clipped to 120 and 500 characters.
    """

    inboxes: tuple[str, ...]
    received_s: float
    sendID: str = ""  # noqa: N815 - OpenIM's spelling, here and below
    senderNickname: str = ""  # noqa: N815
    groupID: str = ""  # noqa: N815
    conversationType: str = ""  # noqa: N815
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class NotificationRefused(NotificationEvent):
    """The gateway refused a request, or no record reached a broker: certainly not sent."""

    err_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class NotificationUnknown(NotificationEvent):
    """No acknowledgement came in time: the gateway answered errCode 201, but it may be delivered."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotificationStored(NotificationEvent):
    """A worker handled a copy from Kafka.

    Attributes
    ----------
    user : str
        Whose inbox.
    seq_in_inbox : int
        The copy's number in that inbox, from 1.
    topic, partition, offset
        The record it came in.
    redelivered : bool
        True when the inbox had it already, so that nothing was written.
    """

    user: str
    seq_in_inbox: int
    topic: str
    partition: int
    offset: int
    redelivered: bool


@dataclass(frozen=True, slots=True)
class NotificationPushed(NotificationEvent):
    """A user was told of a message.

    Attributes
    ----------
    user : str
        Who.
    how : str
        ``"online"`` (WebSocket) or ``"offline"`` (their device).
    topic, partition, offset
        The record that asked for it.
    """

    user: str
    how: str
    topic: str
    partition: int
    offset: int


def clipped(value: object) -> str | None:
    """Return a key or value as text of bounded length, whatever it is; None stays None (a tombstone).

    Examples
    --------
    >>> clipped(b"hello"), clipped(None)
    ('hello', None)
    """
    if value is None:
        return None
    if isinstance(value, _BINARY):
        value = bytes(value[: 4 * _TEXT]).decode(errors="replace")
    text = str(value)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


#: Event classes by name, as a recording spells them.
EVENT_TYPES: dict[str, type[Event]] = {
    name: kind
    for name, kind in list(globals().items())
    if name in __all__ and isinstance(kind, type) and kind is not Event
}


@cache
def _field_types(cls: type[Event]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _checked(event: str, name: str, value: object, expected: Any) -> object:  # noqa: ANN401
    """Return the JSON value as the field's type; lists become tuples.

    Raises
    ------
    TypeError
        It is of another type.
    """
    if typing.get_origin(expected) is tuple:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif expected is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(expected, types.UnionType):
        if value is None or isinstance(value, str):
            return value
    elif type(value) is expected:
        return value
    raise TypeError(f"{event}.{name} is {value!r}; expected {expected}")
