"""Run folders: private, marked with their owner, and never left over.

Three nets hang under a lab's ``close()``: a handler at interpreter exit, the reaper process for every other
death of the lab's process, and :func:`clean_stale` at the next start for what even the reaper could not do.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from kafka_lab.cluster import reaper
from kafka_lab.cluster.distribution import cache_folder

__all__ = ["Run", "clean_stale", "kept_logs", "living_runs", "stale_runs"]

_OWNER = "owner"
_UNFINISHED = "making-"
_CUT_OFF_S = 3600  # a download or a training that is older was cut off
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
        self.folder, self._owner = _make_folder()
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
        reaper.end_processes_with(self.java_mark)
        if self._reaper.poll() is None:
            self._reaper.communicate(b"done")
        self._reaper.stdin = None
        self._owner.close()
        if keep_logs:
            _strip_to_logs(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _at_exit(self) -> None:
        """Kill, do not wait for an orderly stop: an exiting kernel has little time."""
        if os.getpid() == self._pid:
            self.close(keep_logs=False)

    def _leave_to_parent(self) -> None:
        if self._reaper.stdin is not None:
            os.close(self._reaper.stdin.fileno())
            self._reaper.stdin = None
            self._owner.close()  # the parent's lock stays: only closing all copies gives it up


def clean_stale() -> list[Path]:
    """Kill the processes and remove the folders of runs whose owners are gone; return the folders.

    Logs that a failed run kept stay for a week. Downloads and caches that were cut off go as well.
    """
    cleaned = []
    for folder in stale_runs():
        reaper.end_processes_with(f"-Dkafka_lab.run={folder}")
        shutil.rmtree(folder, ignore_errors=True)
        cleaned.append(folder)
    for leftover in [*cache_folder().glob("incoming-*"), *cache_folder().glob(f"aot/{_UNFINISHED}*")]:
        if _age_s(leftover) > _CUT_OFF_S:
            shutil.rmtree(leftover, ignore_errors=True)
    return cleaned


def stale_runs() -> list[Path]:
    """Return the folders of runs whose owners are gone."""
    return [
        folder
        for folder in _root().iterdir()
        if folder.is_dir() and not _owner_lives(folder) and not _logs_worth_keeping(folder)
    ]


def kept_logs() -> list[Path]:
    """Return the folders with the logs of starts that failed."""
    return [folder for folder in _root().iterdir() if folder.is_dir() and _logs_worth_keeping(folder)]


def living_runs() -> list[Path]:
    """Return the folders of runs whose owners live, the one that changed last at the end."""
    folders = [path for path in _root().iterdir() if path.is_dir() and (path / _OWNER).exists()]
    return sorted(filter(_owner_lives, folders), key=lambda path: path.stat().st_mtime)


def _root() -> Path:
    root = cache_folder() / "runs"
    root.mkdir(mode=0o700, exist_ok=True)
    return root


def _make_folder() -> tuple[Path, IO[str]]:
    """Make a run folder; return it with its owner file, whose lock says that the owner lives.

    The lock goes with the process, however that ends, and is seen across containers. The folder has its lock
    from the first moment it can be found by its final name.

    Raises
    ------
    OSError
        The disk is full, or cannot lock; nothing is left.
    """
    new = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=_root()))
    owner = (new / _OWNER).open("w", encoding="utf-8")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return new.rename(new.with_name(new.name.removeprefix(_UNFINISHED))), owner
    except OSError:
        owner.close()
        shutil.rmtree(new, ignore_errors=True)
        raise


def _owner_lives(folder: Path) -> bool:
    try:
        with (folder / _OWNER).open(encoding="utf-8") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no owner file: being made, given up while it was made, or kept logs
        pass
    return folder.name.startswith(_UNFINISHED) and _age_s(folder) < 60


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
