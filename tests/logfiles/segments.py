"""Segments as a broker writes them, made without one."""

from __future__ import annotations

import struct
from pathlib import Path

from kafka.record.default_records import DefaultRecordBatchBuilder

__all__ = ["batch", "segment"]


def batch(base_offset: int, values: list[bytes | None], *, compression: int = 0, producer: int = -1) -> bytes:
    """Return a batch; a value of None is a tombstone."""
    builder = DefaultRecordBatchBuilder(
        2, compression, False, producer, 0 if producer >= 0 else -1, 0, 1 << 20
    )
    for number, value in enumerate(values):
        key = f"key-{number}".encode()
        builder.append(
            number, timestamp=1000 + base_offset + number, key=key, value=value, headers=[("h", b"1")]
        )
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base_offset)  # as the leader does: it is not part of the checksum
    return bytes(data)


def segment(folder: Path, base_offset: int, *batches: bytes, every: int = 1) -> Path:
    """Write a segment with an index entry for each batch but every ``every``-th; return its ``.log``."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{base_offset:020}.log"
    path.write_bytes(b"".join(batches))
    index, times, position = bytearray(), bytearray(), 0
    for number, data in enumerate(batches):
        first, last = struct.unpack_from(">q", data)[0], struct.unpack_from(">i", data, 23)[0]
        if position and number % every == 0:
            index += struct.pack(">ii", first + last - base_offset, position)
            times += struct.pack(">qi", struct.unpack_from(">q", data, 35)[0], first + last - base_offset)
        position += len(data)
    path.with_suffix(".index").write_bytes(index + bytes(80))
    path.with_suffix(".timeindex").write_bytes(times + bytes(120))
    return path
