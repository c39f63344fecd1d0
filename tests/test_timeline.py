from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kafka_lab.errors import ConfigurationError, TimelineError, WaitTimeoutError
from kafka_lab.events import BrokerLost, BrokerRegistered, LeaderChanged
from kafka_lab.timeline import Timeline


def test_events_are_numbered_and_stamped_in_order() -> None:
    timeline = Timeline()
    first, second = timeline.append(BrokerRegistered("broker-1")), timeline.append(BrokerLost("broker-1"))
    assert (first.seq, second.seq) == (0, 1)
    assert 0 <= first.at_s <= second.at_s <= timeline.now_s()
    assert timeline.since(1) == [second]


def test_threads_may_append_at_once() -> None:
    timeline = Timeline()
    threads = [
        threading.Thread(target=lambda: [timeline.append(BrokerLost("b")) for _ in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.seq for event in timeline] == list(range(1600))
    assert all(a.at_s <= b.at_s for a, b in zip(timeline, list(timeline)[1:], strict=False))


def test_waiting_ends_with_the_event() -> None:
    timeline = Timeline()
    timer = threading.Timer(0.05, lambda: timeline.append(BrokerLost("broker-2")))
    timer.start()
    assert timeline.wait_for(BrokerLost, node="broker-2", timeout_s=10).node == "broker-2"
    timer.join()


def test_waiting_in_vain_says_what_was_seen() -> None:
    timeline = Timeline()
    timeline.append(BrokerLost("broker-1"))
    with pytest.raises(WaitTimeoutError, match="BrokerLost broker-1") as caught:
        timeline.wait_for(LeaderChanged, topic="chat", since=0, timeout_s=0.01)
    assert caught.value.expected == "LeaderChanged(topic='chat')"
    assert "BrokerLost broker-1" in caught.value.last_seen


def test_by_default_only_what_comes_counts() -> None:
    timeline = Timeline()
    timeline.append(BrokerLost("broker-1"))
    with pytest.raises(WaitTimeoutError):
        timeline.wait_for(BrokerLost, timeout_s=0.01)
    assert timeline.wait_for(BrokerLost, timeout_s=0.01, since=0).seq == 0


def test_a_misspelt_field_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="it has"):
        Timeline().wait_for(BrokerLost, broker="broker-1", timeout_s=60)


def test_after_the_end_nothing_is_added() -> None:
    timeline = Timeline()
    calls: list[int] = []
    timeline.follow(lambda: calls.append(len(timeline)))
    timeline.append(BrokerLost("broker-1"))
    timeline.end()
    assert timeline.append(BrokerLost("broker-2")).seq == -1
    assert calls == [1, 1]
    assert len(timeline) == 1


def test_a_recording_holds_what_was_and_what_comes(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.append(BrokerRegistered("broker-1"))
    stop = timeline.record(tmp_path / "lesson.jsonl")
    timeline.append(BrokerLost("broker-1"))
    stop()
    timeline.append(BrokerLost("broker-2"))
    loaded = Timeline.load(tmp_path / "lesson.jsonl")
    assert list(loaded) == list(timeline)[:2]
    assert loaded.started_at == timeline.started_at
    assert loaded.ended
    assert list(Timeline.load(timeline.save(tmp_path / "whole.jsonl"))) == list(timeline)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always-full device")
def test_a_full_disk_ends_the_recording_and_not_the_cluster() -> None:
    timeline = Timeline()
    stop = timeline.record("/dev/full")
    timeline.append(BrokerLost("broker-1"))
    assert len(timeline) == 1
    with pytest.raises(OSError, match="No space left"):
        stop()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: expected a JSON object"),
        ('{"event": "Moonrise"}', "line 2: unknown event 'Moonrise'"),
        ('{"event": "BrokerLost", "node": 7}', "line 2: BrokerLost.node is 7"),
        ('{"event": "BrokerLost"}', "line 2: .*node"),
        ('{"event": ["BrokerLost"]}', "line 2: unknown event"),
        ('{"event": "BrokerLost", "node": "b", "seq": 7}', "line 2: event number 7; expected 0"),
        ("\udcff", "line 2: not JSON"),
    ],
)
def test_a_damaged_recording_names_the_line(tmp_path: Path, line: str, complaint: str) -> None:
    path = Timeline().save(tmp_path / "lesson.jsonl")
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(line + "\n")
    with pytest.raises(TimelineError, match=complaint):
        Timeline.load(path)


def test_waiting_ends_with_the_timeline() -> None:
    timeline = Timeline()
    timer = threading.Timer(0.05, timeline.end)
    timer.start()
    with pytest.raises(WaitTimeoutError):
        timeline.wait_for(BrokerLost, timeout_s=600)
    timer.join()


def test_one_recording_at_a_time(tmp_path: Path) -> None:
    timeline = Timeline()
    stop = timeline.record(tmp_path / "first.jsonl")
    with pytest.raises(ConfigurationError, match=r"first\.jsonl"):
        timeline.record(tmp_path / "second.jsonl")
    stop()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        timeline.record(tmp_path / "no such folder" / "x")


@pytest.mark.parametrize("started", ["", ', "started_at": "yesterday"'])
def test_a_recording_without_its_time(tmp_path: Path, started: str) -> None:
    path = tmp_path / "lesson.jsonl"
    path.write_text('{"format": "kafka_lab.timeline/1"' + started + "}\n")
    with pytest.raises(TimelineError, match="line 1"):
        Timeline.load(path)


def test_something_else_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"some": "json"}\n')
    with pytest.raises(TimelineError, match="line 1: not a recording"):
        Timeline.load(path)
