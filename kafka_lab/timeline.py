"""The one log: every event in the order in which the lab noticed it."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from msgspec import structs

from kafka_lab.errors import ConfigurationError, TimelineError, WaitTimeoutError
from kafka_lab.events import EVENT_TYPES, Event, RecordEvent

__all__ = ["Moment", "Timeline", "describe", "event_of"]

E = TypeVar("E", bound=Event)
T = TypeVar("T")

_FORMAT = "kafka_lab.timeline/1"
_LAST_SEEN = 3  # events that a WaitTimeoutError quotes


@dataclass(frozen=True)
class Moment:
    """A time on the timeline's clock, in seconds, and how many events there were up to it."""

    at_s: float
    count: int


class Timeline:
    """An append-only log of events on one monotonic clock, safe to use from any thread.

    Attributes
    ----------
    started_at : datetime.datetime
        The wall-clock time at which ``at_s`` is 0.
    ended : bool
        True when nothing more will be added: the lab is closed, or this is a recording.

    Examples
    --------
    >>> from kafka_lab.events import BrokerLost, BrokerRegistered
    >>> timeline = Timeline()
    >>> timeline.append(BrokerRegistered("broker-1")).seq
    0
    >>> timeline.append(BrokerLost("broker-1")).seq
    1
    >>> [event.subject for event in timeline.since(1)]
    ['broker-1']
    >>> timeline.find(BrokerLost, node="broker-1").seq
    1
    """

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self.ended = False
        self._origin = time.monotonic()
        self._events: list[Event] = []
        # The lock itself is what `with` takes: Ctrl-C can come between a Condition's taking it and the block.
        self._lock = threading.RLock()
        self._grown = threading.Condition(self._lock)
        self._followers: list[Callable[[], object]] = []
        self._file: IO[str] | None = None
        self._file_error: OSError | None = None

    def now_s(self) -> float:
        """Return the seconds since the timeline began."""
        return time.monotonic() - self._origin

    @property
    def began_s(self) -> float:
        """When the timeline began, on this machine's monotonic clock, which all its programs share."""
        return self._origin

    def begin_with(self, began_s: float, started_at: datetime) -> None:
        """Take over the clock of another program's timeline, whose events will be copied to this one."""
        self._origin, self.started_at = began_s, started_at

    def append(self, event: E, at_s: float | None = None) -> E:
        """Add a fact and return it with its ``seq`` and ``at_s``; after the end it is returned as it was.

        Parameters
        ----------
        event : Event
            The fact.
        at_s : float, optional
            When it was noticed, in seconds, if that was not just now; never before the last one's time.
        """
        stamped = self._add((event,), at_s)
        return stamped[0] if stamped else event

    def extend(self, events: Iterable[Event]) -> None:
        """Add facts that were noticed at once: who waits for one, or follows, is told once."""
        self._add(tuple(events), None)

    def _add(self, events: Sequence[E], at_s: float | None) -> list[E]:
        """Stamp and add events, and return them; none after the end."""
        with self._lock:
            if self.ended or not events:
                return []
            last_s = self._events[-1].at_s if self._events else 0.0
            now_s = round(self.now_s(), 6) if at_s is None else max(at_s, last_s)
            stamped = [event.stamped(seq, now_s) for seq, event in enumerate(events, len(self._events))]
            self._events += stamped
            if self._file is not None:
                self._write("".join(map(_line, stamped)))
            followers = tuple(self._followers)
            self._grown.notify_all()
        for follower in followers:
            follower()
        return stamped

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.since(0))

    def __repr__(self) -> str:
        return f"<Timeline: {len(self)} events in {self.now_s():.1f} s>"

    def since(self, seq: int, until: int | None = None) -> list[Event]:
        """Return the events from number ``seq`` on, up to but without ``until``, as a list of their own."""
        return self._events[max(seq, 0) : until]

    def moment(self, at_s: float | None = None) -> Moment:
        """Return how much of the timeline there was at a time, by default now (of a recording: its end).

        Examples
        --------
        >>> from kafka_lab.events import ZooKeeperSeen
        >>> timeline = Timeline()
        >>> seen = timeline.append(ZooKeeperSeen())
        >>> timeline.moment(seen.at_s).count, timeline.moment(-1).count
        (1, 0)
        """
        if at_s is None:
            count = len(self._events)
            last_s = self._events[-1].at_s if count else 0.0
            return Moment(last_s if self.ended else max(last_s, self.now_s()), count)
        return Moment(at_s, bisect_right(self._events, at_s, key=lambda event: event.at_s))

    def find(self, kind: type[E], *, since: int = 0, **fields: object) -> E | None:
        """Return the first event of a kind with these fields since number ``since``, or None."""
        _check_fields(kind, fields)
        return next((e for e in self.since(since) if isinstance(e, kind) and _matches(e, fields)), None)

    def wait_for(self, kind: type[E], *, timeout_s: float, since: int | None = None, **fields: object) -> E:
        """Return the first matching event, waiting for it if it has not happened yet.

        Parameters
        ----------
        kind : type
            The event's class.
        timeout_s : float
            How long to wait, in seconds.
        since : int, optional
            Look from this ``seq`` on; by default only at what comes after the call.
        **fields
            What the event's fields must equal.

        Raises
        ------
        WaitTimeoutError
            It did not happen; the error quotes what was last seen instead.
        TypeError
            The class has no such field.
        """
        _check_fields(kind, fields)
        first = len(self) if since is None else since
        checked = first

        def look() -> E | None:
            nonlocal checked
            new = self.since(checked)
            checked += len(new)
            return next((e for e in new if isinstance(e, kind) and _matches(e, fields)), None)

        asked = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        return self.wait_until(look, timeout_s=timeout_s, expected=f"{kind.__name__}({asked})", since=first)

    def wait_until(
        self, check: Callable[[], T | None], *, timeout_s: float, expected: str, since: int = 0
    ) -> T:
        """Return the first result of ``check`` that is not None, trying it again after each event.

        Parameters
        ----------
        check : callable
            Quick; whatever it raises ends the wait.
        timeout_s : float
            How long to wait, in seconds.
        expected : str
            What is waited for, for the error.
        since : int, optional
            The error quotes the last events from this ``seq`` on.

        Raises
        ------
        WaitTimeoutError
            The deadline passed, or the timeline ended.
        """
        begin = time.monotonic()
        with self._lock:
            while (result := check()) is None:
                left = timeout_s - (time.monotonic() - begin)
                if left <= 0 or self.ended:
                    seen = "; ".join(map(describe, self.since(since)[-_LAST_SEEN:]))
                    raise WaitTimeoutError(
                        expected,
                        waited_s=round(time.monotonic() - begin, 1),
                        last_seen=seen or "nothing at all",
                    )
                self._grown.wait(left)
        return result

    def follow(self, follower: Callable[[], object]) -> Callable[[], None]:
        """Call ``follower`` after each new event and at the end, and return what ends that.

        The follower runs in the appending thread: it must be quick and must not raise.
        """
        with self._lock:
            self._followers.append(follower)

        def unfollow() -> None:
            with self._lock:
                if follower in self._followers:
                    self._followers.remove(follower)

        return unfollow

    def end(self) -> None:
        """Take nothing more; what follows the timeline may stop."""
        with self._lock:
            self.ended = True
            followers = tuple(self._followers)
            self._grown.notify_all()
        for follower in followers:
            follower()

    def save(self, path: str | Path) -> Path:
        """Write the timeline as JSON lines, a header first; return the path."""
        path = Path(path)
        with path.open("w", encoding="utf-8") as file:
            file.write(self._header())
            file.writelines(map(_line, self.since(0)))
        return path

    def record(self, path: str | Path) -> Callable[[], None]:
        """Write the events so far, and from now on each as it comes, to a file.

        Returns
        -------
        callable
            Ends the recording. It raises the OSError that ended it earlier, such as a full disk.

        Raises
        ------
        ConfigurationError
            It is being recorded already, or the file cannot be written.
        """
        if self._file is not None:
            raise ConfigurationError(f"the timeline is being recorded already, to {self._file.name}")
        try:
            file = Path(path).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - lives on
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
        with self._lock:
            self._file, self._file_error = file, None
            self._write(self._header())
            for event in self._events:
                self._write(_line(event))

        def stop() -> None:
            with self._lock:
                self._file = None
            file.close()
            if self._file_error is not None:
                raise self._file_error

        return stop

    def _write(self, line: str) -> None:
        """Add a line to the recording, if there is one: a full disk ends it, not the cluster."""
        if self._file is None or self._file_error is not None:
            return
        try:
            self._file.write(line)
        except OSError as error:
            self._file_error = error

    @classmethod
    def load(cls, path: str | Path, *, partial: bool = False) -> Timeline:
        """Read a recording.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.
        partial : bool, default False
            Leave out lines that cannot be read: of a recording that was cut off, or of a newer version's.

        Raises
        ------
        TimelineError
            It is not a recording, or a line of it cannot be read.
        """
        path = Path(path)
        timeline = cls()
        try:
            with path.open(encoding="utf-8", errors="surrogateescape") as file:
                timeline.started_at = _begin_of(path, file.readline())
                for number, line in enumerate(file, start=2):
                    try:
                        timeline._take(event_of(_parse(path, number, line)), renumber=partial)
                    except (TypeError, TimelineError) as error:
                        if not partial:
                            said = _unreadable(path, number, error, len(timeline))
                            raise TimelineError(said) from error
        except OSError as error:
            raise TimelineError(f"{path} cannot be read: {error.strerror}") from error
        timeline.ended = True
        return timeline

    def _take(self, event: Event, *, renumber: bool) -> None:
        """Add an event as it was recorded.

        Raises
        ------
        TypeError
            It is not the next one.
        """
        number = len(self._events)
        if renumber:
            event = event.stamped(number, event.at_s)
        if event.seq != number:
            raise TypeError(f"event number {event.seq}; expected {number}")
        self._events.append(event)

    def _header(self) -> str:
        return json.dumps({"format": _FORMAT, "started_at": self.started_at.isoformat()}) + "\n"


