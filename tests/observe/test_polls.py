"""What the polls see of a real cluster, beside what Kafka's own tools and ZooKeeper say."""

from __future__ import annotations

import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.events import (
    GroupChanged,
    GroupDeleted,
    HighWatermarkMoved,
    MetadataChanged,
    OffsetCommitted,
    PollsFailed,
    PollsSucceeded,
    ReplicaDistanceChanged,
)

pytestmark = pytest.mark.jvm


def test_a_group_is_seen_from_its_birth_to_its_end(lab: Lab, topic: str) -> None:
    begin = len(lab.timeline)
    producer = lab.producer()
    for partition in (0, 1, 2, 2):
        producer.send(topic, b"x", partition=partition).get(30)
    consumer = lab.consumer(topic, group_id="seen", client_id="anna")
    read = 0
    while read < 4:
        read += sum(map(len, consumer.poll(timeout_ms=200).values()))
    changed = lab.wait_for(GroupChanged, group="seen", group_state="Stable", members=("anna",))
    assert changed.assignments == tuple(f"{topic}-{number} anna" for number in range(3))
    consumer.commit()
    assert lab.wait_for(OffsetCommitted, topic=topic, partition=2, group="seen", offset=2)
    assert lab.wait_for(HighWatermarkMoved, topic=topic, partition=2, offset=2)
    producer.send(topic, b"not read", partition=2).get(30)
    lab.wait_for(HighWatermarkMoved, topic=topic, partition=2, offset=3)
    rows = {row[2]: row for row in lab.groups("seen").scene().table.rows}
    assert rows[f"{topic}-2"] == ("seen", "anna", f"{topic}-2", "2", "1", "-", "Stable")

    told = lab.tool("consumer-groups", "--describe", "--group", "seen")
    line = next(line.split() for line in told.splitlines() if line.split()[2:3] == ["2"])
    assert line[3:6] == ["2", "3", "1"]  # committed, log end, lag

    consumer.close()
    lab.wait_for(GroupChanged, group="seen", group_state="Empty", members=())
    with lab._assembly.clients.admin() as admin:
        admin.delete_groups(["seen"])
    assert lab.wait_for(GroupDeleted, group="seen", since=begin)
    assert "seen" not in lab.state.groups


def test_a_leader_cut_from_the_others_goes_on_telling_that_it_leads(lab: Lab, topic: str) -> None:
    leader = lab.leader_of(topic, 0)
    assert leader
    others = [name for name in lab.state.nodes if name != leader]
    lab.wait_for(MetadataChanged, topic=topic, partition=0, broker=leader)
    for other in others:
        lab.cut(leader, other)
    begin = len(lab.timeline)
    successor = lab.wait_for(LeaderChanged, topic=topic, partition=0).leader
    for broker in others:
        if broker.startswith("broker"):
            lab.wait_for(
                MetadataChanged, topic=topic, partition=0, broker=broker, leader=successor, since=begin
            )
    assert lab.leader_of(topic, 0) == successor
    assert lab.told(topic, 0) == {**dict.fromkeys(lab.brokers, successor), leader: leader}
    row = next(row for row in lab.partitions(topic).rows if row[0] == f"{topic}-0")
    assert row[1] == successor
    assert row[4] == f"{leader} ({leader})"
    lab.heal_all()
    lab.wait_for(MetadataChanged, topic=topic, partition=0, broker=leader, leader=successor, since=begin)


def test_a_followers_distance_is_seen_and_closes(lab: Lab, topic: str) -> None:
    controller = lab.controller()
    partition = next(n for n, p in lab.state.topics[topic].items() if p.leader != controller)
    leader = lab.leader_of(topic, partition)
    assert leader
    follower = next(name for name in lab.brokers if name not in {leader, controller})
    lab.cut(follower, leader)
    lab.producer(acks=1, enable_idempotence=False).send(topic, bytes(5000), partition=partition).get(30)
    fallen = lab.wait_for(ReplicaDistanceChanged, topic=topic, partition=partition, replica=follower)
    assert fallen.behind_bytes > 5000
    lab.heal_all()
    lab.wait_for(ReplicaDistanceChanged, topic=topic, partition=partition, replica=follower, behind_bytes=0)


def test_polls_say_when_nobody_answers(lab: Lab) -> None:
    begin = len(lab.timeline)
    for broker in lab.brokers:
        lab.kill(broker)
    lab.wait_for(PollsFailed, since=begin, timeout_s=60)
    lab.heal_all()
    lab.wait_for(PollsSucceeded, since=begin, timeout_s=60)
