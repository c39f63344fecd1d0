"""The widget's own page code, in a real Chromium, without Jupyter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from kafka_lab.state import ClusterState
from kafka_lab.table import Table
from kafka_lab.views.page import module
from kafka_lab.views.scene import Scene, label, rounded
from kafka_lab.views.topology import topology_graph, topology_scene

from .test_topology import killed, story

pytestmark = pytest.mark.browser

CODE = module("scene", "player", "widget")

# What a widget's model is to its view.
MODEL = """async ([code, values]) => {
  const listeners = new Map();
  window.model = {
    values,
    saved: 0,
    get(name) { return this.values[name]; },
    set(name, value) {
      this.values[name] = value;
      for (const call of listeners.get(`change:${name}`) ?? []) call();
    },
    save_changes() { this.saved += 1; },
    on(name, call) { listeners.set(name, [...(listeners.get(name) ?? []), call]); },
    off(name, call) { listeners.set(name, listeners.get(name).filter(other => other !== call)); },
  };
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.close_widget = widget.render({ model, el: document.body });
}"""
MARKS = [[1.0, "kill broker-1"], [2.5, "broker-2 leads"]]


class Shown:
    """A page that shows scenes, which can be replaced."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show_all(self, scenes: list[dict[str, Any]]) -> None:
        moment = {"length_s": 4.0, "live": True, "answered": None}
        values = {"scenes": scenes, "marks": MARKS, "moment": moment, "asked_s": None}
        self.page.evaluate(MODEL, [CODE, values])

    def show(self, *scenes: Scene) -> None:
        self.show_all([scene.to_dict() for scene in scenes])

    def replace(self, scene: Scene) -> None:
        self.page.evaluate("scene => model.set('scenes', [scene])", scene.to_dict())

    def asked_s(self) -> float | None:
        asked: float | None = self.page.evaluate("model.get('asked_s')")
        return asked

    def answer(self, length_s: float = 4.0, *, live: bool = True) -> None:
        told = {"length_s": length_s, "live": live}
        self.page.evaluate("told => model.set('moment', {...told, answered: model.get('asked_s')})", told)


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    page = browser.new_page()
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.set_content("<!doctype html><title>widget</title>")
    yield Shown(page)
    page.close()
    assert errors == []


def scene_of(events: list[Any]) -> Scene:
    return topology_scene(topology_graph(ClusterState.after(events)))


def small(text: str, **attributes: object) -> Scene:
    scene = Scene((100, 50), "Title", "Sentence", Table(("column",), [(text,)]), ("only",))
    scene.add("item", "only", text, [rounded(0, 0, 9, 9, 2), label(1, 1, text, **attributes)])
    return scene


def test_the_picture_follows_the_cluster(shown: Shown) -> None:
    shown.show(scene_of(story()))
    page = shown.page
    expect(page.get_by_role("img", name="chat-0 on broker-1: leader, leader epoch 0")).to_be_visible()
    expect(page.get_by_role("img", name="broker-1, running")).to_be_visible()
    shown.replace(scene_of(killed()))
    expect(page.get_by_role("img", name="broker-1, down")).to_be_visible()
    expect(page.get_by_role("img", name="chat-0 on broker-2: leader, leader epoch 1")).to_be_visible()
    expect(page.get_by_role("img", name="chat-0 on broker-1: leader")).to_have_count(0)
    expect(
        page.get_by_role("group", name="Topology: 3 brokers. Controller: broker-3. Down: broker-1")
    ).to_be_visible()


def test_the_focus_stays_where_it_is_when_the_picture_changes(shown: Shown) -> None:
    shown.show(scene_of(story()))
    page = shown.page
    page.get_by_role("img", name="broker-1, running").focus()
    shown.replace(scene_of(killed()))
    expect(page.get_by_role("img", name="broker-1, down")).to_be_focused()


