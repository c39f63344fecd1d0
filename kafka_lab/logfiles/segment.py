"""A segment: one of the files that a partition's log is cut into, and its indexes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kafka_lab.errors import LogFileError
from kafka_lab.logfiles.batches import Batch, read_batches
from kafka_lab.logfiles.indexes import IndexEntry, TimeIndexEntry, read_index, read_timeindex

__all__ = ["Segment"]


@dataclass(frozen=True)
class Segment:
    """A segment: a ``.log`` file and its indexes, all named for the first offset that may be in it.

    Parameters
    ----------
    path : pathlib.Path
        The ``.log`` file.

    Raises
    ------
    LogFileError
        From its properties: a file cannot be read.
    """

    path: Path

    @property
    def base_offset(self) -> int:
        """The offset in its name."""
        return int(self.path.stem)

    @cached_property
    def size(self) -> int:
        """Bytes of the ``.log`` file.

        Raises
        ------
        LogFileError
            It is gone.
        """
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise LogFileError(f"cannot be read: {error.strerror}", path=self.path, position=0) from error

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """Its batches.

        Raises
        ------
        LogFileError
            It cannot be read to its end; the error's ``readable`` are the batches before that.
        """
        found: list[Batch] = []
        try:
            found.extend(read_batches(self.path))
        except LogFileError as error:
            error.readable = tuple(found)
            raise
        return tuple(found)

    @cached_property
    def index(self) -> tuple[IndexEntry, ...]:
        """The entries of its ``.index`` file; a new segment has none yet."""
        path = self.path.with_suffix(".index")
        entries = read_index(path) if path.exists() else []
        return tuple(entry for entry in entries if entry.position < self.size)

    @cached_property
    def timeindex(self) -> tuple[TimeIndexEntry, ...]:
        """The entries of its ``.timeindex`` file; a new segment has none yet."""
        path = self.path.with_suffix(".timeindex")
        return tuple(read_timeindex(path)) if path.exists() else ()
