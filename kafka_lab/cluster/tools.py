"""Kafka's own command-line tools, run against a local cluster."""

from __future__ import annotations

import subprocess

from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import ConfigurationError, unknown

__all__ = ["TOOLS", "run_tool"]

#: What follows "kafka-" in the script's name in a Kafka installation, and the main class behind it.
TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "configs": "kafka.admin.ConfigCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
}
_TIMEOUT_S = 60.0


def run_tool(cluster: LocalCluster, name: str, *arguments: str) -> str:
    """Run a tool with ``--bootstrap-server`` and these arguments; return what it prints.

    Raises
    ------
    ConfigurationError
        There is no such tool, it refused its arguments (with what it said), or it did not end.
    """
    if name not in TOOLS:
        raise ConfigurationError(unknown("tool", name, TOOLS))
    servers = ",".join(cluster.bootstrap_servers)
    command = [*cluster.java("tool"), TOOLS[name], "--bootstrap-server", servers, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, process_group=0
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"kafka-{name} did not end within {_TIMEOUT_S:g} s") from error
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".strip()
        raise ConfigurationError(f"kafka-{name} refused {' '.join(arguments)!r}: {said}")
    return done.stdout
