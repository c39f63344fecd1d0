"""Teach and test Kafka on the real thing: a local cluster that you can break, watch and replay."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from kafka_lab.replay import Replay
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
    "Replay",
    "Timeline",
]

_HOMES = {
    "KafkaLabError": "errors",
    "Lab": "lab",
    "Replay": "replay",
    "Timeline": "timeline",
}  # all others are events


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: pytest loads this package in every project.

    Raises
    ------
    AttributeError
        There is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"kafka_lab.{_HOMES.get(name, 'events')}"), name)


def __dir__() -> list[str]:
    return __all__
