"""Reaching a lab from another program, through its socket; no JVM is needed."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kafka_lab.cluster.runs import Run
from kafka_lab.control import ControlServer, Owner, find_owner, owners
from kafka_lab.errors import ClosedError, ConfigurationError, FaultError, WaitTimeoutError
from kafka_lab.events import BrokerLost
from kafka_lab.timeline import Timeline


def refuse(node: str) -> None:
    raise FaultError(f"{node} is down already")


def wait_in_vain() -> None:
    raise WaitTimeoutError("the end", waited_s=1.0, last_seen="nothing")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Owner, Timeline]]:
    timeline = Timeline()
    calls = {"double": lambda number: 2 * number, "refuse": refuse, "wait_in_vain": wait_in_vain}
    server = ControlServer(tmp_path, timeline, calls)
    server.start()
    yield Owner(tmp_path), timeline
    server.close()


def test_a_call_is_answered(served: tuple[Owner, Timeline]) -> None:
    owner, timeline = served
    timeline.append(BrokerLost("broker-1"))
    assert owner.call("double", number=21) == 42
    assert owner.ask("double", number=21)["events"] == 1


def test_errors_arrive_as_what_they_are(served: tuple[Owner, Timeline]) -> None:
    owner, _ = served
    with pytest.raises(FaultError, match="broker-1 is down already"):
        owner.call("refuse", node="broker-1")
    with pytest.raises(ConfigurationError, match="'halve'; choose one of: double, refuse"):
        owner.call("halve", number=4)
    with pytest.raises(FaultError, match="the end did not happen within 1 s"):
        owner.call("wait_in_vain")
    with pytest.raises(FaultError, match="unexpected keyword argument"):
        owner.call("double", figure=4)


def test_who_follows_hears_all_and_the_end(served: tuple[Owner, Timeline]) -> None:
    owner, timeline = served
    timeline.append(BrokerLost("broker-1"))
    following = owner.follow()
    assert next(following).subject == "broker-1"
    timeline.append(BrokerLost("broker-2"))
    assert next(following).subject == "broker-2"
    timeline.end()
    assert list(following) == []


@pytest.mark.parametrize("said", [b"", b"hello\n", b"[1]\n", b'{"call": 1}\n', b"x" * 100_000])
def test_nonsense_gets_no_answer_and_harms_nobody(served: tuple[Owner, Timeline], said: bytes) -> None:
    owner, _ = served
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection, suppress(ConnectionError):  # it does not read it all
        connection.connect(str(owner.folder / "control"))
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert not answer or "error" in json.loads(answer)
    assert owner.call("double", number=1) == 2


def test_an_owner_that_has_ended_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(ClosedError, match="is gone: its owner has ended"):
        Owner(tmp_path).call("double", number=1)
    assert list(Owner(tmp_path).follow()) == []


def test_a_closed_server_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    server = ControlServer(tmp_path, Timeline(), {})
    server.start()
    following = Owner(tmp_path).follow()
    server.close()
    assert list(following) == []
    assert set(threading.enumerate()) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a lab cannot be joined")
def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    server = ControlServer(folder, Timeline(), {"answer": lambda: 42})
    server.start()
    assert Owner(folder).call("answer") == 42
    server.close()


@pytest.mark.usefixtures("cache")
def test_the_lab_to_join_is_the_only_one_or_named() -> None:
    with pytest.raises(ConfigurationError, match="no lab runs: `kafka-lab up` starts one"):
        find_owner(None)
    runs = [Run(), Run()]
    servers = [ControlServer(run.folder, Timeline(), {}) for run in runs]
    try:
        servers[0].start()
        assert find_owner(None).folder == runs[0].folder
        servers[1].start()
        assert {owner.folder for owner in owners()} == {run.folder for run in runs}
        assert find_owner(runs[1].folder.name).folder == runs[1].folder
        with pytest.raises(ConfigurationError, match="several labs run: choose one of"):
            find_owner(None)
        with pytest.raises(ConfigurationError, match="no running lab 'other'"):
            find_owner("other")
    finally:
        for server, run in zip(servers, runs, strict=True):
            server.close()
            run.close(keep_logs=False)
