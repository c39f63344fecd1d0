from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kafka_lab import Lab, Replay
from kafka_lab.cli import app
from kafka_lab.errors import ConfigurationError, TimelineError
from kafka_lab.state import ClusterState
from kafka_lab.views.marks import marks_of
from kafka_lab.views.terminal import screen

from .views.lesson import lesson


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return lesson().save(tmp_path / "lesson.jsonl")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_moment_of_a_recording(recording: Path) -> None:
    told = run("replay", str(recording), "--at", "3.2")
    assert "✕ down, session open" in told
    assert "★ broker-1" in told
    assert "✂ kill broker-1" in told
    assert "★ broker-2" in run("replay", str(recording))


def test_a_recording_as_a_page(recording: Path, tmp_path: Path) -> None:
    told = run("replay", str(recording), "--html", str(tmp_path / "lesson.html"))
    assert "events written to" in told
    assert (tmp_path / "lesson.html").stat().st_size < 200_000


def test_what_is_no_recording(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"some": "json"}))
    with pytest.raises(TimelineError, match="not a recording"):
        run("replay", str(other))
    with pytest.raises(ConfigurationError, match="two clusters"):
        run("watch", "--lab", "x", "--bootstrap-servers", "127.0.0.1:1")


def test_hostile_names_are_text_in_a_terminal(recording: Path) -> None:
    state = Replay(recording).state
    evil = "[bold red]x[/]\x1b[31m"
    topics = {evil: state.topics["chat"]}
    console = Console(width=200, file=io.StringIO())
    with console.capture() as captured:
        console.print(screen(ClusterState(nodes=state.nodes, topics=topics), [(1.0, evil)], 1.0, evil))
    assert captured.get().count("[bold red]x[/]�[31m") == 4
    assert "\x1b" not in captured.get()


def test_marks_are_bounded(recording: Path) -> None:
    timeline = Replay(recording).timeline
    assert len(marks_of(timeline, 3)) == 3
    assert marks_of(timeline, 100)[-1][1] == "chat-0: broker-1 joined the ISR"


@pytest.mark.jvm
def test_a_running_cluster_is_watched(lab: Lab) -> None:
    told = run("watch", "--once", "--bootstrap-servers", lab.bootstrap_servers[0])
    assert f"controller {lab.controller()}" in told
    assert told.count("✓ running") == 3
    name = lab.data_folder("broker-1").parent.name
    assert "zookeeper-1" in run("watch", "--once", "--lab", name)
