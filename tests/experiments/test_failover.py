from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.experiments import FailoverReport, failover
from kafka_lab.experiments.failover import FailoverRun
from kafka_lab.views.scene import to_svg


def run(seconds: float, controller_elected_s: float | None = None) -> FailoverRun:
    return FailoverRun(
        leader="broker-1",
        successor="broker-2",
        was_controller=False,
        acknowledged_s=seconds + 0.2,
        read_s=seconds + 0.3,
        stall_of_others_s=seconds,
        healed_s=1.0,
        process_gone_s=0.02,
        session_expired_s=seconds,
        controller_elected_s=controller_elected_s,
        leader_elected_s=seconds + 0.1,
    )


REPORT = FailoverReport("kill", "chat", 0, (run(1.5), run(1.7), run(1.6)))


def test_a_report_prints_medians_and_spread_of_what_happened() -> None:
    text = str(REPORT)
    assert "its session has expired                      1.60 s  1.50 s  1.70 s  3" in text
    assert "another controller" not in text


def test_two_reports_stand_side_by_side() -> None:
    slow = FailoverReport("kill", "chat", 0, (run(16.0, controller_elected_s=16.1),))
    rows = {row[0]: row[1:] for row in REPORT.compare(slow, ("2 s", "18 s")).rows}
    assert rows["the partition has a new leader"] == ("1.70 s", "16.10 s")
    assert rows["another controller is elected"] == ("-", "16.10 s")


def test_a_report_draws_and_serialises() -> None:
    ET.fromstring(to_svg(REPORT.scene()))
    assert "alt=" in REPORT._repr_html_()
    assert json.loads(json.dumps(REPORT.to_dict()))["runs"][0]["session_expired_s"] == 1.5


@pytest.mark.jvm
@pytest.mark.parametrize(
    "how", ["kill", "kill, wait skipped", "stop", pytest.param("pause", marks=pytest.mark.soak), "cut"]
)
def test_the_steps_come_in_their_order(lab: Lab, topic: str, how: str) -> None:
    report = failover(lab, topic, how=how, runs=1)
    (only,) = report.runs
    assert 0 < only.leader_elected_s < only.acknowledged_s
    assert only.read_s > 0
    assert only.successor != only.leader
    if how in {"kill", "kill, wait skipped"}:
        assert only.process_gone_s is not None
        assert only.session_expired_s is not None
        assert only.process_gone_s < only.session_expired_s < only.leader_elected_s
    if how in {"pause", "cut"}:
        assert only.process_gone_s is None
    assert all(set(p.isr) == set(p.replicas) for p in lab.state.topics[topic].values())


@pytest.mark.jvm
def test_what_cannot_be_run(lab: Lab, topic: str) -> None:
    with pytest.raises(ConfigurationError, match="kill, wait skipped"):
        failover(lab, topic, how="burn")
    with pytest.raises(ConfigurationError, match="1 to 20"):
        failover(lab, topic, runs=0)
    with pytest.raises(ConfigurationError, match=topic):
        failover(lab, "no-such-topic")
