"""A recording as one HTML file: in a real browser, from disk, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from kafka_lab import Replay, Timeline
from kafka_lab.errors import ConfigurationError, TimelineError
from kafka_lab.views.replay import frames_of

from .lesson import EVIL, lesson


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return lesson().save(tmp_path / "lesson.jsonl")


def applied(frames: list[list[Any]]) -> Iterator[dict[str, Any]]:
    scene: dict[str, Any] = {"items": {}}
    for _, changes in frames:
        items = {**scene["items"], **changes.get("items", {})}
        scene = {**scene, **changes, "items": {key: item for key, item in items.items() if item is not None}}
        yield scene


def test_frames_give_every_picture_again(recording: Path) -> None:
    replay = Replay(recording)
    moments = [0.0, 0.5, 1.0, 2.0, 3.1, 4.9, 5.0, 7.0, 9.0]
    for view in (replay.topology(), replay.elections(), replay.groups(), replay.order("chat")):
        frames = frames_of(view, [(at_s, at_s) for at_s in moments])
        shown = dict(zip([at_s for at_s, _ in frames], applied(frames), strict=True))
        for at_s in moments:
            latest = shown[max(when for when in shown if when <= at_s)]
            assert latest == view.at(at_s).scene().to_dict()


def test_a_replay_has_the_pictures_of_a_lab(recording: Path) -> None:
    replay = Replay(recording)
    assert replay.leader_of("chat", 0) == "broker-2"
    assert replay.state_at(2.0).partition_of("chat", 0).leader == "broker-1"
    assert "broker-1, down" in replay.topology().at(3.5).to_svg()
    assert replay.brokers == ("broker-1", "broker-2", "broker-3")
    assert "(recorded)" in repr(replay)
    assert replay.znodes().rows
    with pytest.raises(ConfigurationError, match="last_s is 0"):
        replay.elections(last_s=0)
    with pytest.raises(ConfigurationError, match="no topic"):
        replay.order("nowhere")


def test_a_recording_that_was_cut_can_be_read_in_part(recording: Path) -> None:
    text = recording.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    lines.insert(10, '{"event": "Moonrise", "seq": 9}\n')
    recording.write_text("".join(lines)[:-30], encoding="utf-8")
    with pytest.raises(TimelineError, match=r"line 11: .*Moonrise.*the 9 events before it.*partial=True"):
        Replay(recording)
    partial = Replay(recording, partial=True)
    assert len(partial.timeline) == len(lesson()) - 1
    assert [event.seq for event in partial.timeline] == list(range(len(partial.timeline)))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match="No such file"):
        Replay(tmp_path / "nothing.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Replay(Timeline().save(tmp_path / "empty.jsonl")).save_html(tmp_path / "no folder" / "x.html")


@pytest.fixture
def page(browser: Browser, recording: Path, tmp_path: Path) -> Iterator[Page]:
    path = Replay(recording).save_html(tmp_path / "lesson.html", title="A <lesson>")
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    errors: list[Any] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{path.as_uri()}#t=2.0")
    page.wait_for_selector("[data-ready]")
    yield page
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith("file:")] == []


@pytest.mark.browser
def test_it_opens_at_a_moment_and_is_dragged(page: Page) -> None:
    expect(page.get_by_role("heading", name="A <lesson>")).to_be_visible()
    expect(page.get_by_role("img", name="chat-0 on broker-1: leader, leader epoch 0")).to_be_visible()
    page.get_by_role("slider", name="Moment").fill("3.5")
    expect(page.get_by_role("img", name="broker-1, down, down, session open")).to_be_visible()
    page.get_by_role("slider", name="Moment").fill("5.5")
    expect(page.get_by_role("img", name="chat-0 on broker-2: leader, leader epoch 1")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("chat-0 without a leader"))).to_be_attached()
    expect(page).to_have_url(re.compile("#t=5.5$"))


@pytest.mark.browser
def test_keys_events_and_links_go_to_moments(page: Page) -> None:
    page.keyboard.press("End")
    expect(page.get_by_role("img", name="broker-1, running")).to_be_visible()
    page.keyboard.press("Home")
    expect(page.get_by_text(re.compile(r"^0\.0 s of "))).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text("0.1 s: zookeeper-1 started")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(re.compile(r"^1\.1 s of "))).to_be_visible()
    page.get_by_role("button", name="✂ kill broker-1").click()
    expect(page.get_by_role("button", name="✂ kill broker-1")).to_have_attribute("aria-current", "true")
    page.evaluate("location.hash = '#t=1.0'")
    expect(page.get_by_text(re.compile(r"^1\.0 s of "))).to_be_visible()
    page.locator("h1").click()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


@pytest.mark.browser
def test_hostile_text_is_shown_as_text(page: Page) -> None:
    page.keyboard.press("End")
    expect(page.get_by_role("img", name=EVIL).first).to_be_attached()
    assert page.locator("main img").count() == 0
    page.get_by_role("checkbox", name="Inbox of ada").uncheck()
    expect(page.get_by_role("img", name=EVIL)).to_have_count(0)
