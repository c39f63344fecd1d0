"""Whether this machine has room for a cluster: said before its JVMs start, not by one that dies of it."""

from __future__ import annotations

import shutil

import psutil

from kafka_lab.cluster.distribution import cache_folder
from kafka_lab.errors import ConfigurationError

__all__ = ["MIB", "NODE_BYTES", "RUN_BYTES", "check_room"]

MIB = 2**20
NODE_BYTES = 90 * MIB  # a node takes about 110 MiB; what is cached can be given up for it
RUN_BYTES = 150 * MIB  # a new cluster's folder: mostly logs and indexes


def check_room(nodes: int) -> None:
    """Refuse to start more nodes than there is memory or disk for.

    Raises
    ------
    ConfigurationError
        There is too little; it says how much of what.
    """
    memory = psutil.virtual_memory().available
    if memory < nodes * NODE_BYTES:
        raise ConfigurationError(
            f"{memory // MIB} MiB of memory are free, and {nodes} nodes take {nodes * NODE_BYTES // MIB}: "
            "close something, or start fewer brokers"
        )
    folder = cache_folder()
    free = shutil.disk_usage(folder).free
    if free < RUN_BYTES:
        raise ConfigurationError(
            f"{free // MIB} MiB are free on the disk of {folder}, and a cluster takes {RUN_BYTES // MIB}: "
            "make room, or set KAFKA_LAB_CACHE to a folder on another disk"
        )
