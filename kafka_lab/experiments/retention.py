"""What becomes of old records: by age, by size, by key, or because somebody says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kafka import TopicPartition

from kafka_lab.errors import ConfigurationError, LogFileError, unknown
from kafka_lab.experiments.report import Report
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.logfiles import PartitionLog, records_of
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene, to_html
from kafka_lab.waiting import wait_until

__all__ = ["POLICIES", "OnDisk", "RetentionReport", "retention"]

#: Topic settings that let each policy be seen within seconds.
POLICIES: dict[str, dict[str, str]] = {
    "time": {"retention.ms": "1500"},
    "size": {"retention.bytes": "2500000"},
    "compaction": {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "100",
    },
    "delete records": {},
}
# Segments as small as Kafka takes them from 4.0 on (KIP-1030), for some twenty messages each.
_SEGMENT = {"segment.bytes": "1048576", "index.interval.bytes": "100000", "file.delete.delay.ms": "100"}
_MESSAGES, _FURTHER = 60, 40
_KEYS = ("anna", "ben", "cleo")
_DELETED_BEFORE = 30
_PAYLOAD = 50_000  # bytes
_WAIT_S = 45.0


@dataclass(frozen=True)
class OnDisk:
    """What was in the files at a moment.

    Attributes
    ----------
    segments, size, records : int
        Files, their bytes, and the records in them.
    first, last : int
        The offsets of the first and last record; -1 without any.
    picture : Scene
        Bytes to offsets.
    """

    segments: int
    size: int
    records: int
    first: int
    last: int
    picture: Scene


@dataclass(frozen=True)
class RetentionReport(Report):
    """What was there before the policy did its work, and after.

    Attributes
    ----------
    policy, topic
        What was tried, and where to look again.
    before, after : OnDisk
        The files.
    first_readable : int
        The earliest offset that a consumer can read afterwards: the log start offset.
    gaps : tuple
        Ranges of offsets between records, first and last, that have no record any more.
    keys : dict
        The last value of each key that a consumer reads afterwards, as text; tombstones are gone.
    took_s : float
        Seconds until it was done.
    """

    policy: str
    topic: str
    before: OnDisk
    after: OnDisk
    first_readable: int
    gaps: tuple[tuple[int, int], ...]
    keys: dict[str, str]
    took_s: float

    def table(self) -> Table:
        """Return the figures."""
        rows = [
            (what, str(getattr(self.before, name)), str(getattr(self.after, name)))
            for what, name in (
                ("segments", "segments"),
                ("bytes", "size"),
                ("records", "records"),
                ("first record's offset", "first"),
                ("last record's offset", "last"),
            )
        ]
        rows.append(("earliest readable offset", "0", str(self.first_readable)))
        rows.append(("ranges of offsets without records", "0", str(len(self.gaps))))
        return Table((f"retention, {self.policy}", "before", f"{self.took_s:.1f} s later"), rows)

    def scene(self) -> Scene:
        """Return bytes and records before and after, as bars."""
        bars = [
            Bar("records before", self.before.records, str(self.before.records)),
            Bar("records after", self.after.records, str(self.after.records)),
        ]
        return bars_scene("Retention", self.policy, bars, self.table())

    def _repr_html_(self) -> str:
        return "".join([to_html(self.before.picture), to_html(self.after.picture), self.table().to_html()])


@visible("Old records go")
def retention(lab: Subject, policy: str = "time") -> RetentionReport:
    """Fill a partition's segments, let a policy do its work, and compare the files before and after.

    Parameters
    ----------
    lab : Lab
        A running lab of one's own: the files are looked at.
    policy : str, default "time"
        ``"time"`` (``retention.ms``), ``"size"`` (``retention.bytes``), ``"compaction"``
        (``cleanup.policy=compact``: the last value of each key stays, a tombstone's key goes), or
        ``"delete records"`` (the admin client's ``delete_records``).

    Raises
    ------
    ConfigurationError
        There is no such policy, or the files are on another machine.
    WaitTimeoutError
        It was not done within 45 s.
    """
    if policy not in POLICIES:
        raise ConfigurationError(unknown("policy", policy, POLICIES))
    topic = new_topic_name(lab, "retention")
    # The policy begins once the files were looked at: what it needs is set then.
    lab.create_topic(topic, config=_SEGMENT)
    _fill(lab, topic)
    before = _on_disk(lab.log_files(topic, 0))
    begin_s = time.monotonic()
    if policy == "delete records":
        lab.delete_records(topic, 0, _DELETED_BEFORE)
    else:
        lab.configure_topic(topic, POLICIES[policy])
    log = _wait_until(lab, topic, _DONE[policy])
    if policy == "compaction":  # the first time, a tombstone stays, for readers that are behind (KIP-534)
        _fill_further(lab, topic)
        log = _wait_until(lab, topic, _without_tombstone)
    took_s = time.monotonic() - begin_s
    records = lab.read(topic)
    consumer = lab.consumer()
    first = consumer.beginning_offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)]
    consumer.close()
    keys = {record.key.decode(): record.value.decode()[:12] for record in records if record.value}
    return RetentionReport(policy, topic, before, _on_disk(log), int(first), tuple(log.gaps()), keys, took_s)


def _fill(lab: Subject, topic: str) -> None:
    """Send messages with three keys in turn, and a tombstone for the first key in the end."""
    producer = lab.producer(linger_ms=0)
    for number in range(_MESSAGES):
        value = f"message {number}".ljust(_PAYLOAD).encode()
        producer.send(topic, value, key=_KEYS[number % len(_KEYS)].encode()).get(_WAIT_S)
    producer.send(topic, None, key=_KEYS[0].encode()).get(_WAIT_S)
    producer.close()
    _fill_further(lab, topic)


def _fill_further(lab: Subject, topic: str) -> None:
    """Send messages with the other two keys: what is in the active segment is never compacted."""
    producer = lab.producer(linger_ms=0)
    for number in range(_MESSAGES, _MESSAGES + _FURTHER):
        value = f"message {number}".ljust(_PAYLOAD).encode()
        producer.send(topic, value, key=_KEYS[1 + number % 2].encode()).get(_WAIT_S)
    producer.close()


def _expired(log: PartitionLog) -> bool:
    return not any(segment.size for segment in log.segments)


def _small(log: PartitionLog) -> bool:
    return log.size <= int(POLICIES["size"]["retention.bytes"]) + int(_SEGMENT["segment.bytes"])


def _compacted(log: PartitionLog) -> bool:
    """Whether each key is once in what can be compacted."""
    keys = _keys_of_closed_segments(log)
    return len(keys) == len(set(keys))


def _without_tombstone(log: PartitionLog) -> bool:
    return _compacted(log) and _KEYS[0].encode() not in _keys_of_closed_segments(log)


def _keys_of_closed_segments(log: PartitionLog) -> list[bytes | None]:
    return [r.key for s in log.segments[:-1] for batch in s.batches for r in records_of(s.path, batch)]


def _cut_off(log: PartitionLog) -> bool:
    """Whether the segments that end before the new beginning are gone."""
    return len(log.segments) == 1 or log.segments[1].base_offset > _DELETED_BEFORE


_DONE: dict[str, Callable[[PartitionLog], bool]] = {
    "time": _expired,
    "size": _small,
    "compaction": _compacted,
    "delete records": _cut_off,
}


def _wait_until(lab: Subject, topic: str, done: Callable[[PartitionLog], bool]) -> PartitionLog:
    """Return the log once it is as it should be."""
    seen = "nothing"

    def look() -> PartitionLog | None:
        nonlocal seen
        try:
            log = lab.log_files(topic, 0)
            seen = f"{len(log.segments)} segments of {log.size} bytes"
            return log if done(log) else None
        except LogFileError as error:  # the broker is just taking files away
            seen = str(error)
            return None

    return wait_until(look, timeout_s=_WAIT_S, expected=f"the retention of {topic}", last_seen=lambda: seen)


def _on_disk(log: PartitionLog) -> OnDisk:
    offsets = [record.offset for record in log.records()]
    first, last = (offsets[0], offsets[-1]) if offsets else (-1, -1)
    return OnDisk(len(log.segments), log.size, len(offsets), first, last, log.scene())
