"""The process behind ``kafka-lab up``: it owns one lab, until it is told to end (SIGTERM)."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import psutil

from kafka_lab import showing
from kafka_lab.errors import KafkaLabError
from kafka_lab.lab import UP, Lab

__all__ = ["own"]

_LOOK_S = 1.0


def own(terms: dict[str, Any]) -> None:
    """Start a lab, tell our parent about it in lines of JSON, and keep it until SIGTERM comes.

    Parameters
    ----------
    terms : dict
        ``"settings"``, Lab's arguments; ``"until"``, a process with which the lab ends, or None; and
        ``"kept_for"``, whom it is for, which is only told.
    """
    until = terms["until"]
    end = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: _interrupt(end))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may go
    try:
        with showing.told_to(_step), Lab(**terms["settings"]) as lab:
            folder = lab.data_folder("broker-1").parent
            (folder / UP).write_text(json.dumps(terms), encoding="utf-8")
            _say(ready=folder.name)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            while not end.wait(_LOOK_S) and (until is None or psutil.pid_exists(until)):
                pass
    except KafkaLabError as error:
        _say(error=str(error))
    except Exception as error:
        _say(error=f"{type(error).__name__}: {error}")
        raise
    except KeyboardInterrupt:
        return  # told to end while it started: the lab is closed


def _interrupt(end: threading.Event) -> None:
    """End the wait; or what is being started.

    Raises
    ------
    KeyboardInterrupt
        The first time.
    """
    if not end.is_set():
        end.set()
        raise KeyboardInterrupt


def _step(step: str, done: int, total: int) -> None:
    _say(step=step, done=done, total=total)


def _say(**what: object) -> None:
    with suppress(BrokenPipeError):  # the parent has gone
        print(json.dumps(what), flush=True)  # noqa: T201 - what the parent reads


if __name__ == "__main__":
    own(json.loads(sys.argv[1]))
