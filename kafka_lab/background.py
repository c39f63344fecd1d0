"""Labs in processes of their own, which outlive the program that started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

from kafka_lab.control import Owner, find_owner
from kafka_lab.errors import ConfigurationError
from kafka_lab.progress import Report

__all__ = ["end", "start"]

_PATIENCE_S = 300.0  # a first start downloads Kafka
_END_S = 30.0
_POLL_S = 0.05


def start(
    settings: Mapping[str, object], report: Report, *, until: int | None = None, kept_for: str | None = None
) -> Owner:
    """Start a lab in the background; return its owner when it is ready.

    Parameters
    ----------
    settings : mapping
        Lab's arguments.
    report : callable
        Hears how far it is.
    until : int, optional
        A process: the lab ends with it at the latest.
    kept_for : str, optional
        Whom the lab is for, to find it again.

    Raises
    ------
    ConfigurationError
        It did not start; with what it said.
    """
    terms = {"settings": dict(settings), "until": until, "kept_for": kept_for}
    command = [sys.executable, "-m", "kafka_lab.owning", json.dumps(terms)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C here is not for it
    ) as process:
        last_resort = threading.Timer(_PATIENCE_S, process.terminate)
        last_resort.start()
        try:
            for line in process.stdout or ():
                said = json.loads(line)
                if "step" in said:
                    report(said["step"], said["done"], said["total"])
                elif "ready" in said:
                    owner = find_owner(said["ready"])
                    process.returncode = 0  # it lives on: nobody here waits for it
                    return owner
                else:
                    raise ConfigurationError(said["error"])
            raise ConfigurationError(
                "the lab did not start, and did not say why; `kafka-lab doctor` may know"
            )
        except BaseException:
            if process.returncode is None:
                process.terminate()
            raise
        finally:
            last_resort.cancel()


def end(owner: Owner) -> None:
    """End a lab that :func:`start` started; return when its processes and its folder are gone.

    Raises
    ------
    ConfigurationError
        It is not one of these, or it does not end.
    """
    told = owner.call("told")
    if not told["up"]:
        raise ConfigurationError(
            f"the lab {owner.name} belongs to process {told['pid']}, a notebook or a script: close it there"
        )
    os.kill(told["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    pause = threading.Event()
    while owner.folder.exists():
        if time.monotonic() > deadline:
            raise ConfigurationError(f"the lab {owner.name} did not end within {_END_S:g} s: kafka-lab clean")
        pause.wait(_POLL_S)
