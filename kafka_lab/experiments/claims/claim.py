"""A sentence about Kafka, put before a running cluster: what is checked, and the verdict that follows."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from kafka_lab.errors import ConfigurationError, KafkaLabError, unknown
from kafka_lab.experiments.report import Report
from kafka_lab.experiments.subject import Subject
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene, to_html

__all__ = ["VERDICTS", "Check", "Claim", "Experiment", "Finding", "judge", "summary", "verdict_of"]

#: ``undecided`` is an experiment that could not be done, or found nothing to go by.
VERDICTS = ("true", "false", "outdated", "depends", "undecided")
_COLOURS = {
    "true": s.GREEN, "false": s.VERMILION, "outdated": s.AMBER, "depends": s.BLUE, "undecided": s.GREY,
}  # fmt: skip
_WIDTH, _ROW = 940, 50


@dataclass(frozen=True)
class Check:
    """One thing that has to be so if the sentence is right, and what the cluster showed instead or in proof.

    Attributes
    ----------
    what : str
        What has to be so.
    found : str
        The evidence: numbers, bytes, a znode, Kafka's error.
    holds : bool
        Whether it is so.
    under : str
        The condition under which it was looked at; empty for none.
    until : str
        If it does not hold now: the version in which Kafka changed it, with its KIP; empty if it never held.
    """

    what: str
    found: str
    holds: bool
    under: str = ""
    until: str = ""


#: Asks a lab, and yields what it finds: checks, and pictures that are evidence.
Experiment = Callable[[Subject], Iterator[Check | Scene]]


@dataclass(frozen=True)
class Claim:
    """A sentence, and the experiment that decides it.

    Attributes
    ----------
    id : str
        Such as ``"K16"``.
    sentence : str
        In our words.
    expected : str
        The verdict that Kafka's documentation lets one expect: one of :data:`VERDICTS`.
    depends_on : str
        What the verdict depends on.
    experiment : callable
        Is given a running lab and yields checks and pictures.
    """

    id: str
    sentence: str
    expected: str
    depends_on: str
    experiment: Experiment

    @property
    def code(self) -> str:
        """The experiment's source."""
        return inspect.getsource(self.experiment)


