from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.experiments import OrderingReport, ordering
from kafka_lab.views.scene import to_svg


def report(inversions: int) -> OrderingReport:
    return OrderingReport(
        keyed=inversions == 0,
        idempotence=True,
        disturbance="none",
        topic="t",
        read=8,
        inversions_per_key={"anna": inversions, "ben": 0},
        inversions_per_sender={"one": inversions},
        partitions_per_key={"anna": 1, "ben": 1},
    )


def test_a_report_prints_compares_draws_and_serialises() -> None:
    lines = [line.split() for line in str(report(2)).splitlines()]
    assert ["key", "anna", "2", "1"] in lines
    rows = {row[0]: row[1:] for row in report(2).compare(report(0)).rows}
    assert rows["among a key's messages"] == ("2", "0")
    ET.fromstring(to_svg(report(2).scene()))
    assert json.loads(json.dumps(report(2).to_dict()))["inversions_per_key"] == {"anna": 2, "ben": 0}


@pytest.mark.jvm
def test_keys_keep_the_order_of_what_belongs_together(lab: Lab) -> None:
    without, keyed = ordering(lab, keys=False), ordering(lab)
    assert sum(without.inversions_per_key.values()) > 0
    assert set(without.partitions_per_key.values()) != {1}
    assert set(keyed.inversions_per_key.values()) == {0}
    assert set(keyed.partitions_per_key.values()) == {1}
    assert keyed.read == 120


@pytest.mark.jvm
def test_retries_change_the_order_unless_the_producer_is_idempotent(lab: Lab) -> None:
    shuffled = ordering(lab, idempotence=False, disturbance="lost responses")
    assert sum(shuffled.inversions_per_key.values()) > 0
    assert shuffled.read > 120
    kept = ordering(lab, disturbance="lost responses")
    assert set(kept.inversions_per_key.values()) == {0}
    assert kept.read == 120


@pytest.mark.jvm
def test_more_partitions_move_keys(lab: Lab) -> None:
    moved = ordering(lab, disturbance="more partitions")
    assert max(moved.partitions_per_key.values()) == 2
    assert len(lab.state.topics[moved.topic]) == 7


@pytest.mark.jvm
def test_what_cannot_be_tried(lab: Lab) -> None:
    with pytest.raises(ConfigurationError, match="lost responses, more partitions"):
        ordering(lab, disturbance="a flood")
    with pytest.raises(ConfigurationError, match="2 to 1000"):
        ordering(lab, messages=1)
