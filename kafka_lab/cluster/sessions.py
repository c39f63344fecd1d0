"""Ending a broker's ZooKeeper session from outside: what an expiry does, without the wait for it."""

from __future__ import annotations

import logging

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from kafka_lab.errors import FaultError
from kafka_lab.state import node_id

__all__ = ["end_session", "session_password"]

_TIMEOUT_S = 5.0
_SECRET = 0xB3415C00  # superSecret in ZooKeeper's SessionTracker
_MULTIPLIER, _INCREMENT, _MASK = 0x5DEECE66D, 0xB, (1 << 48) - 1  # of java.util.Random

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


def session_password(session_id: int) -> bytes:
    """Return the password that a ZooKeeper server gives to a session.

    The server does not keep it: it is the first 16 bytes of a ``java.util.Random`` that is seeded with the id
    and a constant (``ZooKeeperServer.generatePasswd`` in ZooKeeper 3.8).

    Examples
    --------
    >>> len(session_password(0x100000000000001))
    16
    """
    state = (session_id ^ _SECRET ^ _MULTIPLIER) & _MASK
    password = b""
    for _ in range(4):
        state = (state * _MULTIPLIER + _INCREMENT) & _MASK
        password += ((state >> 16) & 0xFFFFFFFF).to_bytes(4, "little")
    return password


def end_session(zookeeper_connect: str, broker: str) -> None:
    """Close the session that holds a broker's znode; all its ephemeral znodes go with it.

    Raises
    ------
    FaultError
        The broker has none, or ZooKeeper does not answer.
    """
    path = f"/brokers/ids/{node_id(broker)}"
    looking = KazooClient(zookeeper_connect, timeout=_TIMEOUT_S, logger=_log)
    try:
        looking.start(_TIMEOUT_S)
        stat = looking.exists(path)
    except (KazooException, KazooTimeoutError) as error:
        raise FaultError(f"ZooKeeper does not answer, so {broker}'s session goes on: {error}") from error
    finally:
        looking.stop()
        looking.close()
    if stat is None:
        raise FaultError(f"{broker} has no session: it is not registered in ZooKeeper")
    owner = (stat.ephemeralOwner, session_password(stat.ephemeralOwner))
    taken_over = KazooClient(zookeeper_connect, timeout=_TIMEOUT_S, client_id=owner, logger=_log)
    try:
        taken_over.start(_TIMEOUT_S)
    except (KazooException, KazooTimeoutError) as error:
        raise FaultError(f"{broker}'s session could not be ended: {error}") from error
    finally:
        taken_over.stop()
        taken_over.close()
