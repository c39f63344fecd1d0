from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError, WaitTimeoutError
from kafka_lab.events import MemberEnded, PartitionsAssigned, PartitionsRevoked
from kafka_lab.groups import COMMITS, STRATEGIES, Group, Way

from ..waiting import until


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(ConfigurationError, match=f"choose one of: {', '.join(STRATEGIES)}"):
        Way(strategy="best")
    with pytest.raises(ConfigurationError, match=f"choose one of: {', '.join(COMMITS)}"):
        Way(commit="sometimes")


@pytest.fixture
def group(lab: Lab, topic: str) -> Iterator[Group]:
    with lab.group(topic, [topic], members=2) as group:
        group.wait_until_assigned()
        yield group


def send(lab: Lab, topic: str, count: int) -> None:
    producer = lab.producer()
    for number in range(count):
        producer.send(topic, str(number).encode(), partition=number % 3)
    producer.flush()


@pytest.mark.jvm
def test_members_share_the_partitions_and_the_work(lab: Lab, topic: str, group: Group) -> None:
    send(lab, topic, 30)
    group.wait_for(30)
    group.wait_until_committed()
    assert sorted(len(given) for given in group.members.values()) == [1, 2]
    assert set(group.counts().values()) == {1}
    rows = {row[0]: row[2:] for row in group.offsets().rows}
    assert rows[f"{topic}-0"] == ("10", "10", "10", "0")
    assert group.lag() == 0
    assert group.rebalances in {1, 2}  # two if the first member was alone for a moment
    assert str(group).splitlines()[1].split()[0] == f"{topic}-1"
    said = lab.tool("consumer-groups", "--describe", "--group", topic)
    told = {tuple(line.split()[1:6]) for line in said.splitlines() if line.startswith(topic)}
    assert told == {(topic, str(number), "10", "10", "0") for number in range(3)}


@pytest.mark.jvm
def test_who_leaves_is_replaced_at_once_and_who_is_killed_after_its_session(
    lab: Lab, topic: str, group: Group
) -> None:
    before = group.rebalances
    first, second = group.members
    assert group.add_member() == f"{topic}-3"
    assert set(group.wait_until_assigned()) == {first, second, f"{topic}-3"}
    group.kill_member(first)
    assert set(group.wait_until_assigned()) == {second, f"{topic}-3"}
    group.remove_member(second)
    assert set(group.wait_until_assigned()) == {f"{topic}-3"}
    ended = {event.member: event.how for event in lab.timeline if isinstance(event, MemberEnded)}
    assert (ended[first], ended[second]) == ("killed", "left")
    assert group.rebalances - before >= 3
    assert lab.timeline.find(PartitionsRevoked, member=second)
    with pytest.raises(ConfigurationError, match="no member of"):
        group.kill_member("nobody")


@pytest.mark.jvm
def test_who_hangs_loses_its_partitions_and_comes_back(group: Group) -> None:
    first, second = group.members
    group.hang_member(first)
    assert len(group.wait_until_assigned()[second]) == 3
    group.resume_member(first)
    until(lambda: len(group.members.get(first, ())) == 1 or len(group.members.get(second, ())) == 1)
    assert {len(given) for given in group.wait_until_assigned().values()} == {1, 2}


@pytest.mark.jvm
def test_a_handler_that_fails_ends_its_member_and_nothing_is_lost(lab: Lab, topic: str) -> None:
    seen: list[bytes] = []
    broken = threading.Event()

    def handle(records: list[Any]) -> None:
        if not broken.is_set():
            broken.set()
            raise ValueError("a bug")
        seen.extend(record.value for record in records)

    group = lab.group(topic, [topic], handle=handle)
    send(lab, topic, 6)
    group.wait_until_ended()
    assert group.table().rows[0][1] == "ValueError"
    group.add_member()
    group.wait_until_read()
    assert sorted(seen) == [str(number).encode() for number in range(6)]
    group.close()


@pytest.mark.jvm
def test_it_outlives_its_coordinator_and_ends_with_its_topic(lab: Lab, topic: str, group: Group) -> None:
    coordinator = lab.coordinator(topic)
    assert coordinator
    lab.kill(coordinator)
    send(lab, topic, 9)
    group.wait_for(9, timeout_s=60)
    assert set(group.counts().values()) <= {1, 2}  # who was handling when the commit failed does it again
    lab.restart(coordinator)
    lab.delete_topic(topic)
    group.close()
    assert all(state == "left" for _, state, _, _ in group.table().rows)


@pytest.mark.jvm
def test_what_cannot_be_is_refused_and_waiting_ends(lab: Lab, topic: str) -> None:
    for wrong, complaint in (
        ({"topics": ["nothing"]}, "no topic"),
        ({"topics": [topic], "members": 99}, "expected a whole number from 0 to 20"),
        ({"topics": [topic], "strategy": "best"}, "no strategy 'best'"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            lab.group("wrong", **wrong)  # type: ignore[arg-type]
    with lab.group(topic, topic, members=0) as empty, pytest.raises(WaitTimeoutError, match="one reader"):
        empty.wait_until_assigned(timeout_s=0.2)


@pytest.mark.jvm
def test_a_static_member_keeps_its_partitions(lab: Lab, topic: str) -> None:
    with lab.group(topic, [topic], members=0) as group:
        group.add_member("anna")
        group.add_member("ben")
        before = group.wait_until_assigned()
        generations = {
            e.generation for e in lab.timeline if isinstance(e, PartitionsAssigned) and e.group == topic
        }
        first = next(iter(before))
        group.kill_member(first)
        again = group.add_member("anna")
        until(lambda: again in group.members and group.members[again])
        assert group.members[again] == before[first]
        after = {e.generation for e in lab.timeline if isinstance(e, PartitionsAssigned) and e.group == topic}
        assert after == generations
