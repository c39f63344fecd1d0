"""The account of messages and notifications: what was lost, delivered twice, or out of order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from kafka_lab.events import (
    Event,
    NotificationAccepted,
    NotificationPushed,
    NotificationRefused,
    NotificationStored,
    NotificationUnknown,
)
from kafka_lab.table import Table

__all__ = ["Account", "Delivery", "account", "delivery"]


@dataclass(frozen=True)
class Delivery:
    """What became of messages, each with an id of its own.

    Attributes
    ----------
    sent, acknowledged : int
        Messages handed to the producer, and those whose acknowledgement came.
    stored : int
        Different messages that the topic has in the end.
    lost : tuple of int
        Acknowledged, but not there.
    doubled : tuple of int
        There more than once.
    unacknowledged_but_stored : tuple of int
        The producer was told of an error, or of nothing; they are there all the same.
    """

    sent: int
    acknowledged: int
    stored: int
    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    unacknowledged_but_stored: tuple[int, ...]


def delivery(sent: Iterable[int], acknowledged: Iterable[int], read: Iterable[int]) -> Delivery:
    """Return what became of messages, by id.

    Examples
    --------
    >>> found = delivery(sent=[1, 2, 3, 4], acknowledged=[1, 2, 3], read=[1, 3, 3, 4])
    >>> found.lost, found.doubled, found.unacknowledged_but_stored
    ((2,), (3,), (4,))
    """
    everything, certain, there = set(sent), set(acknowledged), Counter(read)
    return Delivery(
        sent=len(everything),
        acknowledged=len(certain),
        stored=len(there),
        lost=tuple(sorted(certain - set(there))),
        doubled=tuple(sorted(number for number, count in there.items() if count > 1)),
        unacknowledged_but_stored=tuple(sorted(set(there) - certain)),
    )


@dataclass(frozen=True)
class Account:
    """What a timeline says of its notifications.

    Attributes
    ----------
    accepted, refused, unknown : int
        Requests answered with success; certainly not sent; answered with an error but perhaps sent.
    expected : int
        Copies that the accepted ones owe the inboxes.
    stored : int
        Copies of accepted notifications that an inbox has.
    missing : tuple of str
        ``clientMsgID@user`` of copies that no inbox has (yet).
    stored_twice : int
        Copies that stand in one inbox more than once.
    redelivered : int
        Copies that Kafka delivered again and an inbox recognised.
    out_of_order : int
        Copies that stand in an inbox before one whose request had been answered before theirs arrived.
    pushed_online, pushed_offline : int
        Copies of which a user was told at once, by a device that was online, or by a push.
    """

    accepted: int
    refused: int
    unknown: int
    expected: int
    stored: int
    missing: tuple[str, ...]
    stored_twice: int
    redelivered: int
    out_of_order: int
    pushed_online: int = 0
    pushed_offline: int = 0

    @property
    def clean(self) -> bool:
        """True when accepted equals stored: none lost, none twice, order kept in every inbox."""
        return not (self.missing or self.stored_twice or self.out_of_order)

    def table(self) -> Table:
        """Return the account as a table of claims and what was found."""
        rows = [
            ("accepted", f"{self.accepted} messages, {self.expected} copies owed", True),
            ("accepted = stored", f"{self.stored} copies stored", self.stored == self.expected),
            ("none lost", f"{len(self.missing)} missing", not self.missing),
            ("none twice", f"{self.stored_twice} stored twice", not self.stored_twice),
            ("order kept per recipient", f"{self.out_of_order} out of order", not self.out_of_order),
            ("duplicates recognised", f"{self.redelivered} redelivered", True),
            ("told at once", f"{self.pushed_online} online, {self.pushed_offline} by offline push", True),
            ("every answer certain", f"{self.unknown} unknown, {self.refused} refused", not self.unknown),
        ]
        return Table(
            ("claim", "found", ""), [(claim, found, "✓" if good else "✗") for claim, found, good in rows]
        )

    def __str__(self) -> str:
        return self.table().to_text()

    def _repr_html_(self) -> str:
        return self.table().to_html()


def account(events: Iterable[Event]) -> Account:
    """Return the account of these events.

    Examples
    --------
    >>> from kafka_lab.events import NotificationAccepted, NotificationStored
    >>> accepted = NotificationAccepted("m1", inboxes=("ada",), received_s=0.1)
    >>> account([accepted]).missing
    ('m1@ada',)
    >>> stored = NotificationStored("m1", "ada", 1, "ws2ms_chat", 0, 0, redelivered=False)
    >>> account([accepted, stored]).clean
    True
    """
    accepted: dict[str, NotificationAccepted] = {}
    stored: dict[tuple[str, str], int] = defaultdict(int)
    inboxes: dict[str, list[tuple[int, str]]] = defaultdict(list)
    doubtful: set[str] = set()
    pushed: Counter[str] = Counter()
    refused = redelivered = 0
    for event in events:
        match event:
            case NotificationAccepted():
                accepted[event.clientMsgID] = event
            case NotificationStored(redelivered=True):
                redelivered += 1
            case NotificationStored():
                stored[event.clientMsgID, event.user] += 1
                inboxes[event.user].append((event.seq_in_inbox, event.clientMsgID))
            case NotificationRefused():
                refused += 1
            case NotificationUnknown():
                doubtful.add(event.clientMsgID)
            case NotificationPushed():
                pushed[event.how] += 1
    owed = [(name, user) for name, event in accepted.items() for user in event.inboxes]
    return Account(
        accepted=len(accepted),
        refused=refused,
        unknown=len(doubtful - set(accepted)),  # a repeat can have made it certain
        expected=len(owed),
        stored=sum(copy in stored for copy in owed),
        missing=tuple(f"{name}@{user}" for name, user in owed if (name, user) not in stored),
        stored_twice=sum(count > 1 for count in stored.values()),
        redelivered=redelivered,
        out_of_order=sum(_out_of_order(inbox, accepted) for inbox in inboxes.values()),
        pushed_online=pushed["online"],
        pushed_offline=pushed["offline"],
    )


def _out_of_order(inbox: list[tuple[int, str]], accepted: dict[str, NotificationAccepted]) -> int:
    """Count the messages of an inbox that were answered before one ahead of them was even asked for."""
    count = 0
    latest_request_s = float("-inf")
    for _, name in sorted(inbox):
        if name not in accepted:
            continue
        if accepted[name].at_s < latest_request_s:
            count += 1
        latest_request_s = max(latest_request_s, accepted[name].received_s)
    return count
