"""Batches and records, as Kafka 3.9 writes them (its documentation, section "Message Format")."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kafka.errors import UnsupportedCodecError
from kafka.record.default_records import ControlRecord, DefaultRecordBatch

from kafka_lab.errors import LogFileError

__all__ = ["HEADER_BYTES", "Batch", "Record", "read_batches", "records_of"]

#: The fixed header of every batch.
HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size
_BEFORE_LENGTH = (
    DefaultRecordBatch.AFTER_LEN_OFFSET
)  # baseOffset and batchLength, which the length leaves out
_CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_LARGEST_BYTES = 256 * 1024 * 1024  # of a batch: beyond it a length is damage, not a size


@dataclass(frozen=True)
class Batch:
    """A record batch: what producers send, brokers append and the index points to.

    Attributes
    ----------
    base_offset, last_offset : int
        Of its first and last record; compaction may have taken either away, the batch keeps its range.
    position, size : int
        Where in the file it begins and how many bytes it takes.
    count : int
        Records in it.
    leader_epoch : int
        Of the leader that appended it.
    producer_id, producer_epoch, base_sequence : int
        Of an idempotent producer; else -1.
    compression : str
        ``"none"``, ``"gzip"``, ``"snappy"``, ``"lz4"`` or ``"zstd"``.
    transactional, control : bool
        Whether it is part of a transaction; whether it holds a marker that ends one.
    first_timestamp_ms, max_timestamp_ms : int
        Milliseconds since 1970; -1 if it has none.
    data : bytes
        The batch itself.
    """

    base_offset: int
    last_offset: int
    position: int
    size: int
    count: int
    leader_epoch: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    compression: str
    transactional: bool
    control: bool
    first_timestamp_ms: int
    max_timestamp_ms: int
    data: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """Return the position after it."""
        return self.position + self.size


@dataclass(frozen=True)
class Record:
    """One record of a batch.

    Attributes
    ----------
    offset : int
        Its place in the partition.
    position : int
        Where its batch begins in the file.
    timestamp_ms : int
        Milliseconds since 1970.
    key, value : bytes or None
        A value of None is a tombstone.
    headers : tuple
        Pairs of a name and bytes or None.
    size : int
        Bytes that it takes in the batch before compression, without its own length.
    marker : str
        ``"commit"`` or ``"abort"`` for the end of a transaction, else empty.
    """

    offset: int
    position: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    size: int
    marker: str = ""


def read_batches(path: Path, start: int = 0) -> Iterator[Batch]:
    """Yield a segment's batches in their order; each one's checksum is checked.

    Parameters
    ----------
    path : pathlib.Path
        A ``.log`` file.
    start : int, default 0
        A position at which a batch begins, such as one from the index.

    Raises
    ------
    LogFileError
        At the first position that cannot be read; what came before was yielded. A file that is being
        written can end in the middle of a batch.
    """
    position = start
    try:
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            expected = int(path.stem) if path.stem.isdecimal() else 0  # no checksum covers the offsets
            while position < end:
                batch = _read_batch(path, file, position, end)
                if batch.base_offset < expected or batch.last_offset < batch.base_offset:
                    raise LogFileError(
                        f"is damaged: a batch of offset {batch.base_offset} where {expected} or more belongs",
                        path=path,
                        position=position,
                    )
                yield batch
                position, expected = batch.end, batch.last_offset + 1
    except OSError as error:
        raise LogFileError(f"cannot be read: {error.strerror}", path=path, position=position) from error


def _read_batch(path: Path, file: BinaryIO, position: int, end: int) -> Batch:
    """Return the batch at a position.

    Raises
    ------
    LogFileError
        There is none, or not a whole one.
    """
    file.seek(position)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise LogFileError(
            f"ends after {len(header)} of a batch header's {HEADER_BYTES} bytes: it is being written, or was "
            "cut off",
            path=path,
            position=position,
        )
    head = DefaultRecordBatch(header)
    if head.magic in (0, 1):
        raise LogFileError(
            f"has the message format of before Kafka 0.11 (magic {head.magic}), or is damaged",
            path=path,
            position=position,
        )
    if (
        head.magic != 2
        or not HEADER_BYTES <= head.size_in_bytes <= _LARGEST_BYTES
        or head.last_offset_delta < 0
    ):
        raise LogFileError(
            f"has no batch here (magic {head.magic}, length {head.size_in_bytes - _BEFORE_LENGTH}): it is "
            "damaged",
            path=path,
            position=position,
        )
    if position + head.size_in_bytes > end:
        raise LogFileError(
            f"ends after {end - position} of a batch's {head.size_in_bytes} bytes: it is being written, or "
            "was cut off",
            path=path,
            position=position,
        )
    data = header + file.read(head.size_in_bytes - HEADER_BYTES)
    whole = DefaultRecordBatch(data)
    if not whole.validate_crc():
        raise LogFileError(
            f"is damaged: the checksum of the batch from offset {head.base_offset} on is not "
            f"{head.crc:#010x}, as it says",
            path=path,
            position=position,
        )
    return Batch(
        base_offset=head.base_offset,
        last_offset=head.last_offset,
        position=position,
        size=head.size_in_bytes,
        count=head.records_count,
        leader_epoch=head.leader_epoch,
        producer_id=head.producer_id,
        producer_epoch=head.producer_epoch,
        base_sequence=head.base_sequence,
        compression=_CODECS.get(head.compression_type, f"unknown ({head.compression_type})"),
        transactional=head.is_transactional,
        control=head.is_control_batch,
        first_timestamp_ms=head.first_timestamp,
        max_timestamp_ms=head.max_timestamp,
        data=data,
    )


def records_of(path: Path, batch: Batch) -> list[Record]:
    """Return a batch's records.

    Parameters
    ----------
    path : pathlib.Path
        The file that it is from, for the error.
    batch : Batch
        Of :func:`read_batches`.

    Raises
    ------
    LogFileError
        They cannot be decoded, such as for a codec that is not installed.
    """
    try:
        return [
            Record(
                offset=record.offset,
                position=batch.position,
                timestamp_ms=record.timestamp,
                key=record.key,
                value=record.value,
                headers=tuple(record.headers),
                size=record.size_in_bytes,
                marker=_marker(record),
            )
            for record in DefaultRecordBatch(batch.data)
        ]
    except UnsupportedCodecError as error:
        raise LogFileError(
            f"is compressed with {batch.compression} here, which Python cannot read yet: "
            f"pip install kafka-python[{batch.compression}]",
            path=path,
            position=batch.position,
        ) from error
    except Exception as error:  # each codec has errors of its own
        raise LogFileError(
            f"has records from offset {batch.base_offset} on that cannot be decoded: {error!r}",
            path=path,
            position=batch.position,
        ) from error


def _marker(record: object) -> str:
    if not isinstance(record, ControlRecord):
        return ""
    return "commit" if record.commit else "abort" if record.abort else "other"
