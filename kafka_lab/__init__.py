"""Teach and test Kafka on the real thing: a local cluster that you can break, watch and replay."""

from kafka_lab.errors import KafkaLabError
from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    ControllerElected,
    IsrExpanded,
    IsrShrunk,
    LeaderChanged,
    NotificationAccepted,
    NotificationStored,
)
from kafka_lab.lab import Lab
from kafka_lab.timeline import Timeline

__all__ = [
    "BrokerLost",
    "BrokerRegistered",
    "ControllerElected",
    "IsrExpanded",
    "IsrShrunk",
    "KafkaLabError",
    "Lab",
    "LeaderChanged",
    "NotificationAccepted",
    "NotificationStored",
    "Timeline",
]
