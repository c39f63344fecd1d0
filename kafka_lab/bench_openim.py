"""Measuring OpenIM's path: what a worker stores, what a batch reaches, how soon one notification is there."""

from __future__ import annotations

import threading
import time
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka_lab.bench import Benchmark, Figure
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
_RECIPIENTS = 1000
_SECONDS = 60.0
_SINGLE = 50


def bench_openim(report: Report, *, runs: int = 5) -> Benchmark:
    """Measure OpenIM's path: about a minute a run, and a quarter of an hour for the load, once.

    Parameters
    ----------
    report : callable
        Is told how far it is.
    runs : int, default 5
        How often each is done.
    """
    report("Storing copies", 0, 0)
    figures = [
        Figure("copies into SQLite, in batches of 500", "rows/s", tuple(_stored_per_s() for _ in range(runs)))
    ]
    batches, singles, pause = [], [], threading.Event()
    with Lab() as lab:
        openim = lab.openim()
        openim.send("warm-up", "the connections are there")
        openim.account(wait_s=30)
        for number in range(runs):
            report(f"A notification to {_RECIPIENTS} recipients", number, runs)
            users = [f"user-{number}-{each}" for each in range(_RECIPIENTS)]
            before, begin = len(openim.inbox), time.monotonic()
            openim.send_many(users, "to everybody")
            while len(openim.inbox) < before + 2 * _RECIPIENTS:
                pause.wait(0.02)
            batches.append(2 * _RECIPIENTS / (time.monotonic() - begin))
            report("Notifications one by one", number, runs)
            for each in range(_SINGLE):
                begin = time.monotonic()
                sent = openim.send(f"one-{number}-{each}", "one")
                lab.timeline.wait_for(
                    NotificationStored,
                    clientMsgID=sent.clientMsgID,
                    user=f"one-{number}-{each}",
                    since=len(lab.timeline) - 200,
                    timeout_s=30,
                )
                singles.append(1000 * (time.monotonic() - begin))
    figures += [
        Figure(f"inbox rows of batch_send_msg to {_RECIPIENTS} recipients", "rows/s", tuple(batches)),
        Figure("one HTTP request until its inbox row", "ms", tuple(singles)),
    ]
    return Benchmark((*figures, *_under_load(report)))


def _under_load(report: Report) -> list[Figure]:
    """Return what becomes of 900 notifications a second for a minute, and of fewer while a leader dies."""
    figures = []
    for client, (rate, kill) in product(_installed(), ((900.0, None), (500.0, "leader"), (150.0, "leader"))):
        with Lab() as lab:
            lab.openim(client=client).send("storm-0", "the connections are there")
            done = load(lab, report, rate=rate, seconds=_SECONDS, kill=kill)
        what = f"{rate:.0f} a second asked for{', a leader killed' if kill else ''}, {client}"
        figures += [
            Figure(f"accepted, {what}", "1/s", (done.accepted_per_s,)),
            Figure(f"request due to inbox row, p99, {what}", "ms", (1000 * done.stored.p99,)),
            Figure(f"longest pause of a partition, {what}", "s", (done.pause_s,)),
            Figure(f"missing or stored twice, {what}", "", (float(_wrong(done)),)),
        ]
    return figures


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
