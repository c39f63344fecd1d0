"""The experiments on groups: who gets what, who takes over, what is handled how often."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.experiments import (
    AssignmentReport,
    SemanticsReport,
    TakeoverReport,
    assignment,
    semantics,
    takeover,
)
from kafka_lab.experiments.report import Report
from kafka_lab.ledger import delivery
from kafka_lab.views.scene import to_svg

ASSIGNED = AssignmentReport(
    "range", {"a": ("t-0", "t-1"), "b": ("t-2",)}, {"b": ("t-0", "t-1", "t-2")}, "a", (), 1
)
HANDLED = SemanticsReport("at most once", "t", "t-1", delivery([1, 2], [1, 2], [1]))
TAKEN = TakeoverReport("kill", 3.1, 1, {"b": ("t-0",)})


@pytest.mark.parametrize("report", [ASSIGNED, HANDLED, TAKEN], ids=lambda report: type(report).__name__)
def test_a_report_prints_compares_draws_and_serialises(report: Report) -> None:
    assert str(report)
    assert report.compare(report).rows  # type: ignore[attr-defined]
    ET.fromstring(to_svg(report.scene()))
    json.dumps(report.to_dict())


@pytest.mark.jvm
def test_sticky_moves_nothing_that_can_stay_and_range_does(lab: Lab) -> None:
    ranged, sticky = assignment(lab, "range"), assignment(lab, "sticky")
    assert ranged.moved
    assert not sticky.moved
    assert max(map(len, ranged.before.values())) == 4
    assert max(map(len, sticky.before.values())) == 3


@pytest.mark.jvm
@pytest.mark.parametrize(
    ("name", "lost", "doubled"),
    [("at most once", 30, 0), ("at least once", 0, 30), ("effectively once", 0, 0)],
)
def test_what_a_death_between_two_steps_costs(lab: Lab, name: str, lost: int, doubled: int) -> None:
    found = semantics(lab, name).delivery
    assert (len(found.lost) > 0, len(found.doubled) > 0) == (lost > 0, doubled > 0)
    assert len(found.lost) <= lost
    assert len(found.doubled) <= doubled


@pytest.mark.jvm
def test_who_leaves_is_followed_sooner_than_who_is_killed(lab: Lab) -> None:
    left, killed, static = takeover(lab, "leave"), takeover(lab, "kill"), takeover(lab, "static")
    assert left.without_reader_s < killed.without_reader_s
    assert static.rebalances == 0


@pytest.mark.jvm
def test_what_cannot_be_is_said(lab: Lab) -> None:
    for call, complaint in (
        (lambda: assignment(lab, "best"), "no strategy"),
        (lambda: assignment(lab, members=1), "expected a whole number from 2 to 8"),
        (lambda: semantics(lab, "twice"), "no semantics"),
        (lambda: semantics(lab, messages=1), "expected a whole number from 2"),
        (lambda: takeover(lab, "sleep"), "no end"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            call()
