"""Runs one node in the foreground, as a container's only process: see ``docker/compose.yaml``.

Where containers meet, a node listens on all addresses of its own; who may reach it from outside is decided by
the ports that are published.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from kafka_lab.cluster.config import (
    LOG4J,
    broker_properties,
    linked_listeners,
    profile,
    to_text,
    zookeeper_properties,
    zookeeper_settings,
)
from kafka_lab.cluster.distribution import prepare
from kafka_lab.cluster.local import JAVA_OPTIONS, MAIN_CLASSES
from kafka_lab.cluster.probe import broker_answers, zookeeper_answers
from kafka_lab.cluster.training import java_options

__all__ = ["main", "properties"]

_INTERNAL_PORT = 9092
_BROKERS = 3  # of the compose file: for the replication of Kafka's own topics


def properties(arguments: argparse.Namespace, data: Path) -> Mapping[str, str]:
    """Return the configuration of the node that the arguments describe."""
    chosen = profile(arguments.profile)
    if arguments.role == "zookeeper":
        settings = zookeeper_properties(port=arguments.port, data=data, profile=chosen)
        return {**settings, "clientPortAddress": arguments.bind}
    inside, outside = arguments.internal_port, arguments.port
    listeners = linked_listeners(
        internal=inside,
        client=outside,
        linked_internal=inside,
        linked_client=outside,
        bind=arguments.bind,
        name=arguments.name,
    )
    metadata = zookeeper_settings(broker_id=arguments.id, connect=arguments.zookeeper, profile=chosen)
    return broker_properties(
        listeners=listeners, data=data, metadata=metadata, brokers=_BROKERS, profile=chosen
    )


def main(given: Sequence[str] | None = None) -> int:
    """Become the node; or tell by the exit code whether one answers."""
    arguments = _parser().parse_args(given)
    if arguments.role != "check":
        _become(arguments)
    return 0 if broker_answers(arguments.port) or zookeeper_answers(arguments.port) else 1


def _become(arguments: argparse.Namespace) -> NoReturn:
    """Replace this process by the node: the container's signals are then its own."""
    folder = arguments.folder.absolute()
    data = folder / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, log4j = folder / "node.properties", folder / "log4j.properties"
    file.write_text(to_text(properties(arguments, data)), encoding="utf-8")
    log4j.write_text(LOG4J.format(level="INFO"), encoding="utf-8")
    distribution = prepare()
    java = str(distribution.java.path)
    command = [
        java,
        *JAVA_OPTIONS,
        *java_options(distribution).get(arguments.role, ()),
        f"-Dlog4j.configuration=file:{log4j}",
        "-cp",
        distribution.class_path,
        MAIN_CLASSES[arguments.role],
        str(file),
    ]
    os.execv(java, command)  # noqa: S606 - no shell is wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kafka_lab.cluster.container", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    for role in ("zookeeper", "broker", "check"):
        node = roles.add_parser(role)
        node.add_argument("--port", type=int, required=True, help="where clients find it")
        if role == "check":
            continue
        node.add_argument("--folder", type=Path, default=Path("node"), help="its data and configuration")
        node.add_argument("--bind", default="0.0.0.0", help="its own address")  # noqa: S104 - see above
        node.add_argument("--profile", default="lab", help="how soon failures are noticed")
        if role == "broker":
            node.add_argument("--id", type=int, required=True, help="its broker.id")
            node.add_argument("--zookeeper", required=True, metavar="HOST:PORT", help="where ZooKeeper is")
            node.add_argument("--name", default=socket.gethostname(), help="how other brokers reach it")
            node.add_argument("--internal-port", type=int, default=_INTERNAL_PORT, help="and on which port")
    return parser


if __name__ == "__main__":
    sys.exit(main())