def event_of(data: dict[str, Any]) -> Event:
    """Return an event from the plain data that it was saved as.

    Raises
    ------
    TypeError
        There is no such event, or a field of it is missing, unknown or of another type.

    Examples
    --------
    >>> event_of({"event": "BrokerLost", "node": "broker-1", "seq": 3, "at_s": 1.5}).subject
    'broker-1'
    """
    fields = dict(data)
    name = fields.pop("event", None)
    if not isinstance(name, str) or name not in EVENT_TYPES:
        raise TypeError(f"unknown event {name!r}")
    return EVENT_TYPES[name].from_dict(fields)


def describe(event: Event) -> str:
    """Return an event as one readable line.

    Examples
    --------
    >>> from kafka_lab.events import LeaderChanged
    >>> describe(LeaderChanged("chat", 0, "broker-2", "broker-1", 1, at_s=1.5))
    '1.500 s LeaderChanged chat-0 leader=broker-2 previous=broker-1 leader_epoch=1'
    """
    hidden = {"seq", "at_s", "topic", "partition", "node", "clientMsgID"}
    if isinstance(event, RecordEvent):
        hidden.add("offset")  # its subject has it
    details = " ".join(
        f"{name}={_plain(value)}"
        for name, value in structs.asdict(event).items()
        if name not in hidden and value != event.subject
    )
    return f"{event.at_s:.3f} s {type(event).__name__} {event.subject} {details}".rstrip()


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _line(event: Event) -> str:
    return json.dumps(event.to_dict(), ensure_ascii=False) + "\n"


