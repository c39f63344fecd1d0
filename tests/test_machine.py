"""What `kafka-lab doctor` and `kafka-lab clean` say and do; no JVM is needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from typer.testing import CliRunner

from kafka_lab import machine
from kafka_lab.cluster.room import check_room
from kafka_lab.cluster.runs import Run
from kafka_lab.errors import ConfigurationError

MIB = 2**20


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(machine.app, arguments)
    return done.exit_code, done.output


def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * MIB))


def little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10 * MIB))


@pytest.mark.usefixtures("cache")
def test_a_new_machine_has_notes_and_no_problem() -> None:
    findings = {finding.what: finding for finding in machine.examine()}
    assert findings["Kafka 3.9.2"].verdict == "note"
    assert "kafka-lab fetch" in findings["Kafka 3.9.2"].advice
    assert findings["labs"].found == "none runs"
    assert not [finding for finding in findings.values() if finding.verdict == "problem"]


@pytest.mark.usefixtures("cache")
def test_too_little_memory_is_a_problem_and_is_said_before_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    little_memory(monkeypatch)
    code, said = run("doctor", "--json")
    assert code == 1
    (problem,) = [finding for finding in json.loads(said) if finding["verdict"] == "problem"]
    assert problem["what"] == "memory"
    with pytest.raises(ConfigurationError, match="100 MiB of memory are free, and 4 nodes take 360"):
        check_room(4)
    check_room(1)


@pytest.mark.usefixtures("cache")
def test_too_little_disk_is_a_problem_and_is_said_before_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    little_disk(monkeypatch)
    code, said = run("doctor")
    assert code == 1
    assert "✕  disk" in said
    with pytest.raises(ConfigurationError, match=r"10 MiB are free on the disk of .* set KAFKA_LAB_CACHE"):
        check_room(1)


def test_a_cache_folder_that_cannot_be_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAFKA_LAB_CACHE", str(tmp_path / "file" / "cache"))
    problems = [finding for finding in machine.examine() if finding.verdict == "problem"]
    assert problems
    assert all("KAFKA_LAB_CACHE" in finding.found for finding in problems)


def test_clean_removes_what_was_left_and_nothing_else(cache: Path) -> None:
    living, failed = Run(), Run()
    (failed.folder / "broker-1.log").write_text("why it failed")
    failed.close(keep_logs=True)
    dead = cache / "runs" / "dead"
    dead.mkdir()
    (dead / "owner").touch()
    (cache / "maven").mkdir()
    try:
        assert {f.what for f in machine.examine()} >= {"left by dead programs", "logs of failed starts"}
        code, said = run("clean", "--all", "--json")
        assert code == 0
        assert set(json.loads(said)["removed"]) == {str(dead), str(failed.folder)}
        assert living.folder.is_dir()
        assert (cache / "maven").is_dir()  # a lab runs that may use it
    finally:
        living.close(keep_logs=False)
    assert run("clean")[1] == "Nothing was left.\n"
    run("clean", "--all")
    assert not (cache / "maven").exists()
