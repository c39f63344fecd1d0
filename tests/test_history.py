from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.events import BrokerLost, BrokerRegistered, ControllerElected, ControllerLost, Event
from kafka_lab.history import History
from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline

EVENTS: tuple[Event, ...] = (
    BrokerRegistered("broker-1"),
    ControllerElected("broker-1"),
    BrokerLost("broker-1"),
    ControllerLost("broker-1"),
    ControllerElected("broker-2"),
)


def timeline_of(count: int) -> Timeline:
    timeline = Timeline()
    for number in range(count):
        timeline.append(EVENTS[number % len(EVENTS)])
    return timeline


@given(st.integers(0, 700), st.integers(0, 720))
def test_any_moment_is_the_fold_up_to_it(count: int, asked: int) -> None:
    timeline = timeline_of(count)
    assert History(timeline).after(asked) == ClusterState.after(timeline.since(0, asked))


@given(st.integers(0, 600), st.integers(1, 300))
def test_it_grows_with_its_timeline(first: int, more: int) -> None:
    timeline = timeline_of(first)
    history = History(timeline)
    assert history.now() == ClusterState.after(timeline)
    for number in range(more):
        timeline.append(EVENTS[number % 3])
    assert history.now() == ClusterState.after(timeline)
    assert history.after(first) == ClusterState.after(timeline.since(0, first))
