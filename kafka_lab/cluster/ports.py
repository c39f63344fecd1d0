"""Free ports on 127.0.0.1 that stay free while a node restarts."""

from __future__ import annotations

import random
import socket
from collections.abc import Container

from kafka_lab.cluster.config import HOST
from kafka_lab.errors import ConfigurationError

__all__ = ["free_ports"]

# Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections:
# such a connection could else sit on a broker's port while the broker is down.
_LOWEST, _HIGHEST = 20000, 32000


def free_ports(count: int, *, apart_from: Container[int] = ()) -> list[int]:
    """Return ``count`` different ports that nothing listens on, none of them among those given.

    Raises
    ------
    ConfigurationError
        There are not that many.
    """
    free: list[int] = []
    for port in random.sample(range(_LOWEST, _HIGHEST), k=_HIGHEST - _LOWEST):
        if len(free) == count:
            break
        if port not in apart_from and _is_free(port):
            free.append(port)
    if len(free) < count:
        raise ConfigurationError(
            f"{count} free ports are needed between {_LOWEST} and {_HIGHEST} on {HOST}, "
            f"but only {len(free)} are free"
        )
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
