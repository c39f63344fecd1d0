"""OpenIM under load: real requests and real phones from another process, and the account afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from kafka_lab.errors import ConfigurationError, KafkaLabError
from kafka_lab.events import FaultStarted, NotificationStored
from kafka_lab.lab import Lab
from kafka_lab.ledger import Account
from kafka_lab.openim.records import MESSAGES_TOPIC
from kafka_lab.openim.storm import USERS, Orders, Outcome, user_name
from kafka_lab.progress import Report
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline
from kafka_lab.views.plots import Plot, load_plot

__all__ = ["LoadReport", "load"]

MOST_USERS, MOST_ONLINE, MOST_PER_S, MOST_S = 1_000_000, 10_000, 5000.0, 600.0
_GRACE_S = 30.0
_STORED_S = 60.0
_SOON_S = 10.0  # for what is on its way when somebody wants it to end
_SPARKS = "▁▂▃▄▅▆▇█"
_WORDS = {0: "accepted", -1: "unknown", -2: "not sent", 201: "unknown"}


@dataclass(frozen=True)
class Latency:
    """How long something took, in seconds."""

    count: int
    p50: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Latency:
        """Return the quantiles of values; zeros for none."""
        ordered = sorted(values)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        p50, p95, p99 = (ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 0.99))
        return cls(len(ordered), p50, p95, p99, ordered[-1])

    def row(self, what: str) -> tuple[str, ...]:
        """Return it as a row of a table."""
        figures = (f"{1000 * value:.0f} ms" for value in (self.p50, self.p95, self.p99, self.most))
        return (what, str(self.count), *figures)


@dataclass(frozen=True)
class LoadReport:
    """What a load did, and what became of it.

    Attributes
    ----------
    asked_per_s, seconds : float
        What was ordered.
    lasted_s : float
        From the first request's due time to the last answer.
    answers : dict
        How many requests had which answer: ``"accepted"``, ``"refused"``, ``"not sent"``, ``"unknown"``,
        or were ``"due, but never sent"``: too many had no answer yet, or it was interrupted.
    per_second : list of int
        Accepted in each whole second.
    answered, stored, pushed : Latency
        From when a request was due until it was answered, with whatever; its recipient's inbox had it; their
        phone, if it was online.
    online, lost : int
        Phones that were online, and that lost their connection.
    pause_s : float
        The longest pause of acceptance on any partition of the message topic, from the first request's due
        time to the last answer.
    killed : str
        The broker that was killed; empty if none was.
    cpu : dict
        Seconds of CPU by process, from the first request's due time until the sending process ended; without
        a broker that was killed.
    memory : dict
        Bytes in memory then, by process.
    account : Account
        What was accepted, stored, lost, doubled.
    interrupted : bool
        It was told to end before its time.
    """

    asked_per_s: float
    seconds: float
    lasted_s: float
    answers: dict[str, int]
    per_second: list[int]
    answered: Latency
    stored: Latency
    pushed: Latency
    online: int
    lost: int
    pause_s: float
    killed: str
    cpu: dict[str, float]
    memory: dict[str, int]
    account: Account
    interrupted: bool

    @property
    def accepted_per_s(self) -> float:
        """Accepted requests a second, over the whole time."""
        return self.answers.get("accepted", 0) / self.lasted_s if self.lasted_s else 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or out of order."""
        return self.account.clean

    def table(self) -> Table:
        """Return rates and latencies."""
        rows = [
            self.answered.row("until it was answered"),
            self.stored.row("until the inbox had it"),
            self.pushed.row("until the phone had it"),
        ]
        return Table(("from when a request was due", "count", "p50", "p95", "p99", "longest"), rows)

    def summary(self) -> Table:
        """Return what was done."""
        answers = ", ".join(f"{count} {what}" for what, count in self.answers.items())
        rows = [
            ("asked", f"{self.asked_per_s:.0f} a second for {self.seconds:.0f} s"),
            ("accepted", f"{self.accepted_per_s:.0f} a second, over {self.lasted_s:.1f} s"),
            ("answers", answers or "none"),
            ("accepted in each second", sparkline(self.per_second)),
            ("phones", f"{self.online} online, {self.lost} lost their connection"),
            ("longest pause of a partition", f"{self.pause_s:.2f} s"),
        ]
        if self.killed:
            rows.append(("killed", self.killed))
        if self.interrupted:
            rows.append(("interrupted", "the result is partial"))
        return Table(("the load", ""), rows)

    def processes(self) -> Table:
        """Return CPU and memory of each process."""
        rows = [
            (name, f"{self.cpu[name]:.1f} s", f"{self.memory.get(name, 0) / 2**20:.0f} MiB")
            for name in sorted(self.cpu)
        ]
        return Table(("process", "CPU", "memory"), rows)

    def plot(self) -> Plot:
        """Return accepted requests a second, over time."""
        return load_plot(self.per_second, self.asked_per_s, self.killed)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON data."""
        return {**asdict(self), "accepted_per_s": self.accepted_per_s}


def sparkline(values: Sequence[float]) -> str:
    """Return values as a line of bars, and their range.

    Examples
    --------
    >>> sparkline([0, 5, 10])
    '▁▄█ 0 to 10'
    """
    if not values:
        return ""
    most = max(values) or 1
    bars = "".join(_SPARKS[int((len(_SPARKS) - 1) * value / most)] for value in values)
    return f"{bars} {min(values):g} to {max(values):g}"


def load(
    lab: Lab,
    report: Report,
    *,
    users: int = 100_000,
    online: int = 2000,
    rate: float = 900.0,
    seconds: float = 60.0,
    warm_up: float = 10.0,
    kill: str | None = None,
    at: float | None = None,
    seed: int = 1,
) -> LoadReport:
    """Send notifications at a steady rate from another process, and say what became of each.

    Interrupted (Ctrl-C), it says what there is until then.

    Parameters
    ----------
    lab : Lab
        A running lab of one's own.
    report : callable
        Is told how far it is.
    users : int, default 100000
        How many different recipients, in random order.
    online : int, default 2000
        How many of them have a phone that listens.
    rate, seconds : float
        Requests a second, and for how long.
    warm_up : float, default 10
        For how many seconds before that, at the same rate: the brokers' code is not compiled yet when they
        have just been started. Only the account counts these requests.
    kill : str, optional
        ``"leader"``: kill the leader of the message topic's first partition.
    at : float, optional
        When, in seconds; by default after a third of the time.
    seed : int, default 1
        Of the recipients' order.

    Raises
    ------
    ConfigurationError
        A number is out of range.
    KafkaLabError
        The other process failed.
    """
    _check(users=users, online=online, rate=rate, seconds=seconds, warm_up=warm_up, kill=kill, at=at)
    openim = lab.openim()
    orders = Orders(
        url=openim.url,
        token=openim.token(),
        users=users,
        rate=rate,
        seconds=seconds,
        warm_up_s=warm_up,
        online=[(name, openim.token(name)) for name in map(user_name, range(online))],
        grace_s=_GRACE_S,
        seed=seed,
    )
    begin_seq = len(lab.timeline)
    before = _used(lab)
    with TemporaryDirectory() as name, _storm(orders, Path(name)) as process:
        report("Phones go online, and all warm up", 0, 0)
        try:
            begin = _wait_until_sending(process)
            before = _used(lab)
            killed = _follow(
                lab, process, report, begin, seconds, (seconds / 3 if at is None else at) if kill else None
            )
            interrupted = False
        except KeyboardInterrupt:
            interrupted, killed = True, _killed_since(lab.timeline, begin_seq)
            process.send_signal(signal.SIGTERM)
        outcome = _outcome(process, Path(name), may_be_missing=interrupted)
    after = _used(lab)
    report("Waiting for what is on its way", 0, 0)
    try:
        account = openim.account(wait_s=_SOON_S if interrupted else _STORED_S)
    except KeyboardInterrupt:
        interrupted, account = True, openim.account()
    cpu = {name: seconds - before.get(name, (0.0, 0))[0] for name, (seconds, _) in after.items()}
    cpu["load"] = outcome.cpu_s
    memory = {**{name: size for name, (_, size) in after.items()}, "load": outcome.memory}
    return _report(
        lab.timeline, begin_seq, outcome, orders, account, cpu=cpu, memory=memory, killed=killed,
        interrupted=interrupted,
    )  # fmt: skip


def _wait_until_sending(process: subprocess.Popen[str]) -> float:
    """Return when the first request was due: everybody is online then, or the process has ended."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    process.stdout.readline()
    return time.monotonic()


