"""Claims about leaders, followers, brokers, and ZooKeeper."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kafka.errors import for_code

from kafka_lab.errors import WaitTimeoutError
from kafka_lab.events import BrokerLost, IsrExpanded, IsrShrunk, LeaderChanged, RecordAcknowledged
from kafka_lab.experiments.claims.claim import Check, Claim
from kafka_lab.experiments.claims.hands import follower_of, make_topic, refusal, send, zookeeper_of
from kafka_lab.experiments.failover import failover
from kafka_lab.experiments.subject import Subject
from kafka_lab.observe.direct import fetch_from, produce_to
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["REPLICA_CLAIMS"]

_WAIT_S = 30.0
_KRAFT = "Kafka 4.0 (KRaft alone, KIP-833)"
_LARGE_IDS = (
    "the lab sets broker.id.generation.enable to false: as shipped, ids above reserved.broker.max.id, 1000, "
    "are Kafka's own to give"
)
_FIRST_WITH_FOLLOWERS = 11  # the version of Fetch


def leader_serves(lab: Subject) -> Iterator[Check | Scene]:
    """Ask a follower to write, and to be read from, as older and newer consumers do."""
    topic = make_topic(lab, "K11")
    send(lab, topic, ["one"], acks="all")
    follower = follower_of(lab, topic)
    host, port = lab.address_of(follower)
    code = produce_to(host, port, topic, 0, b"to a follower")
    yield Check(
        "a follower refuses to write", f"{follower}: {_error(code)}", code not in {0, None}, under="writes"
    )
    for version in (_FIRST_WITH_FOLLOWERS - 1, _FIRST_WITH_FOLLOWERS):
        answer = _once_it_knows(lambda v=version: fetch_from(host, port, topic, 0, 0, version=v))  # type: ignore[misc]
        yield Check(
            "a follower refuses to be read from",
            f"{follower}: {_error(answer[0])}, {answer[1]} bytes of records",
            answer[0] != 0,
            under=f"reads, version {version} of Fetch",
            until="" if version < _FIRST_WITH_FOLLOWERS else "Kafka 2.4 (KIP-392)",
        )


def _once_it_knows(ask: Callable[[], tuple[int, int] | None]) -> tuple[int, int]:
    """Return an answer; a follower hears with its next fetch what may be read, so ask a few times.

    Raises
    ------
    WaitTimeoutError
        There was none.
    """
    answer, pause = ask(), threading.Event()
    for _ in range(50):
        if answer is not None and (answer[0] or answer[1]):
            break
        pause.wait(0.1)
        answer = ask()
    if answer is None:
        raise WaitTimeoutError("an answer of a follower", waited_s=5, last_seen="none")
    return answer


def _error(code: int | None) -> str:
    return "no answer" if code is None else str(for_code(code).__name__)


def who_elects(lab: Subject) -> Iterator[Check | Scene]:
    """Predict the successor from the assignment, kill the leader, and see who wrote it down."""
    topic = make_topic(lab, "K12")
    send(lab, topic, ["one"], acks="all")
    state = lab.state.topics[topic][0]
    leader = state.leader or ""
    predicted = next(name for name in state.replicas if name != leader and name in state.isr)
    begin = len(lab.timeline)
    lab.kill(leader, skip_wait=not lab.state.in_kraft)
    new = lab.timeline.wait_for(LeaderChanged, since=begin, topic=topic, partition=0, timeout_s=_WAIT_S)
    yield Check(
        "the followers elect one of them",
        f"the controller {lab.controller()} picked {new.leader}: the first of {', '.join(state.replicas)} "
        f"that was in sync and alive, as predicted ({predicted}); nobody voted",
        new.leader != predicted,
        under="by the followers",
    )
    client = zookeeper_of(lab)
    if client is None:
        yield Check(
            "the controller is ZooKeeper's", "there is none", False, under="through ZooKeeper", until=_KRAFT
        )
        return
    data, stat = client.get("/controller")
    epoch = json.loads(client.get(f"/brokers/topics/{topic}/partitions/0/state")[0])["controller_epoch"]
    yield Check(
        "ZooKeeper has the controller and the outcome",
        f"/controller is ephemeral (session {stat.ephemeralOwner:#x}): {data.decode()}; it wrote the leader "
        f"under its epoch {epoch}",
        stat.ephemeralOwner != 0,
        under="through ZooKeeper",
    )


def isr_in_zookeeper(lab: Subject) -> Iterator[Check | Scene]:
    """Freeze a follower under a stream of messages, and let it go on."""
    topic = make_topic(lab, "K13")
    send(lab, topic, ["one"], acks="all")
    follower, client = follower_of(lab, topic), zookeeper_of(lab)
    stream = lab.stream(topic, per_s=20)
    try:
        begin = len(lab.timeline)
        lab.pause(follower)
        lab.timeline.wait_for(IsrShrunk, since=begin, topic=topic, timeout_s=_WAIT_S)
        isr, kept = lab.isr_of(topic, 0), _isr_znode(client, topic)
        agrees = bool(kept) and {f"broker-{n}" for n in json.loads(kept.partition(": ")[2])["isr"]} == set(
            isr
        )
        yield Check(
            "a follower that lags leaves", f"{follower} frozen: in sync {', '.join(isr)}", follower not in isr
        )
        lab.resume(follower)
        lab.timeline.wait_for(IsrExpanded, since=begin, topic=topic, timeout_s=_WAIT_S)
        back = lab.isr_of(topic, 0)
        yield Check("it comes back", f"in sync {', '.join(back)}", follower in back)
    finally:
        stream.close()
    yield Check("ZooKeeper keeps the ISR", kept or "there is no ZooKeeper", agrees, until=_KRAFT)


def _isr_znode(client: Any | None, topic: str) -> str:  # noqa: ANN401 - kazoo has no types
    if client is None:
        return ""
    path = f"/brokers/topics/{topic}/partitions/0/state"
    return f"{path}: {client.get(path)[0].decode()}"


def ways_to_be_down(lab: Subject) -> Iterator[Check | Scene]:
    """Break a leader in several ways, and measure how long acknowledgements stop."""
    topic = make_topic(lab, "K14")
    send(lab, topic, ["one"], acks="all")
    ways = ("stop", "kill", "pause", *(("cut",) if lab.has_links else ()))
    stalls = {}
    for how in ways:
        report = failover(lab, topic, how=how, runs=1)
        stalls[f"{how} the leader"] = report.runs[0].acknowledged_s
    if lab.has_links:
        stalls["slow link to the leader"] = _slow_acknowledgement(lab, topic)
    figures = [(how, f"{seconds:.2f} s") for how, seconds in stalls.items()]
    yield Check(
        "they do not look the same from outside",
        "until the next acknowledgement: " + ", ".join(f"{how} {text}" for how, text in figures),
        max(stalls.values()) > 2 * min(stalls.values()),
    )
    bars = [Bar(how, seconds, f"{seconds:.2f} s") for how, seconds in stalls.items()]
    yield bars_scene("Down", "seconds until the next acknowledgement", bars, Table(("how", "took"), figures))


def _slow_acknowledgement(lab: Subject, topic: str) -> float:
    """Return how long an acknowledgement takes while the leader's followers are 200 ms away."""
    leader = lab.leader_of(topic, 0) or ""
    for name in lab.brokers:
        if name != leader:
            lab.slow(leader, name, latency_ms=200)
    begin = len(lab.timeline)
    send(lab, topic, ["slowly"], acks="all")
    took = lab.timeline.wait_for(RecordAcknowledged, since=begin, topic=topic, timeout_s=_WAIT_S).latency_s
    lab.heal_all()
    return took


