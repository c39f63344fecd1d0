"""Claims about messages, partitions on disk, and offsets."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka import TopicPartition

from kafka_lab.experiments.claims.claim import Check, Claim
from kafka_lab.experiments.claims.hands import WAIT_MS, make_topic, replica_logs, send, shown, varint
from kafka_lab.experiments.durability import durability
from kafka_lab.experiments.retention import retention
from kafka_lab.experiments.subject import Subject
from kafka_lab.logfiles import HEADER_BYTES
from kafka_lab.views.scene import Scene

__all__ = ["LOG_CLAIMS"]

_FORMAT = "Kafka 0.11, message format v2 (KIP-98)"


def message_layout(lab: Subject) -> Iterator[Check | Scene]:
    """Send values of three sizes and look at their bytes in the segment."""
    topic = make_topic(lab, "K1")
    send(lab, topic, [b"a", b"b" * 100, b"c" * 20_000], partition=0)
    log = lab.log_files(topic, 0)
    around = sorted({record.size - len(record.value or b"") for record in log.records()})
    yield Check(
        "every message has a header of the same length",
        f"beside values of 1, 100 and 20000 bytes stand {around[0]} to {around[-1]} bytes of varints",
        len(around) == 1,
        until=_FORMAT,
    )
    beside = {batch.base_offset: batch.size for batch in log.batches}
    for record in log.records():
        first = max(offset for offset in beside if offset <= record.offset)
        beside[first] -= record.size + len(varint(record.size))
    rest = ", ".join(map(str, sorted(set(beside.values()))))
    yield Check(
        f"what is of the same length, {HEADER_BYTES} bytes, is the header of a batch",
        f"{len(beside)} batches for 3 messages; without their records they are {rest} bytes",
        set(beside.values()) == {HEADER_BYTES},
    )
    yield log.scene()


def folder_of_a_partition(lab: Subject) -> Iterator[Check | Scene]:
    """List the brokers' folders, and read a topic twice."""
    topic = make_topic(lab, "K3", partitions=3)
    send(lab, topic, (f"message {n}" for n in range(30)))
    folders = {path.name for name in lab.brokers for path in lab.data_folder(name).glob(f"{topic}-*")}
    wanted = {f"{topic}-{number}" for number in range(3)}
    yield Check("the folders are <topic>-0 to <topic>-2", ", ".join(sorted(folders)), folders == wanted)
    first, second = lab.read(topic), lab.read(topic)
    for number in range(3):
        once, twice = ([(r.offset, r.value) for r in rs if r.partition == number] for rs in (first, second))
        yield Check(
            f"partition {number} reads the same twice, in the order of its offsets",
            f"{len(once)} records, offsets {[offset for offset, _ in once][:4]} ...",
            once == twice == sorted(once),
        )


def sequential_writes(lab: Subject) -> Iterator[Check | Scene]:
    """Compare positions with offsets; and writing one block after the other with writing here and there."""
    topic = make_topic(lab, "K6")
    send(lab, topic, (b"x" * 1000 for _ in range(200)), batch_size=0)
    found = [(batch.base_offset, batch.position) for batch in lab.log_files(topic, 0).batches]
    yield Check(
        "offsets and positions in the file grow together",
        f"{len(found)} batches, the last at offset {found[-1][0]}, position {found[-1][1]}",
        sorted(found) == found and sorted(p for _, p in found) == [p for _, p in found],
        under="positions in the file",
    )
    blocks = 2000
    with TemporaryDirectory(dir=lab.data_folder(lab.brokers[0]).parent) as folder:
        path = Path(folder) / "blocks"
        places = list(range(blocks)), random.Random(6).sample(range(50 * blocks), blocks)  # noqa: S311
        ordered, mixed = (min(_write(path, order) for _ in range(3)) for order in places)
    yield Check(
        "writing one after the other is faster than here and there",
        f"{blocks} blocks of 4 KiB: {ordered:.3f} s in a row, {mixed:.3f} s scattered",
        ordered < mixed,
        under="speed, on this disk",
    )


def _write(path: Path, places: list[int]) -> float:
    """Write blocks to their places, make them durable, and return the seconds it took."""
    begin = time.monotonic()
    with path.open("wb") as file:
        for place in places:
            os.pwrite(file.fileno(), b"x" * 4096, 4096 * place)
        os.fsync(file.fileno())
    return time.monotonic() - begin


def what_deletes(lab: Subject) -> Iterator[Check | Scene]:
    """Read twice; then let records go by age, by size, and by key."""
    topic = make_topic(lab, "K7")
    send(lab, topic, (f"message {n}" for n in range(20)))
    counts = [len(lab.read(topic)) for _ in range(2)]
    yield Check("reading takes nothing away", f"{counts[0]} records, then {counts[1]}", counts == [20, 20])
    by_age, by_size = retention(lab, "time"), retention(lab, "size")
    yield Check(
        "what is too old goes",
        f"{by_age.after.records} of {by_age.before.records} left; it begins at {by_age.first_readable}",
        by_age.first_readable > by_age.before.last,
    )
    yield Check(
        "what is too much goes",
        f"{by_size.before.size} bytes, then {by_size.after.size}; it begins at {by_size.first_readable}",
        by_size.first_readable > 0,
    )
    by_key = retention(lab, "compaction")
    yield Check(
        "and, which the sentence leaves out, what a later message of its key replaces",
        f"{by_key.before.records} records, then {by_key.after.records}, of the keys {', '.join(by_key.keys)}",
        by_key.after.records < by_key.before.records,
    )
    yield by_key.before.picture
    yield by_key.after.picture


