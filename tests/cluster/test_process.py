from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kafka_lab.cluster.process import NodeProcess
from kafka_lab.errors import ClosedError, FaultError

# A child that says when it is ready, so that no test has to guess.
PATIENT = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"


class Child:
    """A node process that runs Python instead of Java."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exits: queue.Queue[int] = queue.Queue()
        self.made: list[NodeProcess] = []

    def __call__(self, program: str) -> NodeProcess:
        process = NodeProcess(
            "broker-1", [sys.executable, "-c", program], self.folder / "broker-1.log", self.exits.put
        )
        self.made.append(process)
        return process


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child(tmp_path)
    yield child
    for process in child.made:
        process.kill()


def wait_until_ready(process: NodeProcess) -> None:
    deadline = time.monotonic() + 30
    while "ready" not in process.log_text():
        assert time.monotonic() < deadline


def test_it_has_a_group_of_its_own(child: Child) -> None:
    process = child(PATIENT)
    process.start()
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


def test_it_does_not_inherit_what_would_change_java(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1k")
    process = child("import os; print(sorted(os.environ))")
    process.start()
    assert child.exits.get(timeout=30) == 0
    assert "JAVA_TOOL_OPTIONS" not in process.log_text()


def test_killed_is_gone_when_kill_returns(child: Child) -> None:
    process = child(PATIENT)
    process.start()
    process.kill()
    assert not process.running
    assert child.exits.get_nowait() == -signal.SIGKILL


def test_an_orderly_end(child: Child) -> None:
    process = child(PATIENT)
    process.start()
    wait_until_ready(process)
    process.terminate(timeout_s=30)
    assert child.exits.get_nowait() == -signal.SIGTERM


def test_who_does_not_listen_is_killed(child: Child) -> None:
    process = child(STUBBORN)
    process.start()
    wait_until_ready(process)
    process.terminate(timeout_s=0.1)
    assert child.exits.get_nowait() == -signal.SIGKILL


def test_a_paused_process_ends_too(child: Child) -> None:
    process = child(PATIENT)
    process.start()
    wait_until_ready(process)
    process.freeze()
    assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    process.terminate(timeout_s=30)
    assert child.exits.get_nowait() == -signal.SIGTERM


def test_it_can_start_again_and_adds_to_its_log(child: Child) -> None:
    process = child("print('here')")
    for _ in range(2):
        process.start()
        assert child.exits.get(timeout=30) == 0
    assert process.log_text() == "here\nhere\n"


def test_starting_what_runs_is_refused(child: Child) -> None:
    process = child(PATIENT)
    process.start()
    with pytest.raises(FaultError, match="runs already"):
        process.start()


def test_before_the_start_there_is_nothing_to_end(child: Child) -> None:
    process = child(PATIENT)
    process.kill()
    process.terminate(timeout_s=1)
    with pytest.raises(ClosedError, match="never started"):
        _ = process.pid
