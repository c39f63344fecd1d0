"""Starts that fail explain themselves and leave nothing running."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from kafka_lab import Lab, assembly
from kafka_lab.cluster import local
from kafka_lab.cluster.runs import Run
from kafka_lab.errors import NodeStartError

pytestmark = pytest.mark.jvm


def java_processes() -> set[int]:
    return {p.pid for p in psutil.Process().children(recursive=True) if p.name() == "java"}


@contextmanager
def nothing_new_runs() -> Iterator[None]:
    before = java_processes()
    yield
    assert java_processes() <= before


def test_a_node_that_cannot_start_shows_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    real = local.broker_properties
    monkeypatch.setattr(local, "broker_properties", lambda **more: {**real(**more), "num.partitions": "none"})
    with (
        nothing_new_runs(),
        pytest.raises(NodeStartError, match="exited with code 1 while starting") as caught,
    ):
        Lab(brokers=2).start()
    assert caught.value.node.startswith("broker-")
    assert "num.partitions" in caught.value.log_tail
    assert caught.value.log_path.exists()
    assert {path.suffix for path in caught.value.log_path.parent.iterdir()} <= {".log", ".properties"}


def test_a_taken_port_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    real = local.free_ports
    given: list[int] = []
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()

        def stolen_once(count: int, **_: object) -> list[int]:
            ports = real(count)
            if not given:
                ports[-1] = squatter.getsockname()[1]
            given.extend(ports)
            return ports

        monkeypatch.setattr(local, "free_ports", stolen_once)
        with nothing_new_runs(), Lab(brokers=1) as lab:
            assert len(given) == 4
            assert lab.bootstrap_servers == [f"127.0.0.1:{given[-1]}"]


def test_an_interrupted_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    made: list[Run] = []

    def make() -> Run:
        made.append(Run())
        return made[-1]

    monkeypatch.setattr(local, "Run", make)
    monkeypatch.setattr(assembly, "_wait_until_acknowledged", interrupt)
    with nothing_new_runs(), pytest.raises(KeyboardInterrupt):
        Lab(brokers=1).start()
    (run,) = made
    assert not run.folder.exists()


def test_memory_that_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "JAVA_OPTIONS", (*local.JAVA_OPTIONS, "-Xmx4m", "-Xms4m"))
    with nothing_new_runs(), pytest.raises(NodeStartError, match="too little memory"):
        Lab(brokers=1).start()
