"""How other programs of the same user reach a running lab: a socket in its private folder.

A request is one line of JSON, ``{"call": "kill", "arguments": {"node": "broker-1"}}``; so is the answer,
which also says how many events the timeline has by then. The call ``"follow"`` is answered with the timeline,
event by event, until it ends.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kafka_lab.cluster.runs import living_runs
from kafka_lab.errors import ClosedError, ConfigurationError, FaultError, unknown
from kafka_lab.events import Event
from kafka_lab.threads import Threads
from kafka_lab.timeline import Timeline, event_of

__all__ = ["PROTOCOL", "ControlServer", "Owner", "find_owner", "owners"]

#: Changes when a program of another version could no longer follow.
PROTOCOL = 3

_SOCKET = "control"
_LONGEST = 100  # of a socket's path, in bytes: macOS takes 103, Linux 107
_MOST_BYTES = 64 * 1024
_MOST_CONNECTIONS = 32
_ANSWER_S = 600.0  # a reassignment may take that long
_ASK_S = 5.0
_TELL_S = 10.0
_LOOK_S = 1.0
_log = logging.getLogger(__name__)
_SAID_AS_THEY_ARE = (ConfigurationError, FaultError, ClosedError)


class ControlServer:
    """Lets other programs of this user do what a lab's owner can do.

    Parameters
    ----------
    folder : pathlib.Path
        The lab's private folder: who may open it may give orders.
    timeline : Timeline
        What followers are told.
    calls : mapping
        What can be called, by name; a result must be plain JSON data.
    """

    def __init__(self, folder: Path, timeline: Timeline, calls: Mapping[str, Callable[..., object]]) -> None:
        self._path = folder / _SOCKET
        self._timeline = timeline
        self._calls = calls
        self._threads = Threads()
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self) -> None:
        """Begin to listen; where that cannot be, a warning is logged, and the lab goes on alone."""
        try:
            with _address(self._path) as address:
                self._socket.bind(address)
        except OSError as error:  # the path is too long, and this is no Linux
            self._socket.close()
            _log.warning("no other program can join this lab: %s: %s", self._path, error)
            return
        self._socket.listen()
        self._threads.start({"control": self._accept})

    def close(self) -> None:
        """End; followers are told so by the end of their connection."""
        self._threads.closing.set()
        with suppress(OSError):  # it was never bound, or is closed
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._threads.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="kafka-lab-control-call", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError), connection.makefile("rw", encoding="utf-8") as stream:
                connection.settimeout(_ASK_S)
                request = stream.readline(_MOST_BYTES)
                connection.settimeout(_ANSWER_S)
                try:
                    asked = json.loads(request)
                    call, arguments = asked["call"], asked.get("arguments", {})
                except (ValueError, TypeError, KeyError, AttributeError):
                    return
                if call == "follow":
                    for events in self._events(connection):
                        stream.writelines(json.dumps(event.to_dict()) + "\n" for event in events)
                        stream.flush()
                else:
                    stream.write(json.dumps(self._answer(call, arguments)) + "\n")
        finally:
            self._slots.release()

    def _answer(self, call: str, arguments: dict[str, Any]) -> dict[str, object]:
        try:
            if call not in self._calls:
                raise ConfigurationError(unknown("call", call, self._calls))
            return {"result": self._calls[call](**arguments), "events": len(self._timeline)}
        except Exception as error:  # noqa: BLE001 - the caller is told, whatever it is
            return {"error": str(error), "kind": type(error).__name__}

    def _events(self, connection: socket.socket) -> Iterator[list[Event]]:
        """Yield all events of the timeline, some at a time as they come, until it ends or nobody listens."""
        grown = threading.Event()
        unfollow = self._timeline.follow(grown.set)
        sent = 0
        try:
            while True:
                grown.clear()
                ended = self._timeline.ended or self._threads.closing.is_set()
                new = self._timeline.since(sent)
                yield new
                sent += len(new)
                if ended or (not grown.wait(_LOOK_S) and _hung_up(connection)):
                    return
        finally:
            unfollow()


def _hung_up(connection: socket.socket) -> bool:
    """Tell whether the other end has closed a connection on which it has nothing more to say."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


class Owner:
    """The program that owns a running lab, as others see it.

    Parameters
    ----------
    folder : pathlib.Path
        The lab's private folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._following: socket.socket | None = None

    @property
    def name(self) -> str:
        """What the lab is called: its folder's name."""
        return self.folder.name

    def call(self, name: str, **arguments: object) -> Any:  # noqa: ANN401 - what the call returns
        """Let the owner do something, and return what it answers."""
        return self.ask(name, **arguments)["result"]

    def ask(self, name: str, **arguments: object) -> dict[str, Any]:
        """Let the owner do something; return its ``"result"``, and how many ``"events"`` there are then.

        Raises
        ------
        ClosedError
            The owner has ended.
        FaultError
            It does not answer, or something went wrong.
        ConfigurationError
            It refused.
        """
        try:
            with self._connection() as connection, connection.makefile("rw", encoding="utf-8") as stream:
                connection.settimeout(_TELL_S if name == "told" else _ANSWER_S)
                stream.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
        except TimeoutError as error:
            raise FaultError(f"the owner of the lab {self.name} does not answer: is it frozen?") from error
        except (OSError, ValueError) as error:
            raise ClosedError(f"the lab {self.name} is gone: its owner has ended") from error
        if "error" in answer:
            kinds = {kind.__name__: kind for kind in _SAID_AS_THEY_ARE}
            raise kinds.get(answer["kind"], FaultError)(answer["error"])
        return dict(answer)

    def told(self) -> dict[str, Any]:
        """Return what the owner tells of its lab; nothing if it has just ended, or does not answer."""
        try:
            return dict(self.call("told"))
        except (ClosedError, FaultError):
            return {}

    def follow(self) -> Iterator[Event]:
        """Yield what happens in the lab, from its beginning, until its owner ends or closes it."""
        with suppress(OSError, ValueError), self._connection() as connection:
            self._following = connection
            connection.settimeout(None)
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps({"call": "follow"}) + "\n")
                stream.flush()
                for line in stream:
                    yield event_of(json.loads(line))

    def hang_up(self) -> None:
        """End what :meth:`follow` yields in another thread."""
        if self._following is not None:
            with suppress(OSError):  # it has ended
                self._following.shutdown(socket.SHUT_RDWR)

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_S)
        try:
            with _address(self.folder / _SOCKET) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield a socket's address: its path, or where that is too long (on Linux) a short one to the file."""
    if len(os.fsencode(path)) <= _LONGEST or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def owners() -> list[Owner]:
    """Return the owners of this user's running labs."""
    return [Owner(folder) for folder in living_runs() if (folder / _SOCKET).exists()]


def find_owner(name: str | None) -> Owner:
    """Return the owner of the lab of this name, or of the only one.

    Raises
    ------
    ConfigurationError
        No lab runs, none of that name, or several and no name was given.
    """
    running = {owner.name: owner for owner in owners()}
    if not running:
        raise ConfigurationError("no lab runs: `kafka-lab up` starts one")
    if name is None:
        if len(running) > 1:
            raise ConfigurationError(f"several labs run: choose one of {', '.join(running)}")
        return next(iter(running.values()))
    if name not in running:
        raise ConfigurationError(unknown("running lab", name, running))
    return running[name]
