"""Measuring OpenIM's path: what a worker stores, what a batch reaches, how soon one notification is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka_lab.bench import Figure
from kafka_lab.events import NotificationStored
from kafka_lab.lab import Lab
from kafka_lab.load import LoadReport, load
from kafka_lab.openim.clients import CLIENTS
from kafka_lab.openim.content import OA_NOTIFICATION
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.message import NOTIFICATION, SendMsgRequest, example_request, to_message
from kafka_lab.openim.records import MESSAGES_TOPIC, Copy
from kafka_lab.progress import Report

__all__ = ["bench_openim"]

_ROWS, _BATCH = 20_000, 500
_RECIPIENTS = 10_000
_SECONDS = 60.0
_SINGLE = 50
# What each client is asked for: notifications a second, and who is killed.
_LOADS: dict[str, list[tuple[float, str | None]]] = {
    "kafka-python": [(150.0, "leader")],
    "confluent-kafka": [(900.0, None), (500.0, "leader")],
}


def bench_openim(report: Report, *, runs: int = 5) -> Iterator[Figure]:
    """Measure OpenIM's path: about half a minute a run, and some minutes for the loads, once each.

    Each figure comes when it is known.

    Parameters
    ----------
    report : callable
        Is told how far it is.
    runs : int, default 5
        How often each is done.
    """
    report("Storing copies", 0, 0)
    yield Figure(
        "copies into SQLite, in batches of 500", "rows/s", tuple(_stored_per_s() for _ in range(runs))
    )
    for client in _installed():
        yield from _at_rest(report, client, runs)
        for rate, kill in _LOADS[client]:
            yield from _under_load(report, client, rate, kill)


def _at_rest(report: Report, client: str, runs: int) -> Iterator[Figure]:
    """Return how fast one call with many recipients is, and one with one, when nothing else goes on."""
    batches, singles = [], []
    with Lab() as lab:
        lab.openim(client=client).send("warm-up", "the connections are there")
        lab.openim().account(wait_s=30)
        for number in range(runs):
            report(f"A notification to {_RECIPIENTS} recipients, {client}", number, runs)
            batches.append(_batch_rows_per_s(lab, number))
            lab.openim().account(wait_s=60)
            report(f"Notifications one by one, {client}", number, runs)
            singles += [_single_ms(lab, f"one-{number}-{each}") for each in range(_SINGLE)]
    yield Figure(
        f"inbox rows of batch_send_msg to {_RECIPIENTS} recipients, {client}", "rows/s", tuple(batches)
    )
    yield Figure(f"one HTTP request until its inbox row, {client}", "ms", tuple(singles))


def _batch_rows_per_s(lab: Lab, number: int) -> float:
    """Return how many inbox rows a second one call makes."""
    users = [f"user-{number}-{each}" for each in range(_RECIPIENTS)]
    begin, checked, rows = time.monotonic(), len(lab.timeline), 0
    lab.openim().send_many(users, "to everybody")

    def all_there() -> bool | None:
        nonlocal checked, rows
        new = lab.timeline.since(checked)
        checked += len(new)
        rows += sum(isinstance(event, NotificationStored) for event in new)
        return True if rows >= 2 * _RECIPIENTS else None

    lab.timeline.wait_until(all_there, timeout_s=120, expected="every row")
    return rows / (time.monotonic() - begin)


def _single_ms(lab: Lab, user: str) -> float:
    """Return how long a notification takes from its request to its inbox row, in milliseconds."""
    since, begin = len(lab.timeline), time.monotonic()
    sent = lab.openim().send(user, "one")
    stored = {"clientMsgID": sent.clientMsgID, "user": user}
    lab.timeline.wait_for(NotificationStored, **stored, since=since, timeout_s=30)
    return 1000 * (time.monotonic() - begin)


def _under_load(report: Report, client: str, rate: float, kill: str | None) -> Iterator[Figure]:
    """Return what becomes of so many notifications a second for a minute, and of a leader's death in it."""
    with Lab() as lab:
        lab.openim(client=client).send("storm-0", "the connections are there")
        done = load(lab, report, rate=rate, seconds=_SECONDS, kill=kill)
    what = f"{rate:.0f} a second asked for{', a leader killed' if kill else ''}, {client}"
    yield Figure(f"accepted, {what}", "1/s", (done.accepted_per_s,))
    yield Figure(f"request due to inbox row, p99, {what}", "ms", (1000 * done.stored.p99,))
    yield Figure(f"longest pause of a partition, {what}", "s", (done.pause_s,))
    yield Figure(f"missing or stored twice, {what}", "", (float(_wrong(done)),))


def _installed() -> list[str]:
    """Return the clients that can carry OpenIM here."""
    return [client for client in CLIENTS if client != "confluent-kafka" or find_spec("confluent_kafka")]


def _wrong(done: LoadReport) -> int:
    return len(done.account.missing) + done.account.stored_twice


def _stored_per_s() -> float:
    """Return how many copies a second an inbox takes."""
    request = SendMsgRequest(**example_request())
    assert (request.contentType, request.sessionType) == (OA_NOTIFICATION, NOTIFICATION)  # noqa: S101
    copies = [
        Copy(f"user-{number % 5000}", to_message(request), "bench", MESSAGES_TOPIC, number % 8, number)
        for number in range(_ROWS)
    ]
    with TemporaryDirectory() as folder:
        inbox = Inbox(Path(folder) / "inbox.sqlite")
        begin = time.monotonic()
        for first in range(0, _ROWS, _BATCH):
            inbox.store(copies[first : first + _BATCH])
        passed = time.monotonic() - begin
        inbox.close()
    return _ROWS / passed
