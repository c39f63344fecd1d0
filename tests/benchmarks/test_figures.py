"""Performance goals as ratios within one run; for development: `pytest tests/benchmarks`.

Not part of the test suite: other programs on the machine change the figures.
"""

from __future__ import annotations

import pytest

from kafka_lab import Lab
from kafka_lab.bench import life, work
from kafka_lab.experiments import failover
from kafka_lab.progress import silent

pytestmark = pytest.mark.jvm


def test_an_isolated_test_costs_a_small_part_of_a_start() -> None:
    start = life(silent, 1)[0].median
    isolated, reset, _, _ = (figure.median for figure in work(silent, 3))
    assert isolated < start / 4
    assert reset < start / 2


def test_a_failover_takes_about_a_session_timeout() -> None:
    with Lab() as lab:
        lab.create_topic("chat", partitions=3)
        killed = failover(lab, "chat", runs=5).median("acknowledged_s")
        skipped = failover(lab, "chat", how="kill, wait skipped", runs=5).median("acknowledged_s")
    assert killed
    assert skipped
    assert killed < 2.0 * 1.1
    assert skipped < killed / 5
