"""One replica of a partition: a folder of segments."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kafka_lab.errors import LogFileError
from kafka_lab.logfiles.batches import HEADER_BYTES, Batch, Record, read_batches, records_of
from kafka_lab.logfiles.indexes import IndexEntry, read_checkpoint
from kafka_lab.logfiles.internal import internal_row
from kafka_lab.logfiles.picture import log_scene
from kafka_lab.logfiles.segment import Segment
from kafka_lab.table import Table
from kafka_lab.views.scene import Scene, to_html

__all__ = ["Found", "PartitionLog"]

_TEXT = 60


class Found(NamedTuple):
    """Where an offset is, and what it took to find it.

    ``entry`` is the index entry that was used, None without one; ``scanned`` the bytes of batch headers and
    batches that were read from there on; ``skipped`` the bytes of the log that the indexes spared.
    """

    batch: Batch
    segment: Segment
    entry: IndexEntry | None
    scanned: int
    skipped: int


class PartitionLog:
    """What a broker has of a partition on disk, read as it is now; made by ``lab.log_files()``.

    Parameters
    ----------
    folder : pathlib.Path
        Such as ``.../chat-0``: a topic's name and a partition's number.

    Attributes
    ----------
    segments : tuple of Segment
        In their order; files that Kafka has marked as deleted or is just cleaning are none.

    Raises
    ------
    LogFileError
        There is no such folder, or no segment in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.topic, _, number = folder.name.rpartition("-")
        self.partition = int(number) if number.isdecimal() else -1
        paths = sorted(path for path in folder.glob("*.log") if path.stem.isdecimal())
        if not paths:
            raise LogFileError(
                "has no segment; expected a partition's folder on a broker", path=folder, position=0
            )
        self.segments = tuple(map(Segment, paths))

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All batches."""
        return tuple(batch for segment in self.segments for batch in segment.batches)

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    def records(self) -> Iterator[Record]:
        """Yield all records, in the order of their offsets.

        Raises
        ------
        LogFileError
            A segment cannot be read further; what came before was yielded.
        """
        for segment in self.segments:
            for batch in read_batches(segment.path):
                yield from records_of(segment.path, batch)

    def gaps(self) -> list[tuple[int, int]]:
        """Return the ranges of offsets, first and last, that no record has and no marker of a transaction.

        Compaction takes records out from between others; the offsets of those that are left do not change.
        """
        gaps: list[tuple[int, int]] = []
        expected: int | None = None
        for record in self.records():
            if expected is not None and record.offset > expected:
                gaps.append((expected, record.offset - 1))
            expected = record.offset + 1
        return gaps

    @property
    def leader_epochs(self) -> list[tuple[int, int]]:
        """Each leader epoch and its first offset, from ``leader-epoch-checkpoint``.

        Raises
        ------
        LogFileError
            The file cannot be read.
        """
        path = self.folder / "leader-epoch-checkpoint"
        rows = read_checkpoint(path)
        try:
            return [(int(epoch), int(offset)) for epoch, offset in rows]
        except ValueError as error:
            raise LogFileError(f"has a line that is none: {error}", path=path, position=0) from error

    @property
    def high_watermark(self) -> int | None:
        """The high watermark that the broker noted last, or None; it notes it every five seconds.

        ``replica.high.watermark.checkpoint.interval.ms``; the true one is on the timeline.

        Raises
        ------
        LogFileError
            The file cannot be read.
        """
        path = self.folder.parent / "replication-offset-checkpoint"
        if not path.exists():
            return None
        rows = read_checkpoint(path)
        try:
            noted = {(topic, int(number)): int(offset) for topic, number, offset in rows}
        except ValueError as error:
            raise LogFileError(f"has a line that is none: {error}", path=path, position=0) from error
        return noted.get((self.topic, self.partition))

    def find(self, offset: int) -> Found:
        """Find an offset as a broker does: by the segments' names, their index, and then batch by batch.

        Raises
        ------
        LogFileError
            The log ends before it, or begins after it.
        """
        at = bisect.bisect_right([segment.base_offset for segment in self.segments], offset) - 1
        if at < 0:
            raise LogFileError(
                f"begins at offset {self.segments[0].base_offset}, after {offset}",
                path=self.folder,
                position=0,
            )
        segment = self.segments[at]
        # An entry's offset is the last one of what was appended there: what is sought begins there or later.
        before = bisect.bisect_right(segment.index, (offset + 1, -1)) - 1
        entry = segment.index[before] if before >= 0 else None
        start = entry.position if entry else 0
        scanned = 0
        skipped = sum(earlier.size for earlier in self.segments[:at]) + start
        for each in self.segments[at:]:  # compaction may have left nothing of the offset's own segment
            for batch in read_batches(each.path, start if each is segment else 0):
                if batch.last_offset >= offset:
                    return Found(batch, each, entry, scanned + batch.size, skipped)
                scanned += HEADER_BYTES
        last = self.segments[-1]
        raise LogFileError(f"ends before offset {offset}", path=last.path, position=last.size)

    def table(self) -> Table:
        """Return the batches: where they are, who sent them, and what is in them."""
        rows = [
            (
                segment.path.name,
                str(batch.position),
                str(batch.size),
                f"{batch.base_offset}-{batch.last_offset}",
                f"{batch.count}{' (control)' if batch.control else ''}",
                batch.compression,
                str(batch.producer_id) if batch.producer_id >= 0 else "-",
                str(batch.producer_epoch) if batch.producer_id >= 0 else "-",
                str(batch.leader_epoch),
                str(batch.max_timestamp_ms),
            )
            for segment in self.segments
            for batch in segment.batches
        ]
        columns = (
            "segment", "position", "bytes", "offsets", "records", "compression", "producer id",
            "producer epoch", "leader epoch", "latest timestamp",
        )  # fmt: skip
        return Table(columns, rows)

    def records_table(self, most: int = 100) -> Table:
        """Return the first ``most`` records; those of Kafka's own topics in readable words."""
        rows: list[tuple[str, ...]] = []
        for record in self.records():
            if len(rows) == most:
                break
            words = internal_row(self.topic, record.key, record.value)
            if record.marker:
                words = ("marker", "", record.marker)
            key, value = words[1:] if words else (_text(record.key), _text(record.value))
            rows.append((str(record.offset), str(record.timestamp_ms), words[0] if words else "", key, value))
        return Table(("offset", "timestamp", "kind", "key", "value"), rows)

    def scene(self) -> Scene:
        """Return the picture: each segment's bytes from left to right, in batches of offsets."""
        return log_scene(self.topic, self.partition, self.segments, self.high_watermark)

    def __str__(self) -> str:
        return self.table().to_text()

    def _repr_html_(self) -> str:
        return to_html(self.scene())


def _text(data: bytes | None) -> str:
    if data is None:
        return "(null)"
    text = data[: 4 * _TEXT].decode(errors="replace")
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