def _begin_of(path: Path, line: str) -> datetime:
    """Return when a recording began, from its first line.

    Raises
    ------
    TimelineError
        It is none.
    """
    header = _parse(path, 1, line)
    if header.get("format") != _FORMAT:
        raise TimelineError(f"{path}, line 1: not a recording of kafka_lab (expected the format {_FORMAT!r})")
    try:
        return datetime.fromisoformat(str(header.get("started_at")))
    except ValueError as error:
        raise TimelineError(f"{path}, line 1: {error}") from error


def _unreadable(path: Path, number: int, error: Exception, before: int) -> str:
    reason = str(error).removeprefix(f"{path}, line {number}: ")
    return (
        f"{path}, line {number}: {reason}; the {before} events before it can be read: "
        "Timeline.load(path, partial=True), or --partial in the shell"
    )


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise TimelineError(f"{path}, line {number}: not JSON ({error})") from error
    if not isinstance(data, dict):
        raise TimelineError(f"{path}, line {number}: expected a JSON object, not {line[:40]!r}")
    return data


def _check_fields(kind: type[Event], fields: dict[str, object]) -> None:
    """Refuse a field that no event of the kind has: it would be waited for in vain.

    Raises
    ------
    TypeError
        There is such a field.
    """
    names = sorted(kind.__struct_fields__)
    for name in fields:
        if name not in names:
            raise TypeError(f"{kind.__name__} has no field {name!r}; it has {names}")


def _matches(event: Event, fields: dict[str, object]) -> bool:
    return all(getattr(event, name) == value for name, value in fields.items())