def test_a_picture_is_one_stop_of_the_tab_key_and_arrows_go_on(shown: Shown) -> None:
    shown.show(scene_of(story()))
    page = shown.page
    focused = page.locator("svg :focus")
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("aria-label", "broker-1, running")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("aria-label", "broker-2, running")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(focused).to_have_attribute("aria-label", "broker-1, running")
    page.keyboard.press("End")
    last = focused.get_attribute("aria-label") or ""
    assert last.startswith("chat-2 on ")
    shown.replace(scene_of(killed()))
    expect(focused).to_have_attribute("aria-label", last)
    expect(page.locator("svg [tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator("summary:focus")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(focused).to_have_attribute("aria-label", last)


def test_the_table_can_be_opened_and_follows_too(shown: Shown) -> None:
    shown.show(scene_of(story()))
    page = shown.page
    page.get_by_text("As text").click()
    expect(page.get_by_role("columnheader", name="leader epoch")).to_be_visible()
    shown.replace(scene_of(killed()))
    expect(page.get_by_role("row", name="chat-0 broker-2 1 broker-3 broker-1")).to_be_visible()


def test_text_is_never_markup(shown: Shown) -> None:
    evil = "<img src=x onerror=\"document.title='broken'\">"
    shown.show(small(evil, onclick="document.title='broken'"))
    page = shown.page
    page.get_by_text("As text").click()
    page.get_by_role("img", name=evil).dispatch_event("click")
    assert page.locator("img").count() == 0
    assert page.title() == "widget"
    assert page.locator("[onclick]").count() == 0


def test_what_is_no_picture_is_refused(shown: Shown) -> None:
    bad = small("x").to_dict()
    bad["items"]["item"][1] = ["foreignObject", {}, "x"]
    with pytest.raises(Exception, match="may not hold <foreignObject>"):
        shown.show_all([json.loads(json.dumps(bad))])


def test_a_closed_view_leaves_no_listener(shown: Shown) -> None:
    shown.show(small("before"))
    shown.page.evaluate("close_widget()")
    shown.replace(small("after"))
    expect(shown.page.get_by_role("img", name="before")).to_have_count(1)


def test_a_person_goes_to_a_moment_and_back(shown: Shown) -> None:
    shown.show(small("picture"))
    page = shown.page
    expect(page.get_by_text("4.0 s of 4.0 s")).to_be_visible()
    page.get_by_role("slider", name="Moment").fill("1.5")
    assert shown.asked_s() == 1.5
    assert page.evaluate("model.saved") == 1
    expect(page.get_by_text("1.0 s: kill broker-1")).to_be_visible()
    shown.answer(length_s=5.0)
    expect(page.get_by_text("1.5 s of 5.0 s")).to_be_visible()
    page.get_by_role("button", name="Next event").click()
    assert shown.asked_s() == 2.5
    page.get_by_role("button", name="Previous event").click()
    assert shown.asked_s() == 1.0
    page.get_by_role("button", name="Back to now").click()
    assert shown.asked_s() is None
    expect(page.get_by_role("button", name="Back to now")).to_be_disabled()
    shown.answer(length_s=6.0)
    expect(page.get_by_text("6.0 s of 6.0 s")).to_be_visible()


def test_it_plays_to_the_end(shown: Shown) -> None:
    shown.show(small("picture"))
    page = shown.page
    page.get_by_role("combobox", name="Speed").select_option("10")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.wait_for_function("model.get('asked_s') > 0.5")
    page.wait_for_function("model.get('asked_s') === null")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_a_busy_kernel_is_said(shown: Shown) -> None:
    shown.show(small("picture"))
    page = shown.page
    page.get_by_role("slider", name="Moment").fill("1.5")
    expect(page.get_by_text("The kernel is busy")).to_be_visible()
    shown.answer()
    expect(page.get_by_text("The kernel is busy")).to_be_hidden()


def test_several_pictures_over_one_slider(shown: Shown) -> None:
    shown.show(small("first"), small("second"))
    expect(shown.page.get_by_role("img", name="first")).to_be_visible()
    expect(shown.page.get_by_role("img", name="second")).to_be_visible()
    expect(shown.page.get_by_role("slider")).to_have_count(1)
