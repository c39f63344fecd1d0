"""What can happen, in the past tense: frozen msgspec Structs, made and compared like frozen dataclasses.

An event is a fact about the cluster or about a message in it. Facts come from ZooKeeper's watches, from
process exits, from faults, from clients and from the notification pipeline; everything people see is a
function of them. A :class:`~kafka_lab.timeline.Timeline` gives each event its ``seq`` and its ``at_s``.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
from msgspec import structs

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


# A load leaves a million of them: the garbage collector need not go through what cannot be in a cycle.
class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A fact; subclasses say which.

    Attributes
    ----------
    seq : int
        Its place in the timeline, from 0; -1 until a timeline has it. It does not change after that.
    at_s : float
        When it was noticed: seconds of the monotonic clock since the timeline began.
    """

    seq: int = -1
    at_s: float = 0.0

    @property
    def subject(self) -> str:
        """What the event is about, by name: a node, a partition such as ``chat-3``, a message."""
        return ""

    def stamped(self, seq: int, at_s: float) -> Self:
        """Return the event with a place and a time: itself if it had none yet, else a copy."""
        if self.seq >= 0:
            return structs.replace(self, seq=seq, at_s=at_s)
        structs.force_setattr(self, "seq", seq)
        structs.force_setattr(self, "at_s", at_s)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain JSON data, its class name under ``"event"``."""
        return {"event": type(self).__name__, **structs.asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild an event of this class from :meth:`to_dict`'s fields (without ``"event"``).

        Raises
        ------
        TypeError
            A field is missing, unknown or of another type.
        """
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at `$.")
            name = place.rstrip("`").partition("[")[0]
            what = f"{cls.__name__}.{name} is {data[name]!r}" if name in data else cls.__name__
            raise TypeError(f"{what}: {said}") from error


class NodeEvent(Event, frozen=True):
    """A fact about one node."""

    node: str

    @property
    def subject(self) -> str:
        """The node's name."""
        return self.node


class NodeStarted(NodeEvent, frozen=True):
    """A node's process was started. ``role`` is ``"zookeeper"``, ``"controller"`` or ``"broker"``.

    A ``pid`` of 0 means that the process is somebody else's: it was there already.
    """

    role: str
    port: int
    pid: int


class NodeExited(NodeEvent, frozen=True):
    """A node's process is gone; a negative ``exit_code`` is the signal that ended it."""

    exit_code: int
    expected: bool


class NodeRemoved(NodeEvent, frozen=True):
    """The node is no part of the cluster any more, and its data are gone."""


class BrokerRegistered(NodeEvent, frozen=True):
    """The broker's ephemeral znode ``/brokers/ids/N`` appeared; in KRaft: it is registered and unfenced."""


class BrokerLost(NodeEvent, frozen=True):
    """The broker's ephemeral znode is gone (KRaft: it is fenced): it left, or its session expired."""


class ControllerElected(NodeEvent, frozen=True):
    """A broker won the ephemeral znode ``/controller``, or a controller leads the KRaft quorum now.

    ``epoch`` is the quorum's; -1 in ZooKeeper mode.
    """

    epoch: int = -1


class ControllerLost(NodeEvent, frozen=True):
    """The controller's znode is gone, or the quorum has no leader: nobody elects leaders meanwhile."""


class ZooKeeperSeen(Event, frozen=True):
    """The lab's own session to ZooKeeper is up: from here its watches see everything."""


class ZooKeeperLost(Event, frozen=True):
    """The lab's own connection to ZooKeeper is gone: what happens now is noticed late or not at all."""


class ZnodeEvent(Event, frozen=True):
    """A fact about one of ZooKeeper's znodes, by its path."""

    path: str

    @property
    def subject(self) -> str:
        """The path."""
        return self.path


class ZnodeChanged(ZnodeEvent, frozen=True):
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


class ZnodeDeleted(ZnodeEvent, frozen=True):
    """A znode is gone: somebody deleted it, or the session that kept it ended."""


class TopicEvent(Event, frozen=True):
    """A fact about one topic."""

    topic: str

    @property
    def subject(self) -> str:
        """The topic's name."""
        return self.topic


class TopicCreated(TopicEvent, frozen=True):
    """The topic's znode appeared."""


class TopicDeleted(TopicEvent, frozen=True):
    """The topic's znode is gone."""


class PartitionEvent(TopicEvent, frozen=True):
    """A fact about one partition."""

    partition: int

    @property
    def subject(self) -> str:
        """The partition as Kafka's data folders spell it, such as ``chat-3``."""
        return f"{self.topic}-{self.partition}"


class ReplicasAssigned(PartitionEvent, frozen=True):
    """The partition's replicas, in assignment order: the first is the preferred leader."""

    replicas: tuple[str, ...]


class ElectionRequested(PartitionEvent, frozen=True):
    """Somebody asked for an election; ``kind`` is ``"preferred"`` or ``"unclean"``."""

    kind: str


class ReassignmentStarted(PartitionEvent, frozen=True):
    """Somebody asked for other replicas, ``replicas``."""

    replicas: tuple[str, ...]


class ReassignmentEnded(PartitionEvent, frozen=True):
    """The reassignment is over; ``replicas`` are those that the partition has now."""

    replicas: tuple[str, ...]


class LeaderChanged(PartitionEvent, frozen=True):
    """The partition has another leader; ``previous`` is the last that it had.

    With ``previous`` equal to ``leader`` the same one was elected again, under a higher epoch.
    """

    leader: str
    previous: str | None
    leader_epoch: int


class LeaderLost(PartitionEvent, frozen=True):
    """The partition has no leader: until one of its replicas can lead."""

    previous: str | None
    leader_epoch: int


class IsrShrunk(PartitionEvent, frozen=True):
    """Replicas left the in-sync replicas; ``isr`` is what remains."""

    isr: tuple[str, ...]
    left: tuple[str, ...]
    leader_epoch: int


class IsrExpanded(PartitionEvent, frozen=True):
    """Replicas joined the in-sync replicas; ``isr`` is all of them now."""

    isr: tuple[str, ...]
    joined: tuple[str, ...]
    leader_epoch: int


class MetadataChanged(PartitionEvent, frozen=True):
    """A broker tells its clients something else than before: ``broker`` in its metadata response."""

    broker: str
    leader: str | None
    leader_epoch: int
    isr: tuple[str, ...]


class HighWatermarkMoved(PartitionEvent, frozen=True):
    """The high watermark was seen at ``offset``: consumers read what is below."""

    offset: int


class ReplicaDistanceChanged(PartitionEvent, frozen=True):
    """A follower's log was seen to be ``behind_bytes`` shorter than its leader's (DescribeLogDirs)."""

    replica: str
    behind_bytes: int


class PollsFailed(Event, frozen=True):
    """The lab's polls get no answer: groups and offsets are not seen; ``reason`` is the error's class."""

    reason: str


class PollsSucceeded(Event, frozen=True):
    """The lab's polls get answers again."""


class GroupEvent(Event, frozen=True):
    """A fact about one consumer group."""

    group: str

    @property
    def subject(self) -> str:
        """The group's id."""
        return self.group


class GroupChanged(GroupEvent, frozen=True):
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


class GroupDeleted(GroupEvent, frozen=True):
    """The coordinators know the group no longer."""


class MemberEvent(GroupEvent, frozen=True):
    """A fact about one member of a group that the lab runs; ``member`` is its client id."""

    member: str


class MemberStarted(MemberEvent, frozen=True):
    """A member has begun to read, as ``lab.group()`` asked for."""


class MemberEnded(MemberEvent, frozen=True):
    """A member reads no more; ``how``: ``"left"``, ``"killed"``, or the class of the error that ended it."""

    how: str


class PartitionsAssigned(MemberEvent, frozen=True):
    """A member has ``partitions``, such as ``"chat-0"``, from now on: all it has in this ``generation``."""

    partitions: tuple[str, ...]
    generation: int


class PartitionsRevoked(MemberEvent, frozen=True):
    """A member gives ``partitions`` back, before a rebalance."""

    partitions: tuple[str, ...]


class OffsetCommitted(PartitionEvent, frozen=True):
    """A group was seen to have committed ``offset``: it goes on there."""

    group: str
    offset: int


class FaultStarted(NodeEvent, frozen=True):
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


class FaultEnded(NodeEvent, frozen=True):
    """The fault is healed: the node serves again, the link is whole."""

    fault: str
    peer: str | None = None


class RecordEvent(PartitionEvent, frozen=True):
    """A fact about one record, which topic, partition and ``offset`` name."""

    offset: int

    @property
    def subject(self) -> str:
        """The record as ``chat-3@17``."""
        return f"{self.topic}-{self.partition}@{self.offset}"


class RecordAcknowledged(RecordEvent, frozen=True):
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


class RecordFailed(TopicEvent, frozen=True):
    """A producer of the lab gave a record up; ``error`` is the class of the client's error.

    The record may be in the log all the same: an error is not a proof of absence.
    """

    sender: str
    number: int
    error: str


class RecordRead(RecordEvent, frozen=True):
    """A consumer of the lab got a record; ``reader`` is its ``client_id``."""

    reader: str


class RecordRejected(RecordEvent, frozen=True):
    """A worker could not make sense of a record and left it out; ``reason`` is the error's class."""

    reason: str


class WorkerEvent(Event, frozen=True):
    """A fact about one worker of the pipeline."""

    worker: str

    @property
    def subject(self) -> str:
        """The worker's name."""
        return self.worker


class WorkerStarted(WorkerEvent, frozen=True):
    """A worker has begun, as a member of its group."""


class WorkerStopped(WorkerEvent, frozen=True):
    """A worker has ended: in order, or ``killed``, with what it had in memory."""

    killed: bool


class WorkerFailed(WorkerEvent, frozen=True):
    """A worker of the pipeline ended by an error, whose class is ``reason``; closing it raises the error."""

    reason: str


class WorkerStalled(WorkerEvent, frozen=True):
    """A worker cannot store and reads no further, such as when the disk is full; ``reason`` is the error."""

    reason: str


class WorkerResumed(WorkerEvent, frozen=True):
    """A worker that was stalled stores again."""


class NotificationEvent(Event, frozen=True):
    """A fact about one message of OpenIM, by its ``clientMsgID``."""

    clientMsgID: str  # noqa: N815 - OpenIM's spelling

    @property
    def subject(self) -> str:
        """The message's ``clientMsgID``."""
        return self.clientMsgID


class NotificationAccepted(NotificationEvent, frozen=True):
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


class NotificationRefused(NotificationEvent, frozen=True):
    """The gateway refused a request, or no record reached a broker: certainly not sent."""

    err_code: int
    reason: str


class NotificationUnknown(NotificationEvent, frozen=True):
    """No acknowledgement came in time: the gateway answered errCode 201, but it may be delivered."""

    reason: str


class NotificationStored(NotificationEvent, frozen=True):
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


class NotificationPushed(NotificationEvent, frozen=True):
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
