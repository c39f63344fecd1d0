"""The main job, told step by step: a notification's way through Kafka, and through a broker's death."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from kafka_lab.errors import KafkaLabError
from kafka_lab.events import (
    BrokerLost,
    ControllerElected,
    Event,
    FaultStarted,
    IsrExpanded,
    LeaderChanged,
    NodeStarted,
    NotificationAccepted,
    NotificationStored,
)
from kafka_lab.lab import Lab
from kafka_lab.ledger import Account
from kafka_lab.openim.message import example_request
from kafka_lab.openim.records import MESSAGES_TOPIC
from kafka_lab.openim.service import OpenIM
from kafka_lab.table import Table

__all__ = ["Demonstration", "Report", "Teller", "times"]

_EMPLOYEES = ("18712345678", "ada", "grace", "linus")
_PER_S = 40.0  # notifications to all of them
_FLOW = 12  # copies that are stored before the kill, and again after the failover
_WAIT_S = 60.0


class Teller(Protocol):
    """Who tells a person what happens."""

    def step(self, text: str) -> AbstractContextManager[None]:
        """Show that something is being done, and then that it is done."""

    def say(self, text: str) -> None:
        """Say one line."""

    def show(self, title: str, table: Table) -> None:
        """Show a table."""


@dataclass(frozen=True)
class Report:
    """What the demonstration measured.

    Attributes
    ----------
    killed : str
        The broker that was killed: it led the notification's partition.
    session_expired_s, leader_elected_s, acknowledged_s, stored_s : float
        Seconds from the kill until its session expired in ZooKeeper; the partition had a new leader; a
        notification to the same employee was acknowledged again; and was in their inbox.
    in_sync_again_s : float
        Seconds from the broker's new start until it was an in-sync replica of the partition again.
    delivered : bool
        The example arrived with its nickname, title and text.
    errors : tuple of str
        What the senders of the stream were told other than success.
    account : Account
        Whether anything was lost, doubled or out of order.
    """

    killed: str
    session_expired_s: float
    leader_elected_s: float
    acknowledged_s: float
    stored_s: float
    in_sync_again_s: float
    delivered: bool
    errors: tuple[str, ...]
    account: Account

    @property
    def ok(self) -> bool:
        """True when everything was delivered, once and in order, and nobody was told otherwise."""
        return self.delivered and self.account.clean and not self.errors

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {"ok": self.ok, **asdict(self)}


class Demonstration:
    """The article's example through a running lab, a broker's death, and out again.

    Parameters
    ----------
    lab : Lab
        With at least two brokers; it is left running and whole.
    tell : Teller
        Who tells about it.
    """

    def __init__(self, lab: Lab, tell: Teller) -> None:
        self._lab = lab
        self._tell = tell
        self._example = example_request()
        self._employee: str = self._example["recvID"]

    def run(self) -> Report:
        """Do it all.

        Raises
        ------
        KafkaLabError
            Something did not happen in time.
        """
        with self._tell.step("Starting the topic ws2ms_chat, the HTTP gateway and an inbox worker"):
            openim = self._lab.openim()
        self._tell.say(f"gateway: {openim.url}  (documentation: {openim.url}/docs)")
        first, delivered = self._send_example(openim)
        with self._tell.step(f"Keeping notifications flowing to {len(_EMPLOYEES)} employees"):
            office = openim.office(*_EMPLOYEES, per_s=_PER_S)
        try:
            with self._tell.step("Waiting until the first ones are stored"):
                self._wait_for_flow(len(self._lab.timeline))
            killed, expired, elected = self._kill_leader(first)
            accepted, stored = self._send_again(openim, elected)
            in_sync_again_s = self._bring_back(killed.node, first)
        finally:
            office.close()
        with self._tell.step("Waiting until everything that was accepted is stored"):
            account = openim.account(wait_s=_WAIT_S)
        return Report(
            killed=killed.node,
            session_expired_s=_between(killed, expired),
            leader_elected_s=_between(killed, elected),
            acknowledged_s=_between(killed, accepted),
            stored_s=_between(killed, stored),
            in_sync_again_s=in_sync_again_s,
            delivered=delivered,
            errors=tuple(office.errors),
            account=account,
        )

    def _send_example(self, openim: OpenIM) -> tuple[NotificationStored, bool]:
        """Post the example; return where its copy was stored, and whether it is what was sent."""
        with self._tell.step("POST /manager/send_msg: an employee has a new document to handle"):
            answer = openim.post(self._example).json()
            stored = self._lab.wait_for(
                NotificationStored,
                clientMsgID=answer["data"]["clientMsgID"],
                user=self._employee,
                timeout_s=_WAIT_S,
            )
        partition = self._lab.state.topics[stored.topic][stored.partition]
        self._tell.show(
            "Where it went",
            Table(
                ("topic", "partition", "offset", "leader", "replicas", "in sync"),
                [
                    (
                        stored.topic,
                        str(stored.partition),
                        str(stored.offset),
                        partition.leader or "none",
                        ", ".join(partition.replicas),
                        ", ".join(partition.isr),
                    )
                ],
            ),
        )
        self._tell.say(
            "(A topic is cut into partitions; the employee's ID picks one. Several brokers keep it, one of "
            "them leads, and the answer came when all in sync had the message.)"
        )
        message = openim.inbox.messages(self._employee)[stored.seq_in_inbox - 1]
        self._tell.show(
            f"The inbox of {self._employee}",
            Table(
                ("seq", "from", "title", "text"),
                [(str(message.seq), message.nickname, message.title, message.text)],
            ),
        )
        content = self._example["content"]
        expected = (self._example["senderNickname"], content["notificationName"], content["text"])
        return stored, (message.nickname, message.title, message.text) == expected

    def _kill_leader(self, first: NotificationStored) -> tuple[FaultStarted, BrokerLost, LeaderChanged]:
        """Kill the leader of the partition that the example went to; return what followed.

        Raises
        ------
        KafkaLabError
            There is none.
        """
        lab, tell = self._lab, self._tell
        victim = lab.leader_of(first.topic, first.partition)
        if victim is None:
            raise KafkaLabError(f"{first.topic}-{first.partition} has no leader to kill")
        where = f"{first.topic}-{first.partition}"
        role = f"it leads {where}" + (", and is the controller" * (victim == lab.controller()))
        tell.say(f"kill -9 {victim}: {role}")
        tell.say(
            "(No farewell, as in a power cut. ZooKeeper hears no more of it; when its session has expired, "
            "the controller makes another broker the leader.)"
        )
        lab.kill(victim)
        killed = lab.wait_for(FaultStarted, node=victim)
        expired = lab.wait_for(BrokerLost, node=victim, timeout_s=_WAIT_S)
        tell.say(f"{_after(killed, expired)}  ZooKeeper: the session of {victim} has expired")
        elected = lab.wait_for(LeaderChanged, topic=first.topic, partition=first.partition, timeout_s=_WAIT_S)
        moved = lab.timeline.find(ControllerElected, since=killed.seq)
        if moved is not None:
            tell.say(f"{_after(killed, moved)}  ZooKeeper: {moved.node} is the controller now")
        tell.say(
            f"{_after(killed, elected)}  controller: {elected.leader} leads {where} now, "
            f"leader epoch {elected.leader_epoch}"
        )
        return killed, expired, elected

    def _send_again(
        self, openim: OpenIM, elected: LeaderChanged
    ) -> tuple[NotificationAccepted, NotificationStored]:
        """Notify the same employee; return the first of their notifications that came through."""
        with self._tell.step("Sending to the same employee again"):
            receipt = openim.send(
                self._employee,
                "The broker is gone, the message is here.",
                senderNickname="Kafka",
                notificationName="After the failover",
            )
            self._lab.wait_for(
                NotificationStored,
                clientMsgID=receipt.clientMsgID,
                user=self._employee,
                timeout_s=_WAIT_S,
            )
        accepted = next(
            event
            for event in self._lab.timeline.since(elected.seq)
            if isinstance(event, NotificationAccepted) and self._employee in event.inboxes
        )
        stored = self._lab.wait_for(
            NotificationStored,
            clientMsgID=accepted.clientMsgID,
            user=self._employee,
            timeout_s=_WAIT_S,
        )
        self._wait_for_flow(stored.seq)
        self._tell.show("Who leads now", self._lab.partitions(MESSAGES_TOPIC))
        return accepted, stored

    def _bring_back(self, victim: str, first: NotificationStored) -> float:
        """Start the broker again; return the seconds until it was in sync."""
        with self._tell.step(f"Starting {victim} again, until it is in sync"):
            self._lab.restart(victim)
            started = self._lab.wait_for(NodeStarted, node=victim)

            def joined() -> Event | None:
                events = self._lab.timeline.since(started.seq)
                return next(
                    (
                        event
                        for event in events
                        if isinstance(event, IsrExpanded)
                        and (event.topic, event.partition) == (first.topic, first.partition)
                        and victim in event.joined
                    ),
                    None,
                )

            back = self._lab.timeline.wait_until(
                joined, timeout_s=_WAIT_S, expected=f"{victim} in sync again"
            )
        return _between(started, back)

    def _wait_for_flow(self, begin: int) -> None:
        """Wait until some copies have been stored since a place in the timeline."""

        def flowing() -> bool | None:
            events = self._lab.timeline.since(begin)
            stored = sum(isinstance(event, NotificationStored) for event in events)
            return True if stored >= _FLOW else None

        self._lab.timeline.wait_until(
            flowing, timeout_s=_WAIT_S, expected=f"{_FLOW} stored copies", since=begin
        )


def _between(before: Event, after: Event) -> float:
    return round(after.at_s - before.at_s, 3)


def _after(before: Event, after: Event) -> str:
    return f"  +{_between(before, after):.2f} s"


def times(report: Report) -> Table:
    """Return the measured times as a table."""
    rows = [
        ("the broker's session expired in ZooKeeper", report.session_expired_s),
        ("the partition had a new leader", report.leader_elected_s),
        ("a notification was acknowledged again", report.acknowledged_s),
        ("it was stored in the inbox", report.stored_s),
    ]
    table = [(f"kill until {what}", f"{seconds:.2f} s") for what, seconds in rows]
    table.append(("new start until the broker was in sync again", f"{report.in_sync_again_s:.2f} s"))
    return Table(("measured", "seconds"), table)
