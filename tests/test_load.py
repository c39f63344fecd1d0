from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError, KafkaLabError
from kafka_lab.ledger import account
from kafka_lab.load import Latency, LoadReport, _longest_pause, _outcome, _storm, load, sparkline
from kafka_lab.openim.storm import Orders
from kafka_lab.progress import silent

from .waiting import until


def test_quantiles_of_nothing_and_of_something() -> None:
    assert Latency.of([]).most == 0
    of_hundred = Latency.of(number / 1000 for number in range(100))
    assert (of_hundred.p50, of_hundred.p99, of_hundred.most) == (0.05, 0.099, 0.099)
    assert of_hundred.row("it") == ("it", "100", "50 ms", "95 ms", "99 ms", "99 ms")


def test_a_report_prints_plots_and_serialises() -> None:
    figures = Latency.of([0.1])
    report = LoadReport(
        asked_per_s=10, seconds=2, lasted_s=2, answers={"accepted": 20}, per_second=[8, 12], answered=figures,
        stored=figures, pushed=figures, online=1, lost=0, pause_s=0.2, killed="broker-1", cpu={"load": 1.0},
        memory={"load": 1 << 20}, account=account([]), interrupted=True,
    )  # fmt: skip
    assert report.accepted_per_s == 10
    assert report.ok
    said = str(report.summary())
    assert sparkline([8, 12]) in said
    assert "partial" in said
    assert "100 ms" in str(report.table())
    assert "1 MiB" in str(report.processes())
    assert "12 accepted" in report.plot().said
    assert json.loads(json.dumps(report.to_dict()))["accepted_per_s"] == 10


def test_a_partition_that_never_comes_back_pauses_until_the_end() -> None:
    accepted = [(1.0, 0), (2.0, 0), (9.0, 0), (1.5, 1), (3.0, 1)]
    assert _longest_pause(accepted, 0.5, 10.0) == 7.0
    assert _longest_pause(accepted, 0.5, 15.0) == 12.0
    assert _longest_pause(accepted[:3], -8.0, 10.0) == 9.0
    assert _longest_pause([], 0.0, 10.0) == 0.0


def test_a_process_that_fails_at_its_start_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", "false")
    online = [("ada", "a token" * 100)] * 1000  # more than a pipe takes
    orders = Orders(
        "", token="", users=1, rate=1, seconds=1, warm_up_s=0, online=online, grace_s=0, seed=1
    )  # fmt: skip
    with (
        _storm(orders, tmp_path) as process,
        pytest.raises(KafkaLabError, match="ended with 1: it said nothing"),
    ):
        _outcome(process, tmp_path, may_be_missing=False)


@pytest.mark.parametrize(
    ("orders", "complaint"),
    [
        ({"rate": 0}, "rate is 0; expected 1 to 5000"),
        ({"users": 10, "online": 11}, "online is 11; expected 0 to 10"),
        ({"seconds": 601}, "seconds is 601"),
        ({"warm_up": -1}, "warm_up is -1; expected 0 to 600"),
        ({"kill": "everybody"}, "expected 'leader'"),
        ({"seconds": 5, "at": 6}, "at is 6; expected 0 to 5"),
    ],
)
def test_orders_out_of_range(orders: dict[str, int], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load(Lab(), silent, **orders)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with Lab(brokers=3) as lab:
        yield lab


@pytest.mark.jvm
def test_what_is_sent_while_the_leader_dies_adds_up(own_lab: Lab) -> None:
    own_lab.openim().send("storm-0", "the connections are there")
    report = load(own_lab, silent, users=50, online=25, rate=25, seconds=6, warm_up=2, kill="leader", at=2)
    assert report.killed in own_lab.brokers
    assert report.ok, str(report.account)
    assert sum(report.answers.values()) == 150
    assert report.answers["accepted"] == report.answered.count == report.stored.count
    assert report.online == 25
    assert report.lost == 0
    assert report.pushed.count > 0
    assert report.pause_s > 1
    openim = own_lab.openim()
    inboxes = [openim.inbox.newest_seq(f"storm-{number}") for number in range(50)]
    assert sum(inboxes) >= 150 + 1
    assert not openim.online
    assert not [child for child in psutil.Process().children() if "storm" in " ".join(child.cmdline())]


@pytest.mark.jvm
def test_interrupted_it_says_what_there_is() -> None:
    orders = ["--users", "5", "--online", "0", "--rate", "10", "--seconds", "60", "--warm-up", "1", "--json"]
    command = [sys.executable, "-m", "kafka_lab", "load", *orders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        family = psutil.Process(run.pid)
        until(lambda: any(is_sending(child) for child in family.children(recursive=True)), timeout_s=90)
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=60)
    result = json.loads(said)
    assert run.returncode == 0
    assert result["interrupted"]
    assert result["answers"].get("accepted", 0) < 600
    assert sum(result["answers"].values()) == 600  # those that were due, but never sent, included


def is_sending(process: psutil.Process) -> bool:
    """Whether a process is the one that sends, and has begun."""
    try:
        storm = "kafka_lab.openim.storm" in process.cmdline()
        return storm and any(link.status == psutil.CONN_ESTABLISHED for link in process.net_connections())
    except psutil.Error:  # it has just ended
        return False


def test_the_command_explains_itself() -> None:
    command = [sys.executable, "-m", "kafka_lab", "load", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--kill" in said
    assert "--online" in said
