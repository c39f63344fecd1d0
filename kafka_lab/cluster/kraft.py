"""A KRaft quorum's configuration: the controllers that keep the metadata, without ZooKeeper (KIP-500)."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path

from kafka_lab.cluster.config import HOST, Profile, to_text

__all__ = ["controller_properties", "format_folder", "new_id", "quorum_settings"]

LISTENER = "CONTROLLER"
_MOST_MS = 2000  # Kafka's own controller.quorum.fetch.timeout.ms
# Settings of the lab's profiles that Kafka 4 does not have.
_ENDED = {
    "controller.socket.timeout.ms",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "zookeeper.session.timeout.ms",
}


def new_id() -> str:
    """Return an id as Kafka makes them: 16 random bytes in URL-safe base 64.

    Examples
    --------
    >>> len(new_id())
    22
    """
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def format_folder(data: Path, *, cluster_id: str, node_id: int) -> None:
    """Do to a node's empty log folder what ``kafka-storage.sh format`` does, without a JVM.

    Without the bootstrap file that the tool also writes, the first controller takes the newest production
    metadata version (``BootstrapDirectory`` in Kafka 4); optional features stay off.
    """
    meta = {"version": "1", "cluster.id": cluster_id, "node.id": str(node_id), "directory.id": new_id()}
    (data / "meta.properties").write_text(to_text(meta), encoding="utf-8")


def quorum_settings(
    *,
    node_id: int,
    voters: Mapping[int, int],
    listeners: Mapping[str, str],
    profile: Profile,
    controller_port: int | None,
) -> dict[str, str]:
    """Return who a broker is, where the quorum is, and how soon failures are noticed.

    Parameters
    ----------
    node_id : int
        Its ``node.id``.
    voters : mapping
        The controllers' ports, by ``node.id``.
    listeners : mapping
        Its other listeners, as :mod:`kafka_lab.cluster.config` makes them.
    profile : Profile
        Its session timeout becomes ``broker.session.timeout.ms``.
    controller_port : int or None
        Its port as a controller, if it is one too (a combined node).
    """
    settings = {
        "node.id": str(node_id),
        "process.roles": "broker",
        **_quorum(voters, profile),
        "advertised.listeners": listeners.get("advertised.listeners", listeners["listeners"]),
        "listener.security.protocol.map": (
            listeners.get("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT") + f",{LISTENER}:PLAINTEXT"
        ),
    }
    if controller_port is not None:
        settings["process.roles"] = "broker,controller"
        settings["listeners"] = f"{listeners['listeners']},{LISTENER}://{HOST}:{controller_port}"
    return settings


def controller_properties(
    *, node_id: int, port: int, data: Path, voters: Mapping[int, int], profile: Profile
) -> dict[str, str]:
    """Return the configuration of a node that is a controller only."""
    return {
        "node.id": str(node_id),
        "process.roles": "controller",
        "listeners": f"{LISTENER}://{HOST}:{port}",
        "log.dirs": str(data),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        **_quorum(voters, profile),
        **without_ended(profile.broker),
    }


def without_ended(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings without those that Kafka 4 has no more."""
    return {key: value for key, value in settings.items() if key not in _ENDED}


def _quorum(voters: Mapping[int, int], profile: Profile) -> dict[str, str]:
    settings = {
        "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in voters.items()),
        "controller.listener.names": LISTENER,
    }
    if profile.name == "kafka-defaults":
        return settings
    session_ms = profile.session_timeout_ms
    return {
        **settings,
        # A broker whose heartbeats stop for this long is fenced (9000 as shipped, a heartbeat every 2000).
        "broker.session.timeout.ms": str(session_ms),
        "broker.heartbeat.interval.ms": str(max(100, session_ms // 7)),
        # A leader of the quorum that is silent for this long is replaced (2000 as shipped). Half of this is
        # too short on a busy machine: elections follow each other without end.
        "controller.quorum.fetch.timeout.ms": str(min(_MOST_MS, max(1000, session_ms // 2))),
        "controller.quorum.election.timeout.ms": str(min(_MOST_MS // 2, max(500, session_ms // 4))),
        "controller.quorum.election.backoff.max.ms": "300",
    }
