"""Asking a cluster for something that it may not be able to do just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from kafka import KafkaAdminClient
from kafka.errors import BrokerResponseError, KafkaError, RetriableError, UnknownError

from kafka_lab.errors import ConfigurationError, WaitTimeoutError

__all__ = ["ask"]

T = TypeVar("T")

_WAIT_S = 30.0
_AGAIN_S = 0.1


def ask(new_admin: Callable[[], KafkaAdminClient], call: Callable[[KafkaAdminClient], T], what: str) -> T:
    """Return what a call answers; ask again while brokers are electing, restarting or not to be reached.

    Parameters
    ----------
    new_admin : callable
        Returns a client to use once.
    call : callable
        Is given that client; it may be called more than once.
    what : str
        What is asked for, for the error.

    Raises
    ------
    ConfigurationError
        Kafka refuses it.
    WaitTimeoutError
        No broker answered it within 30 s.
    """
    deadline = time.monotonic() + _WAIT_S
    pause = threading.Event()
    while True:
        try:
            with new_admin() as admin:
                return call(admin)
        except (KafkaError, RuntimeError) as error:  # the latter from kafka-python while a controller moves
            # UnknownError is what a broker says whose ZooKeeper is electing a leader just then.
            passing = isinstance(error, RetriableError | UnknownError)
            if isinstance(error, BrokerResponseError) and not passing:
                raise ConfigurationError(f"{what} was refused: {error}") from error
            if time.monotonic() > deadline:
                raise WaitTimeoutError(what, waited_s=_WAIT_S, last_seen=repr(error)) from error
        pause.wait(_AGAIN_S)
