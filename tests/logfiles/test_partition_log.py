from __future__ import annotations

import re
import struct
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from kafka import TopicPartition

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError, LogFileError
from kafka_lab.logfiles import Batch, PartitionLog, read_checkpoint, read_index, read_timeindex
from kafka_lab.views.scene import to_svg

from ..waiting import until
from .segments import batch, segment


def folder_of_two(tmp_path: Path) -> Path:
    folder = tmp_path / "chat-0"
    segment(folder, 0, batch(0, [b"a", b"b"]), batch(2, [b"c"]), batch(3, [b"d"]))
    segment(folder, 6, batch(6, [b"e"]), batch(7, [b"<b>f"]))
    return folder


def test_a_folder_of_segments(tmp_path: Path) -> None:
    log = PartitionLog(folder_of_two(tmp_path))
    assert (log.topic, log.partition) == ("chat", 0)
    assert [s.base_offset for s in log.segments] == [0, 6]
    assert [r.value for r in log.records()] == [b"a", b"b", b"c", b"d", b"e", b"<b>f"]
    assert log.gaps() == [(4, 5)]
    assert log.size == sum(batch.size for batch in log.batches)
    assert "&lt;b&gt;f" in log.records_table()._repr_html_()
    assert str(log).splitlines()[1].split()[:4] == [
        "00000000000000000000.log",
        "0",
        str(log.batches[0].size),
        "0-1",
    ]
    picture = ET.fromstring(to_svg(log.scene()))
    assert "2 segments" in picture.findtext("{http://www.w3.org/2000/svg}desc", "")
    assert log.high_watermark is None
    (tmp_path / "replication-offset-checkpoint").write_text("0\n2\nchat 1 5\nchat 0 8\n")
    assert log.high_watermark == 8


def test_an_offset_is_found_by_the_index(tmp_path: Path) -> None:
    log = PartitionLog(folder_of_two(tmp_path))
    found = log.find(3)
    assert found.entry is not None
    assert found.entry.position == found.batch.position == sum(b.size for b in log.batches[:2])
    assert found.skipped == found.batch.position
    assert found.scanned == found.batch.size
    assert log.find(0).entry is None
    assert log.find(7).segment.base_offset == 6
    with pytest.raises(LogFileError, match="ends before offset 8"):
        log.find(8)
    assert log.find(5).batch.base_offset == 6  # compacted away: a broker goes on with the next


def test_offsets_that_go_backwards_are_damage(tmp_path: Path) -> None:
    folder = tmp_path / "chat-0"
    segment(folder, 0, batch(3, [b"a"]), batch(2, [b"b"]))
    with pytest.raises(LogFileError, match="a batch of offset 2 where 4 or more"):
        _ = PartitionLog(folder).batches
    (folder / "leader-epoch-checkpoint").write_text("0\n1\nfoo\n")
    with pytest.raises(LogFileError, match="a line that is none"):
        _ = PartitionLog(folder).leader_epochs


def test_the_indexes_end_where_zeros_begin(tmp_path: Path) -> None:
    folder = folder_of_two(tmp_path)
    index = read_index(folder / "00000000000000000006.index")
    assert [entry.offset for entry in index] == [7]
    assert [entry.offset for entry in read_timeindex(folder / "00000000000000000000.timeindex")] == [2, 3]
    (folder / "00000000000000000006.index").write_bytes(struct.pack(">iiii", 4, 80, 2, 90))
    with pytest.raises(LogFileError, match="is damaged"):
        read_index(folder / "00000000000000000006.index")
    (folder / "strange.index").write_bytes(b"")
    with pytest.raises(LogFileError, match="no segment's name"):
        read_index(folder / "strange.index")


@pytest.mark.parametrize("content", ["0\n", "1\n0\n", "0\n2\na 1 2\n", "0\nmany\n"])
def test_a_checkpoint_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "leader-epoch-checkpoint"
    path.write_text(content)
    with pytest.raises(LogFileError):
        read_checkpoint(path)


def test_a_new_brokers_checkpoint_is_empty(tmp_path: Path) -> None:
    folder = folder_of_two(tmp_path)
    (tmp_path / "replication-offset-checkpoint").touch()
    assert PartitionLog(folder).high_watermark is None


