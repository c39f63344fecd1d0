"""What the pipeline's workers do with the copies that they read: history, chat log, and push."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kafka_lab.events import NotificationPushed, NotificationStored
from kafka_lab.openim.clients import Producer
from kafka_lab.openim.content import preview
from kafka_lab.openim.hub import Hub
from kafka_lab.openim.inbox import Inbox, OfflinePush
from kafka_lab.openim.message import SUPER_GROUP_CHAT
from kafka_lab.openim.records import MONGO_TOPIC, PUSH_TOPIC, Copy, numbered, push_value
from kafka_lab.timeline import Timeline

__all__ = ["History", "Push"]

_STOCK_TITLE = "You have a new message"  # as OpenIM has one for types without a text of their own


class History:
    """The stage of the group ``mongo``: allots seqs, stores, and hands on to the history and to push.

    Parameters
    ----------
    inbox : Inbox
        Where to store.
    producer : Producer
        With acks=all.
    timeline : Timeline
        Gets NotificationStored for each copy.
    wait_s : float
        How long to wait for acknowledgements.
    """

    def __init__(self, inbox: Inbox, producer: Producer, timeline: Timeline, wait_s: float) -> None:
        self._inbox = inbox
        self._producer = producer
        self._timeline = timeline
        self._wait_s = wait_s
        self._told: set[tuple[str, int, int]] = set()  # records that are stored, and not handed on yet

    def __call__(self, copies: Sequence[Copy]) -> None:
        """Store a batch; whatever is handed on twice is recognised there."""
        kept = [copy for copy in copies if copy.message.stored]
        stored = self._inbox.store(kept)
        messages = {id(copy): done.message for copy, done in zip(kept, stored, strict=True)}
        self._timeline.extend(  # once, however often the batch is tried again
            NotificationStored(
                copy.message.clientMsgID,
                user=copy.user,
                seq_in_inbox=done.seq,
                topic=copy.topic,
                partition=copy.partition,
                offset=copy.offset,
                redelivered=done.redelivered,
            )
            for copy, done in zip(kept, stored, strict=True)
            if _record(copy) not in self._told
        )
        self._told.update(map(_record, kept))
        to_history, to_push = [], []
        for copy in copies:
            message = messages.get(id(copy)) or numbered(copy, 0)
            record = (copy.user.encode(), push_value(copy, message))
            if copy.message.stored:
                to_history.append(record)
            if copy.user != copy.message.sendID or copy.message.option("senderSync"):
                to_push.append(record)
        futures = [
            *self._producer.send_all(MONGO_TOPIC, to_history),
            *self._producer.send_all(PUSH_TOPIC, to_push),
        ]
        for future in futures:
            future.get(self._wait_s)
        self._told.difference_update(map(_record, kept))


def _record(copy: Copy) -> tuple[str, int, int]:
    return copy.topic, copy.partition, copy.offset


class Push:
    """The stage of the group ``push``: tells the devices that are online, and notes a push for the others.

    Parameters
    ----------
    inbox : Inbox
        Where pushes are noted once they are done. A crash in between repeats one, which the device recognises
        by its clientMsgID.
    hub : Hub
        Who is online.
    timeline : Timeline
        Gets NotificationPushed.
    members : callable
        Returns a group's members.
    """

    def __init__(
        self, inbox: Inbox, hub: Hub, timeline: Timeline, members: Callable[[str], Sequence[str]]
    ) -> None:
        self._inbox = inbox
        self._hub = hub
        self._timeline = timeline
        self._members = members
        # Pushes that are done; they stay here while the inbox's file is locked, so that none is done again.
        self._not_noted: dict[tuple[str, str], tuple[OfflinePush | None, NotificationPushed]] = {}

    def __call__(self, copies: Sequence[Copy]) -> None:
        """Push a batch."""
        wanted = {(user, copy.message.clientMsgID): copy for copy in copies for user in self._users(copy)}
        told = self._inbox.pushed(wanted) | self._not_noted.keys()
        for key, copy in wanted.items():
            if key not in told:
                self._push(key, copy)
        self._inbox.note_pushes({key: offline for key, (offline, _) in self._not_noted.items()})
        noted, self._not_noted = self._not_noted, {}
        self._timeline.extend(pushed for _, pushed in noted.values())

    def _users(self, copy: Copy) -> Sequence[str]:
        return self._members(copy.user) if copy.message.sessionType == SUPER_GROUP_CHAT else (copy.user,)

    def _push(self, key: tuple[str, str], copy: Copy) -> None:
        user, message = key[0], copy.message
        record = _record(copy)
        if self._hub.push(user, message.to_json()):
            self._not_noted[key] = None, NotificationPushed(key[1], user, "online", *record)
        elif user != message.sendID and message.option("offlinePush"):
            title, text = preview(message.contentType, message.content)
            info = message.offlinePushInfo
            said = (info.title if info else "") or title or _STOCK_TITLE
            offline = OfflinePush(*key, said, (info.desc if info else "") or text)
            self._not_noted[key] = offline, NotificationPushed(key[1], user, "offline", *record)
