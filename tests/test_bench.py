from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kafka_lab import events as ev
from kafka_lab.bench import Benchmark, Figure, bench, life, observation_delays_ms, work
from kafka_lab.errors import ConfigurationError
from kafka_lab.progress import silent
from kafka_lab.timeline import Timeline


def test_figures_stand_with_their_spread() -> None:
    measured = Benchmark((Figure("stop", "s", (0.5, 0.7, 0.9)),))
    assert measured.table().rows == [("stop", "0.70 s", "0.50 s", "0.90 s", "3")]
    assert json.loads(json.dumps(measured.to_dict()))["figures"][0]["median"] == 0.7


def test_an_events_delay_is_counted_from_the_brokers_own_line() -> None:
    timeline = Timeline()
    led = timeline.append(ev.LeaderChanged("chat", 0, "broker-2", None, 3))
    grown = timeline.append(ev.IsrExpanded("chat", 0, ("broker-2", "broker-1"), ("broker-1",), 3))
    timeline.append(ev.LeaderChanged("chat", 1, "broker-2", None, 0))  # nobody wrote about it

    def line(event: ev.Event, earlier_ms: int, text: str) -> str:
        at: datetime = timeline.started_at + timedelta(seconds=event.at_s, milliseconds=-earlier_ms)
        return f"[{at.astimezone():%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}] INFO {text}\n"

    log = line(
        led,
        20,
        "[Broker id=2] Leader chat-0 with topic id Some(x) starts at leader epoch 3 from offset 0 (l)",
    ) + line(grown, 30, "[Partition chat-0 broker=2] ISR updated to 2,1  and version updated to 5 (k)")
    assert observation_delays_ms(timeline, [log]) == [pytest.approx(20, abs=1.1), pytest.approx(30, abs=1.1)]


def test_two_measurements_stand_side_by_side(tmp_path: Path) -> None:
    earlier = Benchmark((Figure("stop", "s", (0.5,)), Figure("gone", "s", (1.0,))))
    file = tmp_path / "earlier.json"
    file.write_text(json.dumps(earlier.to_dict()))
    now = Benchmark((Figure("stop", "s", (1.0,)), Figure("new", "s", (1.0,))))
    assert now.compare(Benchmark.load(file)).rows == [("stop", "0.50 s", "1.00 s", "2.00")]


def test_a_file_without_figures_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected what `kafka-lab bench --json` printed"):
        Benchmark.load(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(ConfigurationError, match="has no earlier figures"):
        Benchmark.load(tmp_path / "other.json")


def test_runs_are_bounded() -> None:
    with pytest.raises(ConfigurationError, match="1 to 20"):
        next(bench(silent, runs=0))


def test_what_was_measured_before_ctrl_c_is_printed() -> None:
    command = [sys.executable, "-m", "kafka_lab", "bench", "views", "--runs", "1", "--json"]
    terminal, its_end = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its_end, text=True) as process:
        os.close(its_end)
        said = b""
        while b"Drawing groups" not in said:  # a program that ends before is an OSError
            said += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        while b"Interrupted" not in said:
            said += os.read(terminal, 4096)
    os.close(terminal)
    assert process.returncode == 130
    names = [figure["name"] for figure in json.loads(out)["figures"]]
    assert any(name.startswith("drawing topology") for name in names)
    assert not any("page's size" in name for name in names)


@pytest.mark.jvm
def test_a_labs_life_and_work_are_measured() -> None:
    figures = [*life(silent, 1, brokers=1, profile="fast"), *work(silent, 1)]
    assert len(figures) == 7
    assert all(value > 0 for figure in figures for value in figure.values)
    assert "(1) (fast)" in figures[0].name
