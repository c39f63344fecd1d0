"""A lab in the background, used from the shell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from kafka_lab import Lab
from kafka_lab.control import owners
from kafka_lab.events import LeaderChanged, NotificationStored

pytestmark = pytest.mark.jvm


def shell(*arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "kafka_lab", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def up() -> Iterator[dict[str, Any]]:
    told = json.loads(shell("up", "--links", "--profile", "fast", "--set", "num.partitions=4", "--json"))
    yield told
    if told["lab"] in {owner.name for owner in owners()}:
        shell("down", "--lab", told["lab"])


def test_it_runs_on_its_own_and_is_told_of(up: dict[str, Any]) -> None:
    assert up["up"]["settings"]["links"] is True
    assert up["up"]["settings"]["settings"] == {"num.partitions": "4"}
    assert set(up["nodes"]) == {"zookeeper-1", "broker-1", "broker-2", "broker-3"}
    assert up["lab"] in {told["lab"] for told in json.loads(shell("status", "--json"))}
    assert up["lab"] in shell("status")


def test_the_shell_breaks_and_python_sees_it(up: dict[str, Any]) -> None:
    which = ("--lab", up["lab"])
    joined = Lab.join(up["lab"])
    try:
        joined.create_topic("chat", partitions=1)
        leader = joined.leader_of("chat", 0)
        assert leader
        begin = len(joined.timeline)
        assert f"To undo it: kafka-lab restart {leader}" in shell("kill", leader, *which)
        assert joined.wait_for(LeaderChanged, topic="chat", partition=0, since=begin).leader != leader
        shell("restart", leader, *which)
        shell("cut", "broker-1", "broker-2", *which)
        shell("heal", "broker-1", "broker-2", *which)
        paused = json.loads(shell("pause", "controller", "--json", *which))["node"]
        assert paused.startswith("broker-")
        shell("heal", *which)
        assert not joined.state.nodes[paused].paused
    finally:
        joined.close()
    assert "broker-1.log" in shell("logs", "broker-1", "--lines", "2", *which)


def test_a_notification_from_the_shell(up: dict[str, Any]) -> None:
    told = json.loads(shell("send", "--to", "ada", "--text", "from the shell", "--lab", up["lab"], "--json"))
    joined = Lab.join(up["lab"])
    try:
        joined.wait_for(NotificationStored, user="ada", clientMsgID=told["clientMsgID"], since=0)
    finally:
        joined.close()


def test_what_cannot_be_is_said(up: dict[str, Any]) -> None:
    which = ("--lab", up["lab"])
    assert "no node 'broker-9'; choose one of" in shell("kill", "broker-9", *which, code=1)
    assert "expected a link's two ends" in shell("heal", "broker-1", *which, code=1)
    assert "brokers" in shell("up", "--brokers", "12", code=2)
    assert "expected KEY=VALUE" in shell("up", "--set", "num.partitions", code=1)
    assert "has no ZooKeeper mode" in shell("up", "--kafka", "4.1.0", code=1)
    assert "no running lab 'nobody'" in shell("down", "--lab", "nobody", code=1)


def test_a_lab_of_a_script_is_not_ended_from_the_shell() -> None:
    with Lab(brokers=1, profile="fast") as lab:
        name = lab.data_folder("broker-1").parent.name
        assert "a notebook or a script: close it there" in shell("down", "--lab", name, code=1)
        assert lab.state.nodes["broker-1"].running


def test_down_leaves_nothing(up: dict[str, Any]) -> None:
    shell("down", "--lab", up["lab"])
    assert not Path(up["nodes"]["broker-1"]["data"]).parent.exists()
    gone, left = psutil.wait_procs(
        [psutil.Process(pid) for pid in [up["pid"]] if psutil.pid_exists(pid)], timeout=10
    )
    assert not left, gone
    assert not [pid for node in up["nodes"].values() if psutil.pid_exists(pid := node["pid"])]