def broker_ids(lab: Subject) -> Iterator[Check | Scene]:
    """Add a broker with a large id, and try to register one that is taken."""
    name = lab.add_broker(4711)
    client = zookeeper_of(lab)
    try:
        registered = f"{name} registered; brokers: {', '.join(lab.state.brokers)}"
        if client is not None:
            registered += f" ({_LARGE_IDS})"
        yield Check("any number that is not negative", registered, name in lab.state.brokers)
    finally:
        lab.remove_broker(name)
    taken = f"/brokers/ids/{lab.brokers[0].rpartition('-')[2]}"
    if client is None:
        return  # KRaft's controllers tell brokers apart by their incarnations; nobody else can ask for an id
    said = refusal(lambda: client.create(taken, b"{}", ephemeral=True))  # what a starting broker does
    yield Check(
        "ids are unique: a second registration is refused", f"create {taken}: {said or 'done'}", bool(said)
    )


def zookeeper_has_it(lab: Subject) -> Iterator[Check | Scene]:
    """Look for a topic in the tree, set a watch, and kill a broker."""
    topic, client = make_topic(lab, "K25"), zookeeper_of(lab)
    if client is None:
        keepers = lab.quorum().rows
        yield Check(
            "metadata are in ZooKeeper", f"they are in KRaft's quorum: {keepers}", False, until=_KRAFT
        )
        return
    data, _ = client.get(f"/brokers/topics/{topic}")
    kept = [f"broker-{number}" for number in json.loads(data)["partitions"]["0"]]
    yield Check(
        "the tree has the topic and its replicas",
        f"/brokers/topics/{topic}: {data.decode()[:120]}",
        kept == list(lab.state.topics[topic][0].replicas),
    )
    fired = threading.Event()
    client.get_children("/brokers/ids", watch=lambda _: fired.set())
    begin = len(lab.timeline)
    lab.kill(lab.brokers[-1], skip_wait=True)
    lab.timeline.wait_for(BrokerLost, since=begin, timeout_s=_WAIT_S)
    told = fired.wait(_WAIT_S)
    yield Check(
        "a watch tells of a broker's death", f"/brokers/ids: {client.get_children('/brokers/ids')}", told
    )


