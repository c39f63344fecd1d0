"""The nodes of the compose file, without containers: the same commands on loopback, and a lab attached."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from kafka_lab import Lab
from kafka_lab.cluster.container import main
from kafka_lab.cluster.ports import free_ports
from kafka_lab.cluster.probe import broker_answers, zookeeper_answers

DOCKER = Path(__file__).parents[2] / "docker"


def test_the_compose_file_publishes_on_loopback_only() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert set(services) == {"zookeeper", "broker-1", "broker-2", "broker-3"}
    published = [port for service in services.values() for port in service["ports"]]
    assert len(set(published)) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)
    for service in services.values():
        port = service["command"][service["command"].index("--port") + 1]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert service["healthcheck"]["test"][-1] == port


def test_nothing_in_the_image_runs_as_root() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    user = lines.index("USER 1000")
    assert not [line for line in lines[user:] if line.startswith("USER") and line != "USER 1000"]
    assert "pip install" not in "\n".join(lines[:user])


def test_a_check_of_nothing_fails() -> None:
    (port,) = free_ports(1)
    assert main(["check", "--port", str(port)]) == 1


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """One ZooKeeper and one broker as the compose file starts them; their ports."""
    zookeeper, broker, internal = free_ports(3)
    command = [sys.executable, "-m", "kafka_lab.cluster.container"]
    of_broker = ["--id", "1", "--zookeeper", f"127.0.0.1:{zookeeper}", "--name", "127.0.0.1"]
    with ExitStack() as running:
        for name, port, more in (
            ("zookeeper", zookeeper, []),
            ("broker", broker, [*of_broker, "--internal-port", str(internal)]),
        ):
            arguments = ["--port", str(port), "--bind", "127.0.0.1", "--folder", str(tmp_path / name), *more]
            process = running.enter_context(
                subprocess.Popen([*command, name, *arguments], stdout=subprocess.DEVNULL)
            )
            running.callback(process.kill)
        yield zookeeper, broker


@pytest.mark.jvm
def test_the_commands_of_the_compose_file_make_a_cluster(containers: tuple[int, int]) -> None:
    zookeeper, broker = containers
    deadline = time.monotonic() + 60
    while main(["check", "--port", str(broker)]) and time.monotonic() < deadline:  # as the healthcheck does
        select.select([], [], [], 0.2)
    lab = Lab.attach(f"127.0.0.1:{broker}", zookeeper_connect=f"127.0.0.1:{zookeeper}")
    try:
        lab.create_topic("chat", partitions=2)
        with lab.producer() as producer:
            producer.send("chat", b"hello").get(30)
        assert [record.value for record in lab.read("chat")] == [b"hello"]
    finally:
        lab.close()
    assert main(["check", "--port", str(broker)]) == 0
    assert broker_answers(broker)
    assert zookeeper_answers(zookeeper)
