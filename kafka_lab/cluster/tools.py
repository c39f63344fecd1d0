"""Kafka's own command-line tools, run against a local cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka_lab.cluster.config import to_text
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import ConfigurationError, unknown

__all__ = ["TOOLS", "java_properties", "run_tool"]

#: What follows "kafka-" in the script's name in a Kafka installation, and the main class behind it.
TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "configs": "kafka.admin.ConfigCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
}
_TIMEOUT_S = 60.0
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def run_tool(
    cluster: LocalCluster, name: str, *arguments: str, client_settings: Mapping[str, object] | None = None
) -> str:
    """Run a tool with ``--bootstrap-server`` and these arguments; return what it prints.

    Parameters
    ----------
    cluster : LocalCluster
        Whose brokers it asks.
    name : str
        One of :data:`TOOLS`.
    *arguments : str
        Its own.
    client_settings : mapping, optional
        How kafka-python reaches the brokers: see :func:`java_properties`.

    Raises
    ------
    ConfigurationError
        There is no such tool, it refused its arguments (with what it said), or it did not end.
    """
    if name not in TOOLS:
        raise ConfigurationError(unknown("tool", name, TOOLS))
    servers = ",".join(cluster.bootstrap_servers)
    command = [*cluster.java("tool"), TOOLS[name], "--bootstrap-server", servers, *arguments]
    with TemporaryDirectory(dir=cluster.folder) as folder:  # private: a password may be in it
        if properties := java_properties(client_settings or {}, Path(folder)):
            file = Path(folder) / "client.properties"
            file.write_text(to_text(properties), encoding="latin-1")
            command += ["--admin.config" if name == "leader-election" else "--command-config", str(file)]
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


def java_properties(client_settings: Mapping[str, object], folder: Path) -> dict[str, str]:
    """Return kafka-python's settings for TLS and SASL as a Java client has them; none for an open cluster.

    Parameters
    ----------
    client_settings : mapping
        kafka-python's settings; those that are not about TLS and SASL are left out.
    folder : pathlib.Path
        A private one: a client's key and certificate go there in one file, as Java wants them.

    Raises
    ------
    ConfigurationError
        A setting has no counterpart.

    Examples
    --------
    >>> given = {"security_protocol": "SASL_SSL", "ssl_cafile": "ca.pem", "request_timeout_ms": 5000}
    >>> java_properties(given, Path())["ssl.truststore.location"]
    'ca.pem'
    """
    left = {
        key: value
        for key, value in client_settings.items()
        if key.startswith(("ssl_", "sasl_", "security_")) and value is not None
    }
    properties: dict[str, str] = {}
    if "security_protocol" in left:
        properties["security.protocol"] = str(left.pop("security_protocol"))
    if "sasl_mechanism" in left:
        mechanism = str(left.pop("sasl_mechanism"))
        properties["sasl.mechanism"] = mechanism
        if mechanism in _LOGIN_MODULES:
            user, password = (
                str(left.pop(f"sasl_plain_{what}", "")).replace("\\", "\\\\").replace('"', '\\"')
                for what in ("username", "password")
            )
            properties["sasl.jaas.config"] = (
                f'{_LOGIN_MODULES[mechanism]} required username="{user}" password="{password}";'
            )
    if "ssl_cafile" in left:
        properties |= {
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(left.pop("ssl_cafile")),
        }
    if {"ssl_certfile", "ssl_keyfile"} <= left.keys():
        both = folder / "keystore.pem"
        parts = (Path(str(left.pop(what))) for what in ("ssl_keyfile", "ssl_certfile"))
        both.write_text("\n".join(part.read_text(encoding="utf-8") for part in parts), encoding="utf-8")
        properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(both)}
    if not left.pop("ssl_check_hostname", True):
        properties["ssl.endpoint.identification.algorithm"] = ""
    if left:
        raise ConfigurationError(
            f"Kafka's own tools cannot be told of {', '.join(sorted(left))}: run them yourself, with "
            "--command-config"
        )
    return properties
