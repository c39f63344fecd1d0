"""Asking a node whether it serves, in its own protocol."""

from __future__ import annotations

import socket
import struct

from kafka_lab.cluster.config import HOST

__all__ = ["broker_answers", "zookeeper_answers"]

_TIMEOUT_S = 1.0
_API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)  # key, version, correlation id, no client id


def broker_answers(port: int) -> bool:
    """Tell whether a broker answers an ApiVersions request (KIP-35) on this port."""
    try:
        with socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as link:
            link.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
            with link.makefile("rb") as answer:
                return len(answer.read(8)) == 8  # size and correlation id
    except OSError:
        return False


def zookeeper_answers(port: int) -> bool:
    """Tell whether ZooKeeper serves: its four-letter word ``srvr`` then names its mode."""
    try:
        with socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as link:
            link.sendall(b"srvr")
            with link.makefile("rb") as answer:
                return b"\nMode: " in answer.read()
    except OSError:
        return False