def _follow(
    lab: Lab,
    process: subprocess.Popen[str],
    report: Report,
    begin: float,
    seconds: float,
    kill_s: float | None,
) -> str:
    """Wait for the process, kill a leader when it is time, and return its name."""
    killed, pause = "", threading.Event()
    while process.poll() is None:
        passed = time.monotonic() - begin
        report("Sending", min(int(passed), int(seconds)), int(seconds))
        if kill_s is not None and not killed and passed > kill_s:
            killed = lab.leader_of(MESSAGES_TOPIC, 0) or ""
            lab.kill(killed)
        pause.wait(0.1)
    return killed


def _killed_since(timeline: Timeline, seq: int) -> str:
    fault = timeline.find(FaultStarted, since=seq, fault="kill")
    return fault.node if fault else ""


def _check(
    *,
    users: int,
    online: int,
    rate: float,
    seconds: float,
    warm_up: float,
    kill: str | None,
    at: float | None,
) -> None:
    """Check the orders.

    Raises
    ------
    ConfigurationError
        One is out of range.
    """
    for name, value, least, most in (
        ("users", users, 1, MOST_USERS),
        ("online", online, 0, min(MOST_ONLINE, users)),
        ("rate", rate, 1, MOST_PER_S),
        ("seconds", seconds, 1, MOST_S),
        ("warm_up", warm_up, 0, MOST_S),
        ("at", 0 if at is None else at, 0, seconds),
    ):
        if not least <= value <= most:
            raise ConfigurationError(f"{name} is {value:g}; expected {least:g} to {most:g}")
    if kill not in {None, "leader"}:
        raise ConfigurationError(f"kill is {kill!r}; expected 'leader'")


