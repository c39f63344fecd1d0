"""Nothing is left behind: tried with sleeping Python processes in place of JVMs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kafka_lab.cluster import runs
from kafka_lab.cluster.runs import Run, clean_stale

SLEEP = "import signal; signal.pause()"
# A program that makes a run, starts a marked process in it, says so, and goes on as it is told.
OWNER = f"""
import subprocess, sys
from kafka_lab.cluster.runs import Run
run = Run()
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}, run.java_mark], process_group=0)
print(run.folder, child.pid, flush=True)
{{then}}
"""


def owner(cache: Path, then: str) -> tuple[subprocess.Popen[str], Path, psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KAFKA_LAB_CACHE": str(cache)},
    )
    assert process.stdout
    with process.stdout as said:
        folder, pid = said.readline().split()
    return process, Path(folder), psutil.Process(int(pid))


def start_marked(run: Run) -> psutil.Popen:
    return psutil.Popen([sys.executable, "-c", SLEEP, run.java_mark], process_group=0)


def is_gone(process: psutil.Process) -> bool:
    try:
        process.wait(10)
    except psutil.NoSuchProcess:
        return True
    return not process.is_running()


def test_a_run_folder_is_private(cache: Path) -> None:
    run = Run()
    assert run.folder.parent == cache / "runs"
    assert run.folder.stat().st_mode & 0o777 == 0o700
    run.close(keep_logs=False)
    assert not run.folder.exists()
    run.close(keep_logs=False)


def test_closing_ends_what_still_runs(cache: Path) -> None:
    run = Run()
    with start_marked(run) as child:
        run.close(keep_logs=False)
        assert child.wait(10) == -signal.SIGKILL
    assert list((cache / "runs").iterdir()) == []


def test_after_an_error_the_logs_stay_and_nothing_else(cache: Path) -> None:
    run = Run()
    (run.folder / "broker-1").mkdir()
    (run.folder / "broker-1" / "data").write_text("much")
    (run.folder / "broker-1.log").write_text("the reason")
    run.close(keep_logs=True)
    assert [path.name for path in run.folder.iterdir()] == ["broker-1.log"]
    assert clean_stale() == []
    long_ago = time.time() - 8 * 24 * 3600
    os.utime(run.folder, (long_ago, long_ago))
    assert clean_stale() == [run.folder]
    assert list((cache / "runs").iterdir()) == []


def test_an_owner_that_just_ends_leaves_nothing(cache: Path) -> None:
    process, folder, child = owner(cache, "")
    assert process.wait(30) == 0
    assert is_gone(child)
    assert not folder.exists()


def test_a_killed_owner_takes_its_processes_along(cache: Path) -> None:
    process, folder, child = owner(cache, "import signal; signal.pause()")
    process.kill()
    process.wait()
    begin = time.monotonic()
    assert is_gone(child)
    assert time.monotonic() - begin < 5
    assert folder.exists()
    assert clean_stale() == [folder]
    assert not folder.exists()


def test_a_fork_does_not_hold_the_reaper_back_nor_end_the_run(cache: Path) -> None:
    then = """
import os, signal
if os.fork() == 0:
    signal.pause()
signal.pause()
"""
    process, _, child = owner(cache, then)
    forked = psutil.Process(process.pid)
    deadline = time.monotonic() + 30
    while len(grandchildren := [p for p in forked.children() if p.cmdline() == forked.cmdline()]) < 1:
        assert time.monotonic() < deadline
    process.kill()
    process.wait()
    assert is_gone(child)
    grandchildren[0].kill()


@pytest.mark.usefixtures("cache")
def test_what_is_left_of_a_dead_owner_is_killed_at_the_next_start() -> None:
    run = Run()
    with start_marked(run) as child:
        run._owner.close()  # as if the owner had died, and the reaper with it
        other = Run()
        assert child.wait(10) == -signal.SIGKILL
        assert not run.folder.exists()
    other.close(keep_logs=False)
    run.close(keep_logs=False)


def test_what_is_no_run_does_not_disturb(cache: Path) -> None:
    (cache / "runs").mkdir(parents=True)
    (cache / "runs" / ".DS_Store").touch()
    (cache / "runs" / "strange").mkdir()
    (cache / "runs" / "strange" / "owner").touch()
    (cache / "incoming-old").mkdir()
    os.utime(cache / "incoming-old", (0, 0))
    assert clean_stale() == [cache / "runs" / "strange"]
    assert (cache / "runs" / ".DS_Store").exists()
    assert not (cache / "incoming-old").exists()


def test_a_full_disk_leaves_no_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs.fcntl, "flock", full)
    with pytest.raises(OSError, match="No space left"):
        Run()
    assert list((cache / "runs").iterdir()) == []


@pytest.mark.usefixtures("cache")
def test_a_living_owner_is_left_alone() -> None:
    run = Run()
    assert clean_stale() == []
    assert runs._owner_lives(run.folder)
    run.close(keep_logs=False)


@pytest.mark.usefixtures("cache")
def test_a_process_that_is_just_being_started_does_not_escape() -> None:
    for _ in range(20):
        run = Run()
        with start_marked(run) as child:
            run.close(keep_logs=False)
            assert child.wait(10) == -signal.SIGKILL
