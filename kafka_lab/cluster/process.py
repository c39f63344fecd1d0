"""One child process in a group of its own: started, watched, signalled, stopped for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from kafka_lab.errors import ClosedError, FaultError

__all__ = ["NodeProcess", "last_words"]

_TAIL_BYTES = 16_384
_FREEZE_S = 5.0  # how long a busy machine may take to stop all threads of a process
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")  # no JAVA_TOOL_OPTIONS, no KAFKA_OPTS


class NodeProcess:
    """A node's process, which can be started again after it ended.

    Parameters
    ----------
    name : str
        The node's name.
    command : sequence of str
        Program and arguments.
    log_path : pathlib.Path
        Standard output and error are added to it.
    on_exit : callable
        Called with the exit code from a thread when the process ends.
    """

    def __init__(
        self, name: str, command: Sequence[str], log_path: Path, on_exit: Callable[[int], None]
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.log_path = log_path
        self._on_exit = on_exit
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """The id of the process; that of the last one if it has ended.

        Raises
        ------
        ClosedError
            There never was one.
        """
        if self._process is None:
            raise ClosedError(f"{self.name} was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while there is a process."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the process ended (a negative number is the signal that did it); None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process.

        Raises
        ------
        FaultError
            It runs already.
        """
        if self.running:
            raise FaultError(f"{self.name} runs already (process {self.pid})")
        self._join_watcher()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log_path.parent,
                env=environment,
                process_group=0,  # else Jupyter's Interrupt would reach it
            )
        self._process = process
        self._watcher = threading.Thread(
            target=lambda: self._on_exit(process.wait()),
            name=f"kafka-lab-wait-{self.name}",
            daemon=True,
        )
        self._watcher.start()

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to the process's group; nothing happens if it has ended."""
        if self.running:
            try:
                os.killpg(self.pid, signal_number)
            except ProcessLookupError:
                return

    def freeze(self) -> None:
        """Stop the process with SIGSTOP, and wait until the kernel has done so: the signal is only a request.

        Raises
        ------
        FaultError
            It has not stopped after 5 s.
        """
        self.send(signal.SIGSTOP)
        deadline = time.monotonic() + _FREEZE_S
        pause = threading.Event()
        while self.running and not _is_stopped(self.pid):
            if time.monotonic() > deadline:
                raise FaultError(f"{self.name} (process {self.pid}) did not stop within {_FREEZE_S:.0f} s")
            pause.wait(0.001)

    def kill(self) -> None:
        """End the process with SIGKILL, at once, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self._join_watcher()

    def terminate(self, timeout_s: float) -> None:
        """End the process in order: SIGTERM (after SIGCONT: a paused JVM hears nothing), then SIGKILL."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
        self._join_watcher()

    def log_text(self) -> str:
        """Return the last 16 KiB that the process wrote."""
        return last_words(self.log_path)

    def _join_watcher(self) -> None:
        watcher = self._watcher
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join()


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def last_words(log_path: Path) -> str:
    """Return the last 16 KiB of a log file."""
    with log_path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return log.read().decode(errors="replace")
