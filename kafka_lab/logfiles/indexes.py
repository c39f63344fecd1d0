"""What lies beside a segment: sparse indexes by offset and by time, and the brokers' checkpoint files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from kafka_lab.errors import LogFileError

__all__ = ["IndexEntry", "TimeIndexEntry", "read_checkpoint", "read_index", "read_timeindex"]

E = TypeVar("E")

_OFFSET_ENTRY = struct.Struct(">ii")
_TIME_ENTRY = struct.Struct(">qi")


class IndexEntry(NamedTuple):
    """A batch with this last offset begins at this position of the ``.log`` file."""

    offset: int
    position: int


class TimeIndexEntry(NamedTuple):
    """Up to this offset, no record is later than this timestamp, in milliseconds since 1970."""

    timestamp_ms: int
    offset: int


def read_index(path: Path) -> list[IndexEntry]:
    """Return the entries of an ``.index`` file: one for about each ``index.interval.bytes`` of the segment.

    The active segment's file is as large as it may become, with zeros at its end.

    Raises
    ------
    LogFileError
        It cannot be read, or its entries do not grow.
    """
    base = _base_offset(path)

    def entry(relative: int, position: int) -> IndexEntry | None:
        # A position of 0 is not written yet: no entry points to a segment's first batch.
        return IndexEntry(base + relative, position) if position else None

    return _entries(path, _OFFSET_ENTRY, entry, lambda earlier, later: later > earlier)


def read_timeindex(path: Path) -> list[TimeIndexEntry]:
    """Return the entries of a ``.timeindex`` file.

    Raises
    ------
    LogFileError
        It cannot be read, or its timestamps go backwards.
    """
    base = _base_offset(path)

    def entry(timestamp: int, relative: int) -> TimeIndexEntry | None:
        return TimeIndexEntry(timestamp, base + relative) if timestamp or relative else None

    return _entries(
        path, _TIME_ENTRY, entry, lambda earlier, later: later.timestamp_ms >= earlier.timestamp_ms
    )


def _entries(
    path: Path,
    layout: struct.Struct,
    make: Callable[..., E | None],
    follows: Callable[[E, E], bool],
) -> list[E]:
    """Return a file's entries, up to the first that ``make`` makes none of.

    Raises
    ------
    LogFileError
        It cannot be read, or an entry does not follow the one before it.
    """
    content, found = _content(path, layout), list[E]()
    for number, values in enumerate(layout.iter_unpack(content)):
        entry = make(*values)
        if entry is None:
            break
        if found and not follows(found[-1], entry):
            if _is_active(content):
                break
            raise LogFileError(
                f"is damaged: {entry} after {found[-1]}", path=path, position=number * layout.size
            )
        found.append(entry)
    return found


def read_checkpoint(path: Path) -> list[tuple[str, ...]]:
    """Return the lines of a checkpoint file, split into words; none of an empty one, as a new broker has it.

    ``leader-epoch-checkpoint`` of a partition has pairs of an epoch and its first offset;
    ``replication-offset-checkpoint`` of a broker has the high watermark of each partition: topic, number,
    offset.

    Raises
    ------
    LogFileError
        It cannot be read, or has not as many lines as it says.
    """
    try:
        content = path.read_text("utf-8")
        if not content:
            return []
        version, count, *lines = content.splitlines()
        rows = [tuple(line.split()) for line in lines]
        whole = version == "0" and int(count) == len(rows)
    except OSError as error:
        raise LogFileError(f"cannot be read: {error.strerror}", path=path, position=0) from error
    except ValueError as error:
        raise LogFileError(f"is no checkpoint file: {error}", path=path, position=0) from error
    if not whole:
        raise LogFileError(f"has {len(rows)} of {count} lines", path=path, position=0)
    return rows


def _base_offset(path: Path) -> int:
    """Return the offset that a segment's files are named for.

    Raises
    ------
    LogFileError
        They are not.
    """
    if not path.stem.isdecimal():
        raise LogFileError(
            "has no segment's name; expected one such as 00000000000000000000.index", path=path, position=0
        )
    return int(path.stem)


def _is_active(content: bytes) -> bool:
    """Whether a file is as large as it may become: behind what counts are zeros, or what was cut off before.

    A broker that truncates its log leaves the index entries where they are (Kafka's ``AbstractIndex``).
    """
    return not any(content[-_TIME_ENTRY.size :])


def _content(path: Path, entry: struct.Struct) -> bytes:
    """Return a file's whole entries.

    Raises
    ------
    LogFileError
        It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LogFileError(f"cannot be read: {error.strerror}", path=path, position=0) from error
    return content[: len(content) // entry.size * entry.size]
