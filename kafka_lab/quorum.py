"""KRaft's quorum as a table: who leads it, and how far the others have read its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import KafkaAdminClient

from kafka_lab.asking import ask
from kafka_lab.state import node_name
from kafka_lab.table import Table

__all__ = ["quorum_table"]


def quorum_table(new_admin: Callable[[], KafkaAdminClient]) -> Table:
    """Return the voters and observers of the metadata log (``DescribeQuorum``, KIP-595).

    Parameters
    ----------
    new_admin : callable
        Returns a client to use once.

    Raises
    ------
    WaitTimeoutError
        Nobody leads the quorum.
    """
    answer = ask(new_admin, lambda admin: admin.describe_metadata_quorum(), "the state of the quorum")
    quorum: dict[str, Any] = answer["topics"][0]["partitions"][0]
    most = max(replica["log_end_offset"] for replica in quorum["current_voters"])
    rows = [
        (
            node_name(replica["replica_id"]),
            "active controller" if replica["replica_id"] == quorum["leader_id"] else role,
            str(quorum["leader_epoch"]),
            str(replica["log_end_offset"]),
            str(most - replica["log_end_offset"]),
        )
        for role, replicas in (("voter", quorum["current_voters"]), ("observer", quorum["observers"]))
        for replica in replicas
    ]
    return Table(("node", "role", "epoch", "log end offset", "records behind"), rows)
