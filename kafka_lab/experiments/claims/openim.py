"""Claims about OpenIM, the chat server whose notifications go through Kafka."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from kafka_lab.events import NotificationStored, RecordRead
from kafka_lab.experiments.claims.claim import Check, Claim
from kafka_lab.experiments.subject import Subject
from kafka_lab.views.scene import Scene

__all__ = ["OPENIM_CLAIMS"]

_TOPIC, _STORING = "ws2ms_chat", "mongo"
_WAIT_S = 60.0
_ARTICLE_PER_S, _ARTICLE_CORES = 900, 8
_SENDERS = 8  # requests at a time
_REQUESTS = 400


def exactly_once(lab: Subject) -> Iterator[Check | Scene]:
    """Notify people while the leader of a partition is killed, and draw up the account."""
    openim = lab.openim()
    before = openim.account(wait_s=_WAIT_S)
    for number in range(20):
        openim.send(f"o1-{number % 5}", f"before {number}")
    lab.kill(lab.leader_of(_TOPIC, 0) or "")
    for number in range(20):
        openim.send(f"o1-{number % 5}", f"after {number}")
    status = openim.post({"operationID": "incomplete"}).status_code
    account = openim.account(wait_s=_WAIT_S)
    rows = "; ".join(f"{claim}: {found}" for claim, found, _ in account.table().rows[:5])
    yield Check(
        "what was accepted is stored, once, in order, though a leader died",
        rows,
        account.clean and account.accepted >= before.accepted + 40,
    )
    yield Check(
        "what was not accepted is known",
        f"an incomplete request: HTTP {status}, counted as refused; {account.unknown} answers unknown",
        status >= 400 and account.refused == before.refused + 1,
    )


def stateless_modules(lab: Subject) -> Iterator[Check | Scene]:
    """Add workers to the group that stores, kill one, and look who stored what."""
    openim, begin = lab.openim(), len(lab.timeline)
    names = [openim.start_worker(_STORING) for _ in range(3)]
    try:
        for number in range(40):
            openim.send(f"o2-{number}", f"message {number}")
        openim.kill_worker(names[0])
        for number in range(40):
            openim.send(f"o2-{number}", f"message {number}")
        account = openim.account(wait_s=_WAIT_S)
        reads = (event for event in lab.timeline.since(begin) if isinstance(event, RecordRead))
        busy = Counter(read.reader for read in reads if read.reader in names)
        workers = [row[0] for row in openim.workers().rows if row[1] == _STORING and row[3] == "running"]
        yield Check(
            "more workers share the work, and the death of one loses nothing",
            f"{len(names) + 1} workers, then {len(workers)}; the new ones read {dict(busy)}; "
            f"{account.stored} of {account.expected} copies "
            f"stored, {account.stored_twice} twice, {account.redelivered} delivered again and recognised",
            account.clean and len(busy) > 1,
        )
    finally:
        for name in names[1:]:
            openim.stop_worker(name)


def speed(lab: Subject) -> Iterator[Check | Scene]:
    """Send requests over HTTP for a few seconds, and wait until the last is stored."""
    openim = lab.openim()
    begin_seq, begin = len(lab.timeline), time.monotonic()
    with ThreadPoolExecutor(_SENDERS) as pool:
        list(pool.map(lambda n: openim.send(f"o3-{n}", f"message {n}"), range(_REQUESTS)))
    accepted_s = time.monotonic() - begin
    openim.account(wait_s=_WAIT_S)
    stored_s = time.monotonic() - begin
    stored = sum(isinstance(event, NotificationStored) for event in lab.timeline.since(begin_seq))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    per_core = _REQUESTS / stored_s / cores
    yield Check(
        f"{_ARTICLE_PER_S} messages a second on {_ARTICLE_CORES} cores: "
        f"{_ARTICLE_PER_S / _ARTICLE_CORES:.0f} for each core",
        f"{_REQUESTS} requests accepted in {accepted_s:.1f} s, {stored} copies stored in {stored_s:.1f} s, "
        f"on {cores} cores with brokers and sender: {per_core:.0f} for each core",
        per_core >= _ARTICLE_PER_S / _ARTICLE_CORES,
    )


def one_conversation(lab: Subject) -> Iterator[Check | Scene]:
    """Notify one person in the name of two departments, from one account."""
    openim, user = lab.openim(), "o4-reader"
    for name in ("Payroll", "Canteen"):
        openim.send(user, f"news from {name}", senderNickname=name)
    openim.account(wait_s=_WAIT_S)
    conversations = openim.inbox.conversations(user)
    names = Counter(m.message.senderNickname for m in openim.inbox.messages(user))
    yield Check(
        "they are one conversation",
        ", ".join(f"{each.conversationID}, {each.unread} unread" for each in conversations),
        len(conversations) == 1,
    )
    yield Check("each has its own sender's name", f"{dict(names)}", {"Payroll", "Canteen"} <= set(names))


def online_only(lab: Subject) -> Iterator[Check | Scene]:
    """Notify one person who is online and one who is not, online-only."""
    openim = lab.openim()
    with openim.device("o5-here") as device:
        openim.send("o5-here", "now or never", isOnlineOnly=True)
        openim.send("o5-away", "now or never", isOnlineOnly=True)
        got = device.wait_for(1)
        openim.send("o5-away", "kept")
        openim.account(wait_s=_WAIT_S)
    yield Check("who is online sees it", f"{len(got)} on the device", len(got) == 1)
    kept = {user: [m.text for m in openim.inbox.messages(user)] for user in ("o5-here", "o5-away")}
    yield Check(
        "it is not stored: who was offline never sees it",
        f"inboxes: {kept}",
        kept == {"o5-here": [], "o5-away": ["kept"]},
    )


OPENIM_CLAIMS = (
    Claim(
        "O1",
        "Every message arrives exactly once and is stored; the few that failed were reported.",
        "true",
        "",
        exactly_once,
    ),
    Claim("O2", "Every module but storage is stateless and scales out.", "true", "", stateless_modules),
    Claim(
        "O3",
        "100,000 people online and 900 messages a second take 8 cores and 16 GB.",
        "true",
        "this machine",
        speed,
    ),
    Claim(
        "O4",
        "Notifications gather in one conversation, each with its own sender's name and picture.",
        "true",
        "",
        one_conversation,
    ),
    Claim("O5", "Who is offline never sees an online-only notification.", "true", "", online_only),
)