def replica_is_a_log(lab: Subject) -> Iterator[Check | Scene]:
    """Look for each replica's folder."""
    topic = make_topic(lab, "K9", partitions=2)
    send(lab, topic, (f"message {n}" for n in range(10)))
    for number in range(2):
        logs = replica_logs(lab, topic, number)
        folders = [name for name in lab.brokers if (lab.data_folder(name) / f"{topic}-{number}").is_dir()]
        counts = {name: sum(1 for _ in log.records()) for name, log in logs.items()}
        yield Check(
            f"each replica of partition {number} is one folder on its broker, with all its messages",
            ", ".join(f"{name}: {count} messages" for name, count in counts.items()),
            sorted(folders) == sorted(logs) and len(set(counts.values())) == 1,
        )


def offset_is_logical(lab: Subject) -> Iterator[Check | Scene]:
    """Compare offsets with byte positions, and look for offsets that a transaction took."""
    topic = make_topic(lab, "K15", config={"index.interval.bytes": "1000"})
    producer = lab.producer(transactional_id=topic, batch_size=0)
    producer.init_transactions()
    for _ in range(2):
        producer.begin_transaction()
        for number in range(5):
            producer.send(topic, f"message {number}".encode() * 40)
        producer.commit_transaction()
    producer.close()
    log, offsets = lab.log_files(topic, 0), [record.offset for record in lab.read(topic)]
    yield Check("offsets grow", f"{offsets}", offsets == sorted(offsets))
    found = log.find(offsets[-1])
    yield Check(
        "an offset is no position of a byte: an index leads from one to the other",
        f"offset {offsets[-1]} is at byte {found.batch.position}; the index entry before it: {found.entry}",
        found.entry is not None and found.batch.position != offsets[-1],
    )
    missing = sorted(set(range(offsets[-1] + 1)) - set(offsets))
    yield Check(
        "nor a count of messages: some offsets have none",
        f"no message at {missing}: the markers that end transactions are there",
        bool(missing),
    )
    yield log.scene()


def no_index(lab: Subject) -> Iterator[Check | Scene]:
    """Look for index files, and count what they save."""
    topic = make_topic(lab, "K16", config={"index.interval.bytes": "1000"})
    sent = send(lab, topic, (b"x" * 500 for _ in range(200)), batch_size=0)
    log = lab.log_files(topic, 0)
    files = sorted(path.name for path in log.folder.glob("*index"))
    yield Check("there is no index", f"{', '.join(files)}: {len(log.segments[0].index)} entries", not files)
    middle = sent[100]
    consumer = lab.consumer(consumer_timeout_ms=WAIT_MS)
    where = TopicPartition(topic, 0)
    consumer.assign([where])
    by_time = consumer.offsets_for_times({where: middle.timestamp})[where].offset
    consumer.seek(where, middle.offset)
    first = next(iter(consumer)).offset
    consumer.close()
    found = log.find(middle.offset)
    yield Check(
        "nobody reads from the middle",
        f"seek({middle.offset}) gave {first}, offsets_for_times gave {by_time}; with the index "
        f"{found.scanned} bytes were looked at, and {found.skipped} skipped",
        first != middle.offset,
    )
    yield log.scene()


def same_offset_everywhere(lab: Subject) -> Iterator[Check | Scene]:
    """Compare the replicas' files at rest, and after a leader died that was ahead of the others."""
    topic = make_topic(lab, "K18")
    send(lab, topic, (f"message {n}" for n in range(20)), acks="all")
    contents = {
        name: [(r.offset, shown(r)) for r in log.records()] for name, log in replica_logs(lab, topic).items()
    }
    same = len(set(map(str, contents.values()))) == 1
    yield Check(
        "an offset is the same message in every replica",
        f"{len(contents)} replicas, 20 records each: {'equal' if same else 'different'}",
        same,
        under="up to the high watermark",
    )
    for _ in range(3):  # on a busy machine the followers can be missed before the messages are sent
        report = durability(lab, "frozen followers", acks="1", min_insync_replicas=1, messages=10)
        lost = len(report.delivery.lost)
        if lost:
            break
    yield Check(
        "an offset is the same message in every replica",
        f"a leader died with {lost} messages that no follower had: other messages get their offsets",
        not lost,
        under="above the high watermark",
    )


LOG_CLAIMS = (
    Claim(
        "K1",
        "A message is a header of fixed length and a body of variable length.",
        "outdated",
        "the message format",
        message_layout,
    ),
    Claim(
        "K3",
        "A partition is an ordered sequence that never changes, and a folder <topic>-<n>, n from 0.",
        "true",
        "",
        folder_of_a_partition,
    ),
    Claim(
        "K6",
        "A partition is written sequentially, which makes it fast.",
        "true",
        "the disk",
        sequential_writes,
    ),
    Claim(
        "K7",
        "Consuming does not delete; old data goes by age or by size.",
        "true",
        "cleanup.policy",
        what_deletes,
    ),
    Claim("K9", "A replica is one log.", "true", "", replica_is_a_log),
    Claim(
        "K15", "An offset is logical and grows; it is no position in bytes.", "true", "", offset_is_logical
    ),
    Claim("K16", "Kafka has no index of offsets, since nobody reads at random.", "false", "", no_index),
    Claim(
        "K18",
        "A message has the same offset in every replica.",
        "depends",
        "the high watermark",
        same_offset_everywhere,
    ),
)
