"""Claims about consumers, groups, and the offsets that they keep."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kafka_lab.experiments.claims.claim import Check, Claim
from kafka_lab.experiments.claims.hands import WAIT_MS, make_topic, refusal, send, zookeeper_of
from kafka_lab.experiments.semantics import semantics
from kafka_lab.experiments.subject import Subject
from kafka_lab.logfiles import internal_row
from kafka_lab.observe.direct import fetch_from
from kafka_lab.views.scene import Scene

__all__ = ["READER_CLAIMS"]

_DEFAULT_GROUP = "test-consumer-group"
_LONG_POLL_MS = 1500
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WAIT_S = 30.0


def where_offsets_are(lab: Subject) -> Iterator[Check | Scene]:
    """Look for a group's offset in ZooKeeper, in the internal topic's files, and in a database."""
    topic = make_topic(lab, "K17")
    send(lab, topic, (f"message {n}" for n in range(10)))
    with lab.group(topic, [topic]) as group:
        group.wait_for(10)
        group.wait_until_committed()
    client = zookeeper_of(lab)
    if client is not None:
        kept = client.get_children("/consumers") if client.exists("/consumers") else []
        yield Check(
            "nothing is in ZooKeeper's /consumers, where old consumers kept them", f"{kept}", not kept
        )
    partitions = lab.state.topics["__consumer_offsets"]
    rows = [
        row
        for number in partitions
        for record in lab.log_files("__consumer_offsets", number).records()
        if (row := internal_row("__consumer_offsets", record.key, record.value)) and topic in row[1]
    ]
    found = [said for kind, _, said in rows if kind == "offset"]
    yield Check(
        "new ones keep them in an internal topic",
        f"__consumer_offsets: {found[-1] if found else 'nothing'}",
        bool(found) and found[-1].startswith("offset 10,"),
    )
    report = semantics(lab, "effectively once")
    yield Check(
        "one may keep them elsewhere",
        f"in a database, in one transaction with the results: of {report.delivery.sent} messages "
        f"{report.delivery.stored} were handled, {len(report.delivery.doubled)} twice, though a member died",
        not report.delivery.lost and not report.delivery.doubled,
    )


def pull(lab: Subject) -> Iterator[Check | Scene]:
    """Ask an empty partition, and wait; ask again, and send a message meanwhile."""
    topic = make_topic(lab, "K20")
    send(lab, topic, ["one"], acks="all")
    host, port = lab.address_of(lab.leader_of(topic, 0) or "")
    idle_s, idle_bytes = _long_poll(host, port, topic)
    yield Check(
        "without a message the broker answers when the time is over (fetch.max.wait.ms)",
        f"asked to wait {_LONG_POLL_MS} ms: answered after {1000 * idle_s:.0f} ms with {idle_bytes} bytes",
        1000 * idle_s >= 0.9 * _LONG_POLL_MS and not idle_bytes,
    )
    sender = threading.Timer(0.3, lambda: send(lab, topic, ["two"], acks="all"))
    sender.start()
    busy_s, busy_bytes = _long_poll(host, port, topic)
    sender.join()
    yield Check(
        "with one it answers at once (fetch.min.bytes)",
        f"a message after 0.3 s: answered after {1000 * busy_s:.0f} ms with {busy_bytes} bytes",
        busy_bytes > 0 and busy_s < idle_s,
    )
    with socket.create_connection((host, port), timeout=1) as link:
        send(lab, topic, ["three"], acks="all")
        unasked = _heard(link)
    yield Check(
        "who does not ask gets nothing",
        f"a connection was open for a second while a message was written: {unasked} bytes came",
        not unasked,
    )


def _heard(link: socket.socket) -> int:
    """Return how many bytes come unasked, within the socket's timeout."""
    try:
        return len(link.recv(1))
    except TimeoutError:
        return 0


def _long_poll(host: str, port: int, topic: str) -> tuple[float, int]:
    """Return how long a fetch at the end of the topic took, and how many bytes it brought."""
    begin = time.monotonic()
    answer = fetch_from(host, port, topic, 0, 1, version=10, max_wait_ms=_LONG_POLL_MS)
    return time.monotonic() - begin, answer[1] if answer else -1


def default_group(lab: Subject) -> Iterator[Check | Scene]:
    """Read without a group, look for new groups, and try to commit."""
    topic = make_topic(lab, "K21")
    send(lab, topic, ["one"])
    before = _groups(lab)
    consumer = lab.consumer(topic, consumer_timeout_ms=WAIT_MS)
    record = next(iter(consumer))
    said = refusal(consumer.commit)
    consumer.close()
    new = _groups(lab) - before
    yield Check(
        f"it is in {_DEFAULT_GROUP}, or in any group",
        f"it read offset {record.offset}; new groups: {sorted(new) or 'none'}",
        _DEFAULT_GROUP in new,
    )
    yield Check("it can commit", said or "it could", not said)


def _groups(lab: Subject) -> set[str]:
    with lab.admin() as admin:
        return {str(group["group_id"]) for group in admin.list_groups()}


