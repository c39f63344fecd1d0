"""The main job, as a command in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kafka_lab.cluster.distribution import cache_folder
from kafka_lab.events import BrokerLost, FaultStarted, LeaderChanged
from kafka_lab.history import History
from kafka_lab.timeline import Timeline
from kafka_lab.views import topology_view

pytestmark = pytest.mark.jvm

COMMAND = [sys.executable, "-m", "kafka_lab", "demo"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own with the real one's jars: other runs stay out of sight."""
    real = cache_folder()
    for name in ("maven", "aot"):
        if (real / name).exists():
            (tmp_path / name).symlink_to(real / name)
    monkeypatch.setenv("KAFKA_LAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_orphans(cache: Path) -> Iterator[None]:
    yield
    assert [p for p in psutil.process_iter(["cmdline"]) if str(cache) in str(p.info["cmdline"])] == []
    assert list((cache / "runs").iterdir()) == []


@pytest.mark.usefixtures("no_orphans")
def test_it_succeeds_and_its_recording_tells_the_same(tmp_path: Path) -> None:
    lesson = tmp_path / "lesson.jsonl"
    done = subprocess.run(
        [*COMMAND, "--json", "--record", lesson], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["delivered"]
    account = report["account"]
    assert account["accepted"] > 20
    assert account["expected"] == account["stored"] == 2 * account["accepted"]
    assert (account["missing"], account["stored_twice"], account["out_of_order"]) == ([], 0, 0)
    assert 0 < report["session_expired_s"] <= report["leader_elected_s"] <= report["acknowledged_s"]
    assert report["acknowledged_s"] <= report["stored_s"]

    timeline = Timeline.load(lesson)
    killed = timeline.find(FaultStarted)
    assert killed is not None
    assert killed.node == report["killed"]
    lost = timeline.find(BrokerLost, node=killed.node)
    assert lost is not None
    assert round(lost.at_s - killed.at_s, 3) == report["session_expired_s"]
    assert timeline.find(LeaderChanged, since=killed.seq, previous=killed.node) is not None
    assert "ws2ms_chat-0" in topology_view(timeline, History(timeline)).to_text()


@pytest.mark.usefixtures("no_orphans")
def test_with_two_brokers_in_plain_lines() -> None:
    done = subprocess.run(
        [*COMMAND, "--brokers", "2"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "公文管理" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Everything was delivered, once and in order" in done.stdout


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize(
    ("after", "ending"),
    [
        ("", signal.SIGINT),
        pytest.param("", signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param("Where it went", signal.SIGINT, marks=pytest.mark.soak),
        ("kill -9", signal.SIGTERM),
        pytest.param("The account", signal.SIGINT, marks=pytest.mark.soak),
    ],
)
def test_an_interruption_at_any_moment_leaves_nothing(after: str, ending: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*COMMAND, "--keep"], stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        if after:
            assert any(after in line for line in demo.stdout)
        else:
            wait_for_child(demo.pid)
        demo.send_signal(ending)
        demo.send_signal(ending)  # as an impatient person does
        demo.communicate(timeout=60)
        assert demo.returncode in {0, 130}


def test_a_killed_demonstration_takes_its_cluster_along(cache: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any("Where it went" in line for line in demo.stdout)
        nodes = [p for p in psutil.Process(demo.pid).children() if "java" in p.name()]
        assert len(nodes) == 4
        demo.kill()
        killed = time.monotonic()
        _, alive = psutil.wait_procs(nodes, timeout=30)
        assert alive == []
        assert time.monotonic() - killed < 10
    assert len(list((cache / "runs").iterdir())) == 1
    again = subprocess.run(
        [*COMMAND, "--brokers", "2", "--json"], capture_output=True, timeout=300, check=False
    )
    assert again.returncode == 0
    assert list((cache / "runs").iterdir()) == []


def wait_for_child(pid: int) -> None:
    process = psutil.Process(pid)
    deadline = time.monotonic() + 60
    while not any("java" in child.name() for child in process.children()):
        assert time.monotonic() < deadline
