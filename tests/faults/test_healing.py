"""Everything comes back, whatever was broken in whatever order, and nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import random
import threading

import psutil
import pytest
from kafka.errors import KafkaError

from kafka_lab import IsrShrunk, Lab
from kafka_lab.errors import WaitTimeoutError
from kafka_lab.events import FaultEnded, FaultStarted

pytestmark = pytest.mark.jvm


@pytest.mark.parametrize(
    "broken",
    [
        ["kill broker-1", "kill broker-2", "kill broker-3"],
        ["kill zookeeper-1", "kill broker-1", "pause broker-2"],
        pytest.param(["pause zookeeper-1", "kill broker-3"], marks=pytest.mark.soak),
        pytest.param(["pause broker-1", "pause broker-2", "pause broker-3"], marks=pytest.mark.soak),
        ["kill broker-1", "stop broker-2", "kill broker-3", "stop zookeeper-1"],
        ["cut broker-1 zookeeper-1", "kill broker-1", "reset broker-2 zookeeper-1"],
        ["fail_disk broker-1", "cut broker-1 broker-2", "pause broker-2", "fail_disk broker-3"],
        pytest.param(["fail_disk broker-2", "kill broker-2", "kill zookeeper-1"], marks=pytest.mark.soak),
        pytest.param(
            ["pause broker-2", "fail_disk broker-2", "cut broker-2 broker-3"], marks=pytest.mark.soak
        ),
        ["pause zookeeper-1", "pause broker-1", "pause broker-2", "pause broker-3"],  # a laptop asleep
    ],
    ids=", ".join,
)
def test_whatever_was_broken_all_is_healed(lab: Lab, topic: str, broken: list[str]) -> None:
    lab.producer().send(topic, b"before", partition=0).get(30)
    for act, *names in map(str.split, broken):
        getattr(lab, act)(*names)
    lab.heal_all()
    assert all(node.running and not node.paused for node in lab.state.nodes.values())
    lab.producer().send(topic, b"after", partition=0).get(30)
    assert [record.value for record in lab.read(topic)] == [b"before", b"after"]


ACTS = (
    "kill",
    "stop",
    "pause",
    "expire_session",
    "fail_disk",
    "cut",
    "cut one way",
    "reset",
    "drop_responses",
)


def break_something(lab: Lab, chance: random.Random, client_id: str) -> None:
    """One act, on one broker and perhaps the link to another end, as the seed will have it."""
    act = chance.choice(ACTS)
    broker = chance.choice(lab.brokers)
    other = chance.choice([*(name for name in lab.state.nodes if name != broker), client_id])
    if act in {"cut", "reset", "drop_responses"}:
        getattr(lab, act)(broker, other)
    elif act == "cut one way":
        lab.cut(broker, other, one_way=True)
    else:
        getattr(lab, act)(broker)


@pytest.mark.parametrize(
    "seed", [20261124, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (11, 12, 13, 14))]
)
def test_a_random_walk_of_faults_loses_nothing_that_was_acknowledged(lab: Lab, topic: str, seed: int) -> None:
    """Under a steady stream; a seed that fails replays its faults."""
    chance = random.Random(seed)
    stop, acknowledged = threading.Event(), []
    producer = lab.producer(client_id=f"walker-{seed}")

    def send() -> None:
        number = 0
        while not stop.is_set():
            try:
                producer.send(topic, str(number).encode(), partition=number % 3).get(60)
                acknowledged.append(number)
            except KafkaError:
                pass  # not acknowledged: it may be there or not
            number += 1

    sender = threading.Thread(target=send)
    sender.start()

    def sent(count: int) -> None:
        enough = len(acknowledged) + count
        lab.timeline.wait_until(
            lambda: len(acknowledged) >= enough or None, timeout_s=60, expected=f"{count} acknowledgements"
        )

    try:
        for _ in range(4):
            sent(10)
            begin = len(lab.timeline)
            break_something(lab, chance, f"walker-{seed}")
            with contextlib.suppress(WaitTimeoutError):  # some break nothing that shows
                lab.timeline.wait_until(
                    lambda begin=begin: lab.timeline.find(IsrShrunk, since=begin),
                    timeout_s=4,
                    expected="a stir",
                )
            lab.heal_all()
        sent(10)
    finally:
        stop.set()
        sender.join()
    there = [int(record.value) for record in lab.read(topic)]
    assert set(acknowledged) <= set(there)
    assert len(there) == len(set(there))
    assert all(set(p.isr) == set(p.replicas) for p in lab.state.topics[topic].values())


def test_a_paused_cluster_can_be_closed() -> None:
    lab = Lab(brokers=1).start()
    pids = [node.pid for node in lab.state.nodes.values()]
    lab.pause("broker-1")
    lab.pause("zookeeper-1")
    lab.close()
    assert not any(map(psutil.pid_exists, pids))


def test_a_leader_that_takes_nobody_back_is_restarted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What heals it is tried on a cluster that only needs a moment: the moment is not granted."""
    monkeypatch.setattr("kafka_lab.faults.healing._STUCK_S", 0.0)
    begin = len(lab.timeline)
    lab.kill("broker-2", skip_wait=True)
    lab.heal_all()
    restarted = lab.timeline.find(FaultStarted, since=begin, fault="stop")
    assert restarted is not None
    assert lab.timeline.find(FaultEnded, since=begin, node=restarted.node, fault="stop") is not None
