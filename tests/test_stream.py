from __future__ import annotations

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.events import RecordAcknowledged

pytestmark = pytest.mark.jvm


def test_a_stream_flows_until_it_is_closed(lab: Lab, topic: str) -> None:
    begin = len(lab.timeline)
    stream = lab.stream(topic, per_s=50, keys=2)
    for number in (3, 8):
        record = lab.timeline.wait_for(
            RecordAcknowledged, topic=topic, text=f"message {number}", since=begin, timeout_s=30
        )
        assert record.key == f"key-{number % 2 + 1}"
        assert record.latency_s > 0
    assert "50 a second" in repr(stream)
    stream.close()
    assert "stopped" in repr(stream)
    records = [event for event in lab.timeline.since(begin) if isinstance(event, RecordAcknowledged)]
    assert sum(record.topic == topic for record in records) == stream.sent
    assert "records" in lab.plot_latency(topic).said


def test_what_a_stream_cannot_be(lab: Lab, topic: str) -> None:
    with pytest.raises(ConfigurationError, match="no topic"):
        lab.stream("nowhere")
    with pytest.raises(ConfigurationError, match="per_s is 0"):
        lab.stream(topic, per_s=0)
    with pytest.raises(ConfigurationError, match="keys is -1"):
        lab.stream(topic, keys=-1)
