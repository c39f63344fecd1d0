"""A small lesson as a timeline: a leader is killed and comes back, a group moves, a user is notified."""

from __future__ import annotations

import json

from kafka_lab import events as ev
from kafka_lab.timeline import Timeline

BROKERS = ("broker-1", "broker-2", "broker-3")
EVIL = "<img src=x onerror=alert(1)>\u202e🙂"


class Teller:
    """Appends events at times of its own."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.at_s = 0.0

    def tell(self, *events: ev.Event, after_s: float = 0.1) -> None:
        for event in events:
            self.at_s = round(self.at_s + after_s, 3)
            stamped = event.stamped(len(self.timeline), self.at_s)
            self.timeline._events.append(stamped)


def lesson() -> Timeline:
    """Return it, ended; the leader of chat-0 is killed at 3 s, replaced at 5 s, and back at about 8 s."""
    teller = Teller()
    teller.tell(ev.NodeStarted("zookeeper-1", "zookeeper", 1, 1))
    for name in BROKERS:
        teller.tell(ev.NodeStarted(name, "broker", 9, 9), ev.BrokerRegistered(name))
    teller.tell(ev.ControllerElected("broker-1"), znode("/controller", {"brokerid": 1}, "0x1"))
    teller.tell(znode("/brokers/ids/1", {"port": 9, "host": "h"}, "0x1"), ev.TopicCreated("chat"))
    for number in range(2):
        replicas = BROKERS[number:] + BROKERS[:number]
        teller.tell(
            ev.ReplicasAssigned("chat", number, replicas),
            ev.LeaderChanged("chat", number, replicas[0], None, 0),
            ev.IsrExpanded("chat", number, replicas, replicas, 0),
            after_s=0.05,
        )
    teller.tell(ev.GroupChanged("readers", "Stable", ("anna", "ben"), ("chat-0 anna", "chat-1 ben")))
    for number in range(10):
        record = ev.RecordAcknowledged(
            "chat", number % 2, number // 2, "producer-1", number, f"key-{number % 3}", f"message {number}"
        )
        teller.tell(record, after_s=0.05)
    teller.tell(ev.HighWatermarkMoved("chat", 0, 5), ev.OffsetCommitted("chat", 0, "readers", 3))
    teller.at_s = 2.9
    teller.tell(ev.FaultStarted("broker-1", "kill"), ev.NodeExited("broker-1", -9, expected=True))
    teller.tell(ev.RecordFailed("chat", "producer-1", 10, "KafkaTimeoutError"))
    teller.at_s = 4.6
    teller.tell(
        ev.BrokerLost("broker-1"),
        ev.ZnodeDeleted("/brokers/ids/1"),
        ev.LeaderLost("chat", 0, "broker-1", 1),
        ev.LeaderChanged("chat", 0, "broker-2", "broker-1", 1),
        ev.ControllerElected("broker-2"),
        znode("/controller", {"brokerid": 2}, "0x2"),
    )
    teller.tell(ev.IsrShrunk("chat", 0, BROKERS[1:], ("broker-1",), 1))
    teller.tell(ev.GroupChanged("readers", "PreparingRebalance", ("anna",), ()))
    teller.tell(ev.GroupChanged("readers", "Stable", ("anna",), ("chat-0 anna", "chat-1 anna")))
    teller.at_s = 6.4
    teller.tell(
        notification("m1", text="Contract 17 waits", received_s=6.0),
        ev.NotificationStored("m1", "ada", 1, "ws2ms_chat", 3, 7, redelivered=False),
        ev.NotificationPushed("m1", "ada", "online", "ms2ps_chat", 2, 4),
        notification("m2", text=EVIL, received_s=6.2, nickname="Dr. <b>Who</b>"),
        ev.NotificationStored("m2", "ada", 2, "ws2ms_chat", 3, 8, redelivered=False),
        ev.NotificationStored("m2", "ada", 2, "ws2ms_chat", 3, 8, redelivered=True),
    )
    teller.at_s = 7.9
    teller.tell(ev.NodeStarted("broker-1", "broker", 9, 10), ev.BrokerRegistered("broker-1"))
    teller.tell(ev.FaultEnded("broker-1", "kill"))
    teller.tell(ev.IsrExpanded("chat", 0, BROKERS, ("broker-1",), 1))
    teller.timeline.ended = True
    return teller.timeline


def znode(path: str, data: dict[str, object], session: str) -> ev.ZnodeChanged:
    return ev.ZnodeChanged(path, json.dumps({"version": 1, **data}), session)


def notification(
    name: str, *, text: str, received_s: float, nickname: str = "Office"
) -> ev.NotificationAccepted:
    return ev.NotificationAccepted(
        name,
        inboxes=("ada", "office"),
        received_s=received_s,
        sendID="office",
        senderNickname=nickname,
        conversationType="notification",
        title="New document",
        text=text,
    )
