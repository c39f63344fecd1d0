"""The textbook's claims: verdicts that follow from evidence, and change with it.

That each claim gets its verdict is tested where all are tried: in the notebook that walks through them.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError, FaultError
from kafka_lab.experiments import claims, durability, semantics
from kafka_lab.experiments.claims import CLAIMS, Check, Claim, Finding, judge, logs, readers, summary
from kafka_lab.experiments.claims.report import report_html
from kafka_lab.experiments.subject import Subject
from kafka_lab.views.scene import Scene, to_svg

ALL = [f"K{number}" for number in range(1, 28)] + [f"O{number}" for number in range(1, 6)]


class Calm:
    """A lab that is always whole, for experiments that ask it nothing."""

    def heal_all(self) -> None:
        """Do nothing."""


def found(*checks: Check, bet: str = "") -> Finding:
    claim = Claim("X1", "A <b>sentence</b>.", "true", "", lambda _: iter(checks))
    return judge(Calm(), claim, bet)  # type: ignore[arg-type]


def test_the_articles_claims_are_all_there_and_each_experiment_fits_a_screen() -> None:
    assert list(CLAIMS) == ALL
    for claim in CLAIMS.values():
        assert claim.expected in {"true", "false", "outdated", "depends"}
        assert len(claim.code.splitlines()) <= 45
        assert inspect.getdoc(claim.experiment)


def test_a_finding_is_a_card_a_picture_and_data() -> None:
    finding = found(Check("it is <i>so</i>", "3 < 4", holds=True), bet="false")
    assert finding.verdict == "true"
    card = finding._repr_html_()
    assert "<b>" not in card
    assert "your bet was false: lost" in card
    ET.fromstring(to_svg(finding.scene()))
    assert json.loads(json.dumps(finding.to_dict()))["checks"][0]["found"] == "3 < 4"
    page = report_html([finding])
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert summary([finding]).rows[0][:2] == ("X1", "true")


def test_what_cannot_be_decided_says_why() -> None:
    def experiment(_: Subject) -> Iterator[Check]:
        yield Check("it begins well", "", holds=True)
        raise ValueError("nothing there")

    finding = judge(Calm(), Claim("X2", "s", "true", "", experiment))  # type: ignore[arg-type]
    assert (finding.verdict, finding.trouble) == ("undecided", "ValueError: nothing there")
    assert len(finding.checks) == 1
    assert found().verdict == "undecided"
    with pytest.raises(ConfigurationError, match="no verdict 'maybe'"):
        found(bet="maybe")
    with pytest.raises(ConfigurationError, match="no claim 'K99'"):
        claims.claim_of("K99")
    assert claims.claim_of("k16").id == "K16"


class Altered:
    """A lab that does some things with another setting than it is asked for."""

    def __init__(self, lab: Lab, **settings: Any) -> None:
        self._lab = lab
        self._settings = settings

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._lab, name)
        settings = self._settings.get(name)
        return functools.partial(self._altered, real, settings) if settings else real

    @staticmethod
    def _altered(real: Any, settings: dict[str, Any], *arguments: Any, **more: Any) -> Any:
        return real(*arguments, **{**more, **settings})


@pytest.mark.jvm
@pytest.mark.parametrize(
    ("claim", "settings", "verdict"),
    [
        # Two partitions where three are asked for: the folders are others.
        ("K3", {"create_topic": {"partitions": 2}}, "false"),
        # An index of nothing: no entry leads to the last offset.
        ("K15", {"create_topic": {"config": {"index.interval.bytes": "1000000"}}}, "false"),
        # A consumer that does join a group of that name.
        ("K21", {"consumer": {"group_id": "test-consumer-group"}}, "true"),
        # A static member's id begins with its instance's name.
        ("K22", {"group": {"group_instance_id": "anna"}}, "false"),
        # One partition: two services in one group do not share it, one gets it all.
        ("K24", {"create_topic": {"partitions": 1}}, "false"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_setting_another_verdict(
    lab: Lab, claim: str, settings: dict[str, Any], verdict: str
) -> None:
    finding = judge(Altered(lab, **settings), CLAIMS[claim])  # type: ignore[arg-type]
    assert finding.verdict == verdict, str(finding)


@pytest.mark.jvm
def test_a_safer_producer_and_a_safer_reader_change_the_verdict(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def safe(lab: Subject, recipe: str, **_: Any) -> Any:
        return durability(lab, recipe, acks="all", messages=10)

    monkeypatch.setattr(logs, "durability", safe)
    assert lab.claim("K18").verdict == "true"
    monkeypatch.setattr(readers, "semantics", lambda lab, _: semantics(lab, "effectively once"))
    assert lab.claim("K23").verdict == "true"
    monkeypatch.setattr(readers, "semantics", lambda lab, _: semantics(lab, "at least once"))
    assert lab.claim("K17").verdict == "false"


@pytest.mark.jvm
def test_without_zookeeper_verdicts_are_others_and_what_cannot_be_tried_is_said() -> None:
    with Lab(brokers=3, mode="kraft") as lab:
        expected = {
            "K7": "true",
            "K12": "false",
            "K13": "outdated",
            "K17": "true",
            "K18": "depends",
            "K25": "outdated",
        }
        assert {name: lab.claim(name).verdict for name in expected} == expected
        with pytest.raises(FaultError, match="link to a controller cannot be cut"):
            durability(lab, "isolated leader")
        with pytest.raises(FaultError, match="majority of the controllers"):
            durability(lab, "unclean election")


@pytest.mark.jvm
def test_the_command_shows_one_with_its_code_and_writes_the_evidence(tmp_path: Path) -> None:
    page = tmp_path / "evidence.html"
    done = subprocess.run(
        [sys.executable, "-m", "kafka_lab", "claims", "K1", "--html", str(page)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert re.search(r"K1\s+outdated", done.stdout)
    assert "def message_layout" in done.stdout
    assert "until Kafka 0.11" in page.read_text("utf-8")


def test_the_command_lists_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kafka_lab", "claims", "--list"], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == len(ALL)


def test_pictures_are_evidence_too() -> None:
    scene = Scene((10, 10), "t", "d", found(Check("a", "", holds=True)).table(), ("l",))
    finding = judge(
        Calm(),  # type: ignore[arg-type]
        Claim("X3", "s", "true", "", lambda _: iter([Check("a", "", holds=True), scene])),
    )
    assert finding.pictures == (scene,)
    assert "<figure>" in finding._repr_html_()
