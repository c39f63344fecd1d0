"""What holds for every picture, at every moment of a lesson; and what each one shows of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from kafka_lab import events as ev
from kafka_lab.errors import ConfigurationError
from kafka_lab.history import History
from kafka_lab.timeline import Timeline
from kafka_lab.views import (
    Together,
    View,
    elections_view,
    groups_view,
    inbox_view,
    order_view,
    route_view,
    topology_view,
    zookeeper_view,
)
from kafka_lab.views import scene as s

from .lesson import EVIL, lesson, notification

SVG = "{http://www.w3.org/2000/svg}"
TIMELINE = lesson()


def views_of(timeline: Timeline) -> dict[str, View]:
    history = History(timeline)
    return {
        "topology": topology_view(timeline, history),
        "elections": elections_view(timeline),
        "groups": groups_view(timeline, history),
        "order": order_view(timeline, "chat"),
        "zookeeper": zookeeper_view(timeline, history),
        "route": route_view(timeline),
        "inbox": inbox_view(timeline, "ada"),
    }


VIEWS = views_of(TIMELINE)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("at_s", [0.0, 1.5, 3.1, 4.9, 7.0, 9.0])
def test_it_is_well_formed_named_and_within_its_frame(name: str, at_s: float) -> None:
    view = VIEWS[name].at(at_s)
    scene = view.scene()
    root = ET.fromstring(view.to_svg())
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", 0)) >= 0
        assert float(rect.get("x", 0)) + float(rect.get("width", 0)) <= scene.size[0] + 1, rect.attrib
        assert float(rect.get("y", 0)) + float(rect.get("height", 0)) <= scene.size[1] + 1, rect.attrib
    for group in root.iter(f"{SVG}g"):
        assert group.get("role") != "img" or group.get("aria-label")
    assert scene.title
    assert scene.desc
    assert {layer for layer, _ in scene.items.values()} <= set(scene.layers)
    assert view.to_text().startswith(scene.title)


@pytest.mark.parametrize("name", VIEWS)
def test_text_is_text_everywhere(name: str) -> None:
    view = VIEWS[name]
    for text in (view.to_svg(), view.to_html()):
        assert "<img src=x" not in text
        assert "<b>" not in text


@pytest.mark.parametrize("name", VIEWS)
def test_before_anything_happened_there_is_a_hint(name: str) -> None:
    empty = views_of(Timeline())[name]
    assert "hint" in empty.scene().items
    ET.fromstring(empty.to_svg())


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink: str, paper: str) -> float:
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_inks_can_be_read_on_all_papers() -> None:
    papers = (s.WHITE, s.PALE_BLUE, s.PALE_ORANGE, s.PALE_GREY, s.PALE_VERMILION)
    for ink in (s.INK, s.GREY, s.VERMILION, s.GREEN, s.AMBER):
        assert min(contrast(ink, paper) for paper in papers) >= 4.5, ink
    for number in range(1, 10):
        assert contrast(s.WHITE, s.colour_of(f"broker-{number}")) >= 4.5
    assert len({s.colour_of(f"broker-{number}") for number in range(1, 10)}) == 9


def test_elections_show_reigns_gaps_and_marks() -> None:
    graph = VIEWS["elections"].graph()
    reigns = [graph.nodes["chat-0", number] for number in (1, 2, 3)]
    assert [reign["leader"] for reign in reigns] == ["broker-1", None, "broker-2"]
    assert reigns[1]["end_s"] - reigns[1]["begin_s"] == pytest.approx(0.1)
    assert ("chat-0", 2) in graph.successors(("chat-0", 1))
    assert [text for _, kind, text in graph.graph["marks"] if kind == "broken"] == ["kill broker-1"]
    assert len(graph.graph["acknowledged"]) == 10
    assert len(graph.graph["failed"]) == 1
    scene = VIEWS["elections"].scene()
    assert "longest time without a leader 0.10 s" in scene.desc
    assert "chat-0 without a leader" in str(scene.items["chat-0#2"])
    before = VIEWS["elections"].at(4.0).scene()
    assert "chat-0#2" not in before.items


def test_elections_of_the_last_seconds_only() -> None:
    late = elections_view(TIMELINE, last_s=3.0)
    assert late.graph().graph["begin_s"] == pytest.approx(TIMELINE.moment().at_s - 3.0)
    assert "chat-0#1" not in late.scene().items
    assert "chat-0#3" in late.scene().items


def test_a_rebalance_moves_partitions() -> None:
    before, after = VIEWS["groups"].at(2.0).graph(), VIEWS["groups"].graph()
    assert list(before.predecessors(("readers", "chat", 1))) == [("readers", "ben")]
    assert list(after.predecessors(("readers", "chat", 1))) == [("readers", "anna")]
    assert after.nodes["readers", "chat", 1]["before"] == "ben"
    assert after.nodes["readers", "chat", 0]["before"] is None
    assert after.nodes["readers"]["rebalances"] == 1
    assert after.nodes["readers", "chat", 0]["lag"] == 2
    assert "chat-1 ← ben" in VIEWS["groups"].to_svg()


def test_groups_side_by_side_even_one_that_is_not_there() -> None:
    view = groups_view(TIMELINE, History(TIMELINE), ("readers", "nobody-here"))
    items = view.scene().items
    lefts = {key: items[key][1][2][1][1]["x"] for key in items if key.startswith("group-")}
    assert lefts["group-nobody-here"] > lefts["group-readers"] + 300
    assert "not there" in view.to_svg()


def test_the_tree_marks_what_changed_and_what_is_gone() -> None:
    graph = VIEWS["zookeeper"].at(5.5).graph()
    assert graph.nodes["/brokers/ids/1"]["gone"]
    assert graph.nodes["/controller"]["changed"]
    assert graph.nodes["/controller"]["data"] == "brokerid: 2"
    assert graph.nodes["/controller"]["session"] == "0x2"
    assert list(graph.successors("/brokers")) == ["/brokers/ids"]
    assert "/brokers/ids/1" not in VIEWS["zookeeper"].at(12.0).graph()
    assert "/brokers/ids/1, gone" in VIEWS["zookeeper"].at(5.5).to_svg()


def test_a_route_has_its_times() -> None:
    graph = route_view(TIMELINE, "m1").graph()
    assert graph.graph["answer"] == "accepted"
    assert graph.nodes["record", "ada"]["offset"] == 7
    assert graph.nodes["inbox", "ada"]["seq"] == 1
    assert ("inbox", "office") not in graph
    rows = {row[0]: row for row in route_view(TIMELINE, "m1").scene().table.rows}
    assert rows["ada"][1] == "ws2ms_chat-3 @ 7"
    assert rows["office"][1:] == ("-", "-", "-", "-", "-")
    assert rows["ada"][-1] == "700 ms, online, ms2ps_chat-2 @ 4"
    assert graph.nodes["push", "ada"]["how"] == "online"


def test_the_route_of_a_notification_that_is_online_only_has_no_inbox() -> None:
    events = [event for event in TIMELINE if getattr(event, "clientMsgID", "") == "m1"]
    timeline = Timeline()
    for event in events:
        if not isinstance(event, ev.NotificationStored):
            timeline.append(event)
    view = route_view(timeline, "m1")
    assert list(view.graph().predecessors(("push", "ada"))) == [("record", "ada")]
    assert {row[0]: row[-1] for row in view.scene().table.rows}["ada"].endswith("online, ms2ps_chat-2 @ 4")
    assert "not stored</text>" in view.to_svg()


def test_the_route_of_an_unknown_message_says_so() -> None:
    assert "m99 was not sent yet" in route_view(TIMELINE, "m99").to_svg()
    assert "send(...) sends one" in route_view(Timeline()).to_svg()


def test_an_inbox_gathers_an_accounts_notifications() -> None:
    graph = VIEWS["inbox"].graph()
    assert list(graph.successors("notification_office")) == ["m1", "m2"]
    assert graph.nodes["m2"]["nickname"] == "Dr. <b>Who</b>"
    assert graph.nodes["m2"]["text"] == EVIL
    assert len(VIEWS["inbox"].at(6.0).graph()) == 0


def test_the_same_moment_is_the_same_picture() -> None:
    for view in VIEWS.values():
        assert view.at(3.5).scene() == view.at(3.5).scene()


def test_a_moment_before_the_beginning_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="-1"):
        VIEWS["topology"].at(-1)


def test_views_together_share_the_moment() -> None:
    both = Together(VIEWS["topology"], VIEWS["elections"]).at(3.1)
    assert [view.at_s for view in both.views] == [3.1, 3.1]
    figure = both.snapshot("Killed <at> 3 s")
    assert figure.to_html().count("<img") == 2
    assert "Killed &lt;at&gt; 3 s" in figure.to_html()
    assert re.search("broker-1", repr(figure))
    assert "image/svg+xml" in VIEWS["topology"].snapshot().bundle()
    with pytest.raises(ConfigurationError, match="one lab"):
        Together(VIEWS["topology"], order_view(lesson(), "chat"))
    with pytest.raises(ConfigurationError, match="one lab"):
        Together()


def test_freezing_what_was_never_shown() -> None:
    with pytest.raises(ConfigurationError, match="not shown"):
        VIEWS["topology"].freeze()


def test_hostile_notifications_neither_break_a_picture_nor_steer_a_terminal() -> None:
    timeline = Timeline()
    timeline.append(notification("m9", text="x\x1b]0;owned\x07\udc80", received_s=0.0))
    view = route_view(timeline)
    ET.fromstring(view.to_svg())
    view.to_html()
    assert "\x1b" not in view.to_text()
    assert "\x1b" not in view.snapshot("\x1b[31m").__repr__()


def test_fifty_partitions_of_one_member_are_all_counted() -> None:
    timeline = Timeline()
    timeline.append(ev.GroupChanged("g", "Stable", ("a",), tuple(f"t-{n} a" for n in range(50))))
    for number in range(50):
        timeline.append(ev.ReplicasAssigned("t", number, ("broker-1",)))
        timeline.append(ev.HighWatermarkMoved("t", number, 10))
        timeline.append(ev.OffsetCommitted("t", number, "g", 0))
    view = groups_view(timeline, History(timeline))
    assert "lag 500" in view.scene().desc
    assert len(view.scene().table.rows) == 50
    assert "and 10 more" in view.to_svg()


def test_a_topic_that_is_made_anew_begins_anew() -> None:
    timeline = Timeline()
    old = ev.RecordAcknowledged("t", 0, 0, "p", 1, None, "old")
    for event in (old, ev.RecordRead("t", 0, 0, "r"), ev.TopicDeleted("t")):
        timeline.append(event)
    timeline.append(ev.RecordAcknowledged("t", 0, 0, "p", 2, None, "new"))
    graph = order_view(timeline, "t").graph()
    assert graph.nodes[0, 0]["text"] == "new"
    assert graph.nodes[0, 0]["position"] is None


def test_clipping_knows_wide_characters_and_keeps_numbers() -> None:
    assert len(s.clipped("公" * 100, 372)) <= 372 / 12
    assert s.clipped_before("a-very-long-topic-name", "-17", 80).endswith("…-17")
    assert s.clipped_before("chat", "-17", 80) == "chat-17"