def scaling_out(lab: Subject) -> Iterator[Check | Scene]:
    """Add a broker, look at what it has, and move a partition to it."""
    topic = make_topic(lab, "K26", partitions=3)
    send(lab, topic, (f"message {n}" for n in range(30)), acks="all")
    name = lab.add_broker()
    try:
        has = _partitions_of(lab, name)
        yield Check(
            "a new broker takes its share", f"{name} has {has} partitions", has > 0, under="by itself"
        )
        others = [each for each in lab.state.topics[topic][0].replicas if each != lab.leader_of(topic, 0)]
        lab.reassign(topic, 0, [name, *others])
        has, messages = _partitions_of(lab, name), len(lab.read(topic))
        yield Check(
            "data can be moved to it",
            f"after a reassignment it has {has}; all {messages} messages are there",
            has > 0 and messages == 30,
            under="when somebody plans it",
        )
    finally:
        lab.remove_broker(name)


def _partitions_of(lab: Subject, broker: str) -> int:
    return sum(broker in p.replicas for topic in lab.state.topics.values() for p in topic.values())


REPLICA_CLAIMS = (
    Claim(
        "K11",
        "Only the leader serves reads and writes; followers copy.",
        "depends",
        "who asks: writes, old and new consumers",
        leader_serves,
    ),
    Claim(
        "K12",
        "If the leader fails, the followers elect a new one, through ZooKeeper.",
        "depends",
        "who is meant by 'elect'",
        who_elects,
    ),
    Claim(
        "K13",
        "ZooKeeper keeps the ISR; a follower that is dead or lags leaves it.",
        "true",
        "ZooKeeper mode",
        isr_in_zookeeper,
    ),
    Claim(
        "K14",
        "'Down' means many things: stopped, crashed, frozen, cut off, slow.",
        "true",
        "",
        ways_to_be_down,
    ),
    Claim("K19", "Every broker has a unique id, any number that is not negative.", "true", "", broker_ids),
    Claim(
        "K25",
        "ZooKeeper has the metadata, and its watches keep the cluster informed.",
        "true",
        "ZooKeeper mode",
        zookeeper_has_it,
    ),
    Claim(
        "K26",
        "ZooKeeper makes it easy to scale out and to move data.",
        "depends",
        "who does the moving",
        scaling_out,
    ),
)
