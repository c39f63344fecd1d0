"""What feeds the live widgets, without a browser: traits are written, nobody looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kafka_lab.events import FaultStarted
from kafka_lab.history import History
from kafka_lab.timeline import Timeline
from kafka_lab.views import View, elections_view, topology_view
from kafka_lab.views.widget import SceneWidget, _sender, live, make

from ..waiting import until
from .lesson import lesson


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    timeline = lesson()
    timeline.ended = False
    yield timeline
    timeline.end()
    until(lambda: not any(shown.timeline is timeline for shown in _sender._followed.values()))


def topology(timeline: Timeline) -> View:
    return topology_view(timeline, History(timeline))


def desc(widget: SceneWidget) -> str:
    return str(widget.scenes[0]["desc"])


def test_a_picture_follows_and_says_where_the_time_is(timeline: Timeline) -> None:
    widget = make(topology(timeline))
    assert "Broken links" not in desc(widget)
    timeline.append(FaultStarted("broker-1", "cut", "broker-2"))
    until(lambda: "Broken links: broker-1 and broker-2 (cut)" in desc(widget))
    until(lambda: widget.marks[-1][1] == "✂ cut broker-1 – broker-2")
    assert widget.moment["live"]


def test_another_moment_is_answered_while_it_grows_and_after_its_end(timeline: Timeline) -> None:
    widget = make(topology(timeline))
    widget.asked_s = 3.2
    until(lambda: widget.moment["answered"] == 3.2)
    assert "Down: broker-1" in desc(widget)
    timeline.append(FaultStarted("broker-1", "cut", "broker-2"))
    until(lambda: widget.marks[-1][1].startswith("✂ cut"))
    assert "Broken links" not in desc(widget)
    timeline.end()
    until(lambda: widget not in _sender._followed)
    widget.asked_s = 1.5
    until(lambda: widget.moment["answered"] == 1.5)
    assert "Down: none" in desc(widget)
    until(lambda: widget not in _sender._followed)


def test_a_view_of_another_moment_is_drawn_once(timeline: Timeline) -> None:
    widget = make(topology(timeline).at(3.2))
    assert widget.asked_s == widget.moment["answered"] == 3.2
    assert "Down: broker-1" in desc(widget)


def test_a_picture_that_is_let_go_is_not_followed(timeline: Timeline) -> None:
    before = dict(_sender._followed)
    _, let_go = live(topology(timeline))
    assert len(_sender._followed) == len(before) + 1
    let_go()
    assert _sender._followed == before
    let_go()


def test_one_that_cannot_be_drawn_does_not_stop_the_others(timeline: Timeline) -> None:
    broken = topology(timeline)
    bad, good = make(broken), make(topology(timeline))

    def fail(_: object) -> None:
        raise AssertionError("a mistake")

    broken._draw_scene = fail  # type: ignore[assignment]
    timeline.append(FaultStarted("broker-1", "cut", "broker-2"))
    until(lambda: "Broken links" in desc(good))
    until(lambda: bad not in _sender._followed)


def test_time_goes_by_in_what_flows(timeline: Timeline) -> None:
    timeline._origin -= 60
    widget = make(elections_view(timeline, last_s=5.0))
    first = desc(widget), widget.scenes[0]["items"]["axis"]
    until(lambda: (desc(widget), widget.scenes[0]["items"]["axis"]) != first)
