from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from kafka_lab import events
from kafka_lab.events import EVENT_TYPES, Event, LeaderChanged, clipped

NAMES = st.text(max_size=20)


def any_event() -> st.SearchStrategy[Event]:
    values = {
        str: NAMES,
        int: st.integers(-(2**53), 2**53),
        float: st.floats(0, 1e9),
        bool: st.booleans(),
        str | None: st.none() | NAMES,
        tuple[str, ...]: st.lists(NAMES, max_size=4).map(tuple),
    }
    return st.sampled_from(sorted(EVENT_TYPES)).flatmap(
        lambda name: st.builds(
            EVENT_TYPES[name],
            **{field.name: values[field.type] for field in structs.fields(EVENT_TYPES[name])},
        )
    )


@given(any_event())
def test_an_event_survives_json(event: Event) -> None:
    data = json.loads(json.dumps(event.to_dict()))
    assert EVENT_TYPES[data.pop("event")].from_dict(data) == event


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"partition": "0"}, "partition"),
        ({"partition": True}, "partition"),
        ({"leader": None}, "leader"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_fields_are_refused(change: dict[str, object], complaint: str) -> None:
    data = LeaderChanged("chat", 0, "broker-1", None, 0).to_dict() | change
    data.pop("event")
    with pytest.raises(TypeError, match=complaint):
        LeaderChanged.from_dict(data)


def test_every_public_event_can_be_recorded() -> None:
    public = {name for name in events.__all__ if name not in {"EVENT_TYPES", "Event", "clipped"}}
    assert public == set(EVENT_TYPES)


def test_an_event_is_stamped_once_and_then_copied() -> None:
    event = LeaderChanged("chat", 0, "broker-1", None, 0)
    first = event.stamped(3, 1.5)
    assert first is event
    again = event.stamped(0, 2.0)
    assert (again.seq, again.at_s) == (0, 2.0)
    assert (event.seq, event.at_s) == (3, 1.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("系统".encode(), "系统"),
        (b"\xff\xfe", "��"),
        (None, None),
        ("x" * 500, "x" * 119 + "…"),
        (b"x" * 10**7, "x" * 119 + "…"),
    ],
)
def test_the_timeline_keeps_a_bounded_text(value: object, text: str | None) -> None:
    assert clipped(value) == text