@dataclass(frozen=True)
class Finding(Report):
    """What a cluster said to a claim.

    Attributes
    ----------
    claim : str
        Its id.
    sentence, expected, depends_on : str
        As the claim has them.
    verdict : str
        One of :data:`VERDICTS`, computed from the checks.
    checks : tuple of Check
        The evidence.
    pictures : tuple of Scene
        More of it.
    code : str
        How it was found out.
    trouble : str
        Why the experiment could not be done to its end; empty if it was.
    took_s : float
        Seconds.
    bet : str
        What the learner had bet; empty without a bet.
    """

    claim: str
    sentence: str
    expected: str
    depends_on: str
    verdict: str
    checks: tuple[Check, ...]
    pictures: tuple[Scene, ...]
    code: str
    trouble: str
    took_s: float
    bet: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the cluster said what the documentation says."""
        return self.verdict == self.expected

    def table(self) -> Table:
        """Return the checks."""
        rows = [
            (check.under or "always", check.what, check.found, "✓" if check.holds else _crossed(check))
            for check in self.checks
        ]
        if self.trouble:
            rows.append(("", "the experiment could be done", self.trouble, "✗"))
        return Table((f"{self.claim}: {self.verdict}", "has to be so", "found", ""), rows)

    def scene(self) -> Scene:
        """Return the sentence, the verdict and the checks as a picture."""
        scene = Scene(
            size=(_WIDTH, 96 + _ROW * len(self.checks)),
            title=f"{self.claim}: {self.verdict}",
            desc=self.sentence,
            table=self.table(),
            layers=("card",),
        )
        scene.add_headline("card", _WIDTH - 32)
        for number, check in enumerate(self.checks):
            y = 72 + _ROW * number
            colour = s.GREEN if check.holds else s.VERMILION
            condition = f"{check.under}: " if check.under else ""
            parts = [
                s.rounded(12, y, _WIDTH - 24, _ROW - 8, 6, fill=s.PALE_GREY),
                s.label(24, y + 26, "✓" if check.holds else "✗", fill=colour, font_size=16, font_weight=700),
                s.label(48, y + 18, s.clipped(f"{condition}{check.what}", _WIDTH - 80), font_weight=600),
                s.label(48, y + 34, s.clipped(check.found, _WIDTH - 80), fill=s.GREY),
            ]
            scene.add(f"check-{number}", "card", f"{check.what}: {check.found}", parts)
        return scene

    def __str__(self) -> str:
        return f"{self.claim}. {self.sentence}{self._bet()}\n{self.table().to_text()}"

    def _bet(self) -> str:
        won = "won" if self.bet == self.verdict else "lost"
        return f" · your bet was {self.bet}: {won}" if self.bet else ""

    def _repr_html_(self) -> str:
        """Return a card: sentence, verdict, evidence, pictures, code."""
        colour = _COLOURS[self.verdict]
        depends = f" · depends on {escape(self.depends_on)}" if self.depends_on else ""
        note = "" if self.as_expected else f" (the documentation lets one expect: {escape(self.expected)})"
        return (
            f"<section style='border-left:6px solid {colour};padding:.2em 1em;margin:1em 0'>"
            f"<h4 style='margin:.3em 0'>{escape(self.claim)} · {escape(self.sentence)}</h4>"
            f"<p><strong style='color:{colour}'>{escape(self.verdict)}</strong>{note}{self._bet()}"
            f"{depends} · {self.took_s:.1f} s</p>"
            f"{self.table().to_html()}{''.join(map(to_html, self.pictures))}"
            "<details><summary>The experiment</summary>"
            f"<pre><code>{escape(self.code)}</code></pre></details>"
            "</section>"
        )


def verdict_of(checks: Sequence[Check]) -> str:
    """Return the verdict that follows from checks.

    All hold: ``true``. Those of one condition hold, and those of another do not: ``depends``. None of the
    conditions is met: ``outdated`` if Kafka changed everything that does not hold, else ``false``.

    Examples
    --------
    >>> verdict_of([Check("a", "", True), Check("b", "", False)])
    'false'
    >>> verdict_of([Check("a", "", False, until="0.11"), Check("b", "", True)])
    'outdated'
    >>> verdict_of([Check("a", "", True, under="up"), Check("a", "", False, under="down")])
    'depends'
    >>> verdict_of([])
    'undecided'
    """
    if not checks:
        return "undecided"
    failed = [check for check in checks if not check.holds]
    if not failed:
        return "true"
    if {check.under for check in checks} - {check.under for check in failed}:
        return "depends"
    return "outdated" if all(check.until for check in failed) else "false"


@visible("A claim is put before the cluster")
def judge(lab: Subject, claim: Claim, bet: str = "") -> Finding:
    """Do a claim's experiment and return what the cluster said; the lab is whole again afterwards.

    What goes wrong on the way makes the claim undecided, and is no error: the finding tells it.

    Parameters
    ----------
    lab : Lab
        A running lab.
    claim : Claim
        One of :data:`kafka_lab.experiments.claims.CLAIMS`, or one of your own.
    bet : str
        The verdict that a learner expects; the finding tells whether that was right.

    Raises
    ------
    ConfigurationError
        There is no such verdict to bet on.
    """
    if bet and bet not in VERDICTS:
        raise ConfigurationError(unknown("verdict", bet, VERDICTS))
    begin, trouble = time.monotonic(), ""
    found: list[Check | Scene] = []
    try:
        lab.heal_all()
        found.extend(claim.experiment(lab))
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing is decided
        trouble = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        lab.heal_all()
    except KafkaLabError as error:
        trouble = trouble or f"the lab was not whole again: {error}".splitlines()[0]
    checks = tuple(item for item in found if isinstance(item, Check))
    return Finding(
        claim=claim.id,
        sentence=claim.sentence,
        expected=claim.expected,
        depends_on=claim.depends_on,
        verdict="undecided" if trouble else verdict_of(checks),
        checks=checks,
        pictures=tuple(item for item in found if isinstance(item, Scene)),
        code=claim.code,
        trouble=trouble,
        took_s=time.monotonic() - begin,
        bet=bet,
    )


def summary(findings: Iterable[Finding]) -> Table:
    """Return a line for each finding."""
    rows = [
        (
            finding.claim,
            finding.verdict,
            "" if finding.as_expected else f"expected: {finding.expected}",
            f"{finding.took_s:.1f} s",
            finding.sentence,
        )
        for finding in findings
    ]
    return Table(("claim", "verdict", "", "took", "the sentence"), rows)


def _crossed(check: Check) -> str:
    return f"✗ until {check.until}" if check.until else "✗"