@contextmanager
def _storm(orders: Orders, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield the process that sends; it is gone afterwards."""
    command = [sys.executable, "-m", "kafka_lab.openim.storm", str(folder / "outcome.json")]
    with (
        (folder / "complaints").open("w") as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            process_group=0,
        ) as process,
    ):
        try:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            with suppress(BrokenPipeError):  # it has failed already: its outcome will be missing
                process.stdin.write(json.dumps(asdict(orders)))
                process.stdin.close()
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _outcome(process: subprocess.Popen[str], folder: Path, *, may_be_missing: bool) -> Outcome:
    """Return what the process wrote when it ended; it may not have begun when it was interrupted.

    Raises
    ------
    KafkaLabError
        It failed.
    """
    path = folder / "outcome.json"
    try:
        process.wait(_SOON_S if may_be_missing else _GRACE_S)
        if may_be_missing and not path.exists():
            return Outcome()
        return Outcome(**json.loads(path.read_text("utf-8")))
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        said = (folder / "complaints").read_text("utf-8")[-2000:]
        code = process.poll()
        how = "did not end" if code is None else f"ended with {code}"
        raise KafkaLabError(f"the process that sends {how}: {said or 'it said nothing'}") from error


def _used(lab: Lab) -> dict[str, tuple[float, int]]:
    """Return CPU seconds and bytes in memory of a lab's processes; its own has gateway and workers."""
    pids = {row[0]: int(row[3]) for row in lab.nodes().rows if row[3].isdecimal()}
    used = {}
    for name, pid in {"gateway and workers": os.getpid(), **pids}.items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            times = process.cpu_times()
            used[name] = times.user + times.system, process.memory_info().rss
    return used


def _report(
    timeline: Timeline,
    begin_seq: int,
    outcome: Outcome,
    orders: Orders,
    account: Account,
    **more: Any,  # noqa: ANN401 - the other fields
) -> LoadReport:
    """Put the two processes' views together: both tell times by the machine's monotonic clock."""
    origin = time.monotonic() - timeline.now_s()
    due = {message: when for when, _, code, message in outcome.answers if code == 0}
    stored: dict[str, float] = {}
    partition: dict[str, int] = {}
    for event in timeline.since(begin_seq):
        if isinstance(event, NotificationStored) and event.user.startswith(USERS):
            stored.setdefault(event.clientMsgID, origin + event.at_s)
            partition[event.clientMsgID] = event.partition
    accepted = [(answered, message) for _, answered, code, message in outcome.answers if code == 0]
    begin = min((when for when, *_ in outcome.answers), default=0.0)
    end = max((answered for _, answered, *_ in outcome.answers), default=begin)
    answers = Counter(_WORDS.get(code, "refused") for *_, code, _ in outcome.answers)
    if never := int(orders.rate * orders.seconds) - len(outcome.answers):
        answers["due, but never sent"] = never
    per_second = Counter(int(answered - begin) for answered, _ in accepted)
    return LoadReport(
        asked_per_s=orders.rate,
        seconds=orders.seconds,
        lasted_s=end - begin,
        answers=dict(answers),
        per_second=[per_second[second] for second in range(int(end - begin))],
        answered=Latency.of(answered - when for when, answered, code, _ in outcome.answers if code >= 0),
        stored=Latency.of(stored[message] - when for message, when in due.items() if message in stored),
        pushed=Latency.of(when - due[message] for message, when in outcome.pushes if message in due),
        online=outcome.listening,
        lost=outcome.lost,
        pause_s=_longest_pause(
            [(when, partition[name]) for when, name in accepted if name in partition], begin, end
        ),
        account=account,
        **more,
    )


def _longest_pause(accepted: Iterable[tuple[float, int]], begin: float, end: float) -> float:
    """Return the longest time without an acceptance on a partition: one may never have come back."""
    moments: dict[int, list[float]] = defaultdict(list)
    for when, partition in accepted:
        moments[partition].append(when)
    pauses = (
        later - earlier
        for each in moments.values()
        for earlier, later in pairwise([begin, *sorted(each), end])
    )
    return max(pauses, default=0.0)
