"""Run folders: private, marked with their owner, and never left over.

Three nets hang under a lab's ``close()``: a handler at interpreter exit, the reaper process for every other
death of the lab's process, and :func:`clean_stale` at the next start for what even the reaper could not do.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from kafka_lab.cluster import reaper
from kafka_lab.cluster.distribution import cache_folder

__all__ = ["Run", "clean_stale"]

_OWNER = "owner.json"
_UNFINISHED = "making-"
_GONE_S = 5.0
_KEEP_LOGS_S = 7 * 24 * 3600  # how long the logs of a failed run stay


class Run:
    """The private folder and the marked processes of one cluster.

    Making one removes first what dead owners left behind.

    Attributes
    ----------
    folder : pathlib.Path
        Mode 0700; everything that the cluster writes is in it.
    java_mark : str
        A JVM argument that says which run the JVM belongs to.
    """

    def __init__(self) -> None:
        clean_stale()
        self.folder = _make_folder()
        mark = f"kafka_lab.run={self.folder}"
        self.java_mark = f"-D{mark}"
        self._pid = os.getpid()
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", reaper.__file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        # A forked child must not hold the pipe open, or the reaper would wait for the child too.
        os.register_at_fork(after_in_child=self._leave_to_parent)
        atexit.register(self._at_exit)

    def close(self, *, keep_logs: bool) -> None:
        """End what still runs, dismiss the reaper, and remove the folder (or all but its logs)."""
        if os.getpid() != self._pid or self._reaper.stdin is None:
            return
        atexit.unregister(self._at_exit)
        self._kill_all()
        if self._reaper.poll() is None:
            self._reaper.communicate(b"done")
        self._reaper.stdin = None
        if keep_logs:
            _strip_to_logs(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_all(self) -> None:
        """Kill what still runs and wait until it is gone, without taking its exit code from its owner."""
        deadline = time.monotonic() + _GONE_S
        pause = threading.Event()
        while reaper.kill_processes_with(self.java_mark) and time.monotonic() < deadline:
            pause.wait(0.01)

    def _at_exit(self) -> None:
        """Kill, do not wait for an orderly stop: an exiting kernel has little time."""
        if os.getpid() == self._pid:
            self.close(keep_logs=False)

    def _leave_to_parent(self) -> None:
        if self._reaper.stdin is not None:
            os.close(self._reaper.stdin.fileno())
            self._reaper.stdin = None


def clean_stale() -> list[Path]:
    """Kill the processes and remove the folders of runs whose owners are gone; return the folders.

    Logs that a failed run kept stay for a week.
    """
    cleaned = []
    for folder in _root().iterdir():
        if _owner_lives(folder) or _logs_worth_keeping(folder):
            continue
        reaper.kill_processes_with(f"-Dkafka_lab.run={folder}")
        shutil.rmtree(folder, ignore_errors=True)
        cleaned.append(folder)
    return cleaned


def _root() -> Path:
    root = cache_folder() / "runs"
    root.mkdir(mode=0o700, exist_ok=True)
    return root


def _make_folder() -> Path:
    """Make a run folder that has its owner's name in it from the first moment it can be found."""
    me = psutil.Process()
    new = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=_root()))
    owner = {"pid": me.pid, "created": me.create_time()}
    (new / _OWNER).write_text(json.dumps(owner), encoding="utf-8")
    return new.rename(new.with_name(new.name.removeprefix(_UNFINISHED)))


def _owner_lives(folder: Path) -> bool:
    try:
        owner = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return bool(psutil.Process(owner["pid"]).create_time() == owner["created"])
    except FileNotFoundError:  # being made this minute, or given up while it was made
        return folder.name.startswith(_UNFINISHED) and _age_s(folder) < 60
    except (ValueError, KeyError, psutil.NoSuchProcess):
        return False


def _logs_worth_keeping(folder: Path) -> bool:
    return not (folder / _OWNER).exists() and _age_s(folder) < _KEEP_LOGS_S


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _strip_to_logs(folder: Path) -> None:
    """Leave the nodes' log files only, and no owner: the folder is then nobody's but the reader's."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix not in {".log", ".properties"}:
            path.unlink()
