from __future__ import annotations

import json

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.experiments import retention


@pytest.mark.jvm
@pytest.mark.parametrize("policy", ["time", "size", "compaction", "delete records"])
def test_old_records_go(lab: Lab, policy: str) -> None:
    report = retention(lab, policy)
    assert report.before.records == 101
    assert report.after.records < report.before.records
    match policy:
        case "time":
            assert report.after.size == 0
        case "size":
            assert report.after.size <= 2_500_000 + 1_048_576
            assert report.first_readable == report.after.first > 0
        case "compaction":
            assert report.first_readable == 0
            assert set(report.keys) == {"ben", "cleo"}
        case _:
            assert report.first_readable == 30
            assert report.after.first <= 30
    assert report._repr_html_().count("<figure>") == 2
    json.dumps(report.to_dict())
    assert "retention" in str(report)


@pytest.mark.jvm
def test_a_policy_that_is_none_and_settings_that_are_none(lab: Lab, topic: str) -> None:
    with pytest.raises(ConfigurationError, match="no policy 'soon'"):
        retention(lab, "soon")
    with pytest.raises(ConfigurationError, match=r"Kafka refuses .*retention\.ms"):
        lab.configure_topic(topic, {"retention.ms": "soon"})
    with pytest.raises(ConfigurationError, match="refused"):
        lab.delete_records(topic, 0, 99)
    lab.configure_topic(topic, {"retention.ms": "60000"})
    lab.configure_topic(topic, {"retention.ms": None})
    assert "retention.ms" not in lab.tool("topics", "--describe", "--topic", topic)