def member_ids(lab: Subject) -> Iterator[Check | Scene]:
    """Describe a group, and take its member's id apart."""
    topic = make_topic(lab, "K22")
    with lab.group(topic, [topic]) as group, lab.admin() as admin:
        group.wait_until_assigned()
        (member,) = admin.describe_groups([topic])[topic]["members"]
    name, client = member["member_id"], member["client_id"]
    old = re.fullmatch(rf"{re.escape(topic)}_.+-\d{{13}}-[0-9a-f]{{8}}", name)
    yield Check(
        "it is made of group, host, time and 8 characters of a UUID",
        f"{name}: the client id {client!r} and a UUID, given by the coordinator",
        bool(old),
        until="Kafka 0.9 (the consumers before it, of ZooKeeper, made theirs so)",
    )
    yield Check("it is unique", f"{name}", bool(re.fullmatch(rf"{re.escape(client)}-{_UUID}", name)))


def unicast_and_broadcast(lab: Subject) -> Iterator[Check | Scene]:
    """Count deliveries within a group and between groups; then kill a member before it commits."""
    topic = make_topic(lab, "K23", partitions=4)
    send(lab, topic, (f"message {n}" for n in range(40)), acks="all")
    with lab.group(f"{topic}-a", [topic], members=2) as one, lab.group(f"{topic}-b", [topic]) as other:
        one.wait_for(40)
        other.wait_for(40)
        members = Counter(delivered.member for delivered in one.deliveries)
        counts = [max(group.counts().values()) for group in (one, other)]
    yield Check(
        "a message goes to one member of a group, and to each group",
        f"40 messages: {dict(members)} in the first group, {len(other.deliveries)} in the other; most often "
        f"{max(counts)} time",
        counts == [1, 1] and len(one.deliveries) == len(other.deliveries) == 40,
        under="while all members live",
    )
    report = semantics(lab, "at least once")
    yield Check(
        "a message goes to one member of a group",
        f"{report.killed} died before its commit: {len(report.delivery.doubled)} messages went to two",
        not report.delivery.doubled,
        under="when one dies before it commits",
    )


def one_type_per_group(lab: Subject) -> Iterator[Check | Scene]:
    """Let one group read two topics; then let two services share one group."""
    orders, invoices = make_topic(lab, "K24-orders"), make_topic(lab, "K24-invoices", partitions=2)
    send(lab, orders, ["order"] * 6)
    send(lab, invoices, ["invoice"] * 6)
    with lab.group(f"{orders}-both", [orders, invoices]) as group:
        group.wait_for(12)
        kinds = Counter(delivered.topic for delivered in group.deliveries)
    yield Check(
        "a group has one type of message", f"one group read {dict(kinds)}", len(kinds) == 1, under="types"
    )
    name = f"{orders}-shared"
    with lab.group(name, [invoices], members=2) as services:  # one member each: mails, and the ledger
        services.wait_until_assigned()
        send(lab, invoices, ["invoice"] * 20, key=lambda number: f"customer-{number}")
        services.wait_for(26)
        got = sorted(Counter(delivered.member for delivered in services.deliveries).values())
    yield Check(
        "another service needs another group",
        f"two services in one group: of 26 invoices one got {got[0]}, the other {got[-1]}",
        max(got) < 26,
        under="services",
    )


def platform(lab: Subject) -> Iterator[Check | Scene]:
    """Count unread messages as they come, while a broker dies."""
    topic = make_topic(lab, "K27", partitions=3)
    seen: dict[tuple[int, int], str] = {}  # by partition and offset: what is delivered again counts once

    def count(records: list[Any]) -> None:
        seen.update({(record.partition, record.offset): record.key.decode() for record in records})

    users = ("anna", "ben", "cleo")
    with lab.group(topic, [topic], members=2, handle=count) as group:
        group.wait_until_assigned()
        send(lab, topic, ["before"] * 30, key=lambda n: users[n % 3], acks="all")
        lab.kill(lab.leader_of(topic, 0) or "")
        send(lab, topic, ["after"] * 30, key=lambda n: users[n % 3], acks="all")
        group.wait_until_read()
    unread = Counter(seen.values())
    yield Check(
        "it publishes, keeps, and lets count as it comes, a broker's death included",
        f"60 messages sent, unread: {dict(sorted(unread.items()))}",
        unread == dict.fromkeys(users, 20),
    )


READER_CLAIMS = (
    Claim(
        "K17",
        "Old consumers kept offsets in ZooKeeper, new ones in a topic; one may keep them elsewhere.",
        "true",
        "",
        where_offsets_are,
    ),
    Claim("K20", "Consumers pull.", "true", "", pull),
    Claim(
        "K21",
        f"A consumer without a group joins the default group {_DEFAULT_GROUP}.",
        "false",
        "",
        default_group,
    ),
    Claim(
        "K22",
        "Each consumer has a unique id, made from group, host, time and 8 characters of a UUID.",
        "outdated",
        "",
        member_ids,
    ),
    Claim(
        "K23",
        "Within a group a message goes to one consumer, between groups to all.",
        "depends",
        "whether a member dies",
        unicast_and_broadcast,
    ),
    Claim(
        "K24",
        "A group consumes one type of message; another service needs another group.",
        "depends",
        "topics or services",
        one_type_per_group,
    ),
    Claim(
        "K27",
        "A streaming platform publishes, stores with fault tolerance, and processes as data arrive.",
        "true",
        "",
        platform,
    ),
)