def test_a_damaged_segment_says_what_was_readable(tmp_path: Path) -> None:
    folder = folder_of_two(tmp_path)
    path = folder / "00000000000000000000.log"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogFileError) as raised:
        _ = PartitionLog(folder).batches
    assert [found.last_offset for found in raised.value.readable] == [1, 2]  # type: ignore[attr-defined]
    with pytest.raises(LogFileError, match="no segment"):
        PartitionLog(tmp_path / "nothing-0")


DUMPED = re.compile(
    r"baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .*producerId: (-?\d+) producerEpoch: (-?\d+) "
    r"partitionLeaderEpoch: (\d+) isTransactional: (\w+) isControl: (\w+).* position: (\d+) "
    r".*size: (\d+) magic: 2 compresscodec: (\w+) crc: \d+ isvalid: true"
)


def dumped(lab: Lab, path: Path) -> list[tuple[str, ...]]:
    """Return what Kafka's own tool says of a segment's batches."""
    command = [*lab._running.cluster.java("tool"), "kafka.tools.DumpLogSegments", "--files", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [found.groups() for line in text.splitlines() if (found := DUMPED.search(line))]


@pytest.mark.jvm
def test_kafkas_own_tool_reads_the_same(lab: Lab, topic: str) -> None:
    lab.state.partitions_of(topic)
    with lab.producer(compression_type="gzip", transactional_id="log-files") as producer:
        producer.init_transactions()
        for end in (producer.commit_transaction, producer.abort_transaction):
            producer.begin_transaction()
            for number in range(40):
                producer.send(topic, f"message {number}".encode() * 20, partition=0)
            producer.flush()  # what was not sent leaves no trace of an aborted transaction
            end()
    with lab.producer(linger_ms=0) as producer:
        for number in range(30):
            producer.send(topic, f"message {number}".encode() * 20, key=b"k", partition=0).get(10)
    until(lambda: markers(lab, topic) == ["commit", "abort"])  # the coordinator writes them a little later
    log = lab.log_files(topic, 0)
    (only,) = log.segments
    ours = [as_dumped(batch) for batch in only.batches]
    assert ours == dumped(lab, only.path)
    assert log.leader_epochs == [(0, 0)]
    until(lambda: lab.log_files(topic, 0).high_watermark == only.batches[-1].last_offset + 1, timeout_s=15)
    with pytest.raises(ConfigurationError, match="no topic"):
        lab.log_files("nothing", 0)
    said = lab.log_files("__transaction_state", log_partition(lab, "__transaction_state")).records_table(1000)
    assert any(row[2:4] == ("transaction", "log-files") and "CompleteAbort" in row[4] for row in said.rows)


def markers(lab: Lab, topic: str) -> list[str]:
    """Return how the transactions of a partition ended."""
    return [record.marker for record in lab.log_files(topic, 0).records() if record.marker]


def as_dumped(b: Batch) -> tuple[str, ...]:
    """Return a batch of ours as :data:`DUMPED` finds it."""
    numbers = (b.base_offset, b.last_offset, b.count, b.producer_id, b.producer_epoch, b.leader_epoch)
    flags = (str(b.transactional).lower(), str(b.control).lower())
    return (*map(str, numbers), *flags, str(b.position), str(b.size), b.compression)


def log_partition(lab: Lab, internal: str) -> int:
    """Return the partition of an internal topic that has records."""
    return next(n for n in lab.state.topics[internal] if lab.log_files(internal, n).size)


@pytest.mark.jvm
def test_the_offsets_topic_in_readable_words(lab: Lab, topic: str) -> None:
    with lab.producer() as producer:
        producer.send(topic, b"one", partition=1).get(10)
    group = lab.group("log-readers", [topic])
    group.wait_for(1)
    until(lambda: group.lag() == 0)
    group.close()
    consumer = lab.consumer(group_id="log-readers")
    committed = consumer.committed(TopicPartition(topic, 1))
    rows = [
        row
        for number in lab.state.topics["__consumer_offsets"]
        if lab.log_files("__consumer_offsets", number).size
        for row in lab.log_files("__consumer_offsets", number).records_table(10_000).rows
    ]
    assert [row[4].split(",")[0] for row in rows if row[3] == f"log-readers {topic}-1"][
        -1
    ] == f"offset {committed}"
    assert any("range; log-readers-1-" in row[4] for row in rows if row[2:4] == ("group", "log-readers"))
    assert any("no members" in row[4] for row in rows if row[2:4] == ("group", "log-readers"))
