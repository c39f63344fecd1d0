from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.errors import LogFileError
from kafka_lab.logfiles import Batch, read_batches, records_of

from .segments import batch, segment


def test_batches_and_records_of_a_segment(tmp_path: Path) -> None:
    path = segment(
        tmp_path, 7, batch(7, [b"a", b"bb"]), batch(9, [None, bytes(99)], producer=4, compression=1)
    )
    first, second = read_batches(path)
    assert (first.base_offset, first.last_offset, first.position, first.count) == (7, 8, 0, 2)
    assert (second.position, second.compression, second.producer_id) == (first.size, "gzip", 4)
    assert second.end == path.stat().st_size
    records = records_of(path, first)
    assert [(r.offset, r.key, r.value) for r in records] == [(7, b"key-0", b"a"), (8, b"key-1", b"bb")]
    assert records[0].headers == (("h", b"1"),)
    assert records[1].timestamp_ms == 1008
    assert records_of(path, second)[0].value is None
    assert list(read_batches(path, first.size)) == [second]


@pytest.mark.parametrize("left", [1, 30, 60, 61, 70])
def test_what_is_cut_off_is_read_up_to_the_cut(tmp_path: Path, left: int) -> None:
    whole, cut = batch(0, [b"a" * 50]), batch(1, [b"b" * 50])[:left]
    path = segment(tmp_path, 0, whole)
    path.write_bytes(whole + cut)
    reading = read_batches(path)
    assert next(reading).last_offset == 0
    with pytest.raises(LogFileError, match="being written, or") as raised:
        next(reading)
    assert raised.value.position == len(whole)


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    data = bytearray(batch(0, [b"a"]) + batch(1, [b"b"]))
    data[-3] ^= 4
    path = segment(tmp_path, 0)
    path.write_bytes(data)
    reading = read_batches(path)
    next(reading)
    with pytest.raises(LogFileError, match="checksum of the batch from offset 1 on"):
        next(reading)


def test_other_formats_and_files_that_are_none(tmp_path: Path) -> None:
    path = segment(tmp_path, 0)
    old = bytearray(batch(0, [b"a"]))
    old[16] = 1
    path.write_bytes(old)
    with pytest.raises(LogFileError, match=r"before Kafka 0\.11 \(magic 1\)"):
        list(read_batches(path))
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(LogFileError, match="no batch here"):
        list(read_batches(path))
    with pytest.raises(LogFileError, match="No such file"):
        list(read_batches(tmp_path / "00000000000000000009.log"))


def test_a_codec_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = segment(tmp_path, 0, batch(0, [bytes(99)], compression=1))
    (only,) = read_batches(path)
    monkeypatch.setattr("kafka.codec.gzip", None)
    monkeypatch.setattr("kafka.codec.has_gzip", lambda: False)
    with pytest.raises(LogFileError, match=r"compressed with gzip here.*position 0"):
        records_of(path, only)


@given(st.lists(st.lists(st.one_of(st.none(), st.binary(max_size=40)), min_size=1, max_size=4), max_size=5))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: list[list[bytes]]
) -> None:
    offset, batches = 0, []
    for some in values:
        batches.append(batch(offset, some, compression=len(batches) % 2))
        offset += len(some)
    path = segment(tmp_path_factory.mktemp("log"), 0, *batches)
    records = [record for found in read_batches(path) for record in records_of(path, found)]
    assert [record.value for record in records] == [value for some in values for value in some]
    assert [record.offset for record in records] == list(range(offset))


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_damage_is_a_clear_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, where: int, byte: int
) -> None:
    path = segment(tmp_path_factory.mktemp("log"), 0)
    data = bytearray(batch(0, [b"a" * 30, None]) + batch(2, [b"b"], compression=1) + tail)
    data[where % len(data)] = byte
    path.write_bytes(data)
    read: list[Batch] = []
    damage: LogFileError | None = None
    try:
        for found in read_batches(path):
            records_of(path, found)
            read.append(found)
    except LogFileError as error:
        damage = error
    end = read[-1].end if read else 0
    assert end == len(data) if damage is None else (damage.path, damage.position) == (path, end)
