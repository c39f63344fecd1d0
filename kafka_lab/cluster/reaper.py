"""Ends a lab's JVMs when the lab's own process is gone, however it went.

Runs as a process of its own, with nothing but the standard library: ``python reaper.py MARK``. Its
standard input is a pipe whose other end only the lab holds. End of file without the word ``done`` means
that the lab died; then every process with MARK in its command line is killed, with its process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_GONE_S = 5.0
_LOOK_S = 0.02
_QUIET_LOOKS = 3  # without a find, before it is over


def processes_with(mark: str) -> list[int]:
    """Return the ids of the processes whose command line holds ``mark`` as one of its arguments."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        return [int(p.name) for p in proc.iterdir() if p.name.isdigit() and mark in _arguments(p)]
    listing = subprocess.run(
        ["ps", "-axwwo", "pid=,command="], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if mark in line]


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # gone meanwhile, or not ours to see
        return []


def kill_processes_with(mark: str) -> list[int]:
    """Send SIGKILL to the groups of the processes with ``mark``; return the processes' ids."""
    found = [pid for pid in processes_with(mark) if pid != os.getpid()]
    for pid in found:
        try:
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return found


def end_processes_with(mark: str) -> None:
    """Kill the processes with ``mark`` until none is left.

    One look is not enough: a process that is just being started has no command line yet.
    """
    deadline = time.monotonic() + _GONE_S
    pause = threading.Event()
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        quiet = 0 if kill_processes_with(mark) else quiet + 1
        pause.wait(_LOOK_S)


def main(mark: str) -> None:
    """Wait for the lab's word or its death."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.stdin.buffer.read() != b"done":
        end_processes_with(mark)


if __name__ == "__main__":
    main("-D" + sys.argv[1])
