"""The widget's own page code, in a real Chromium, without Jupyter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from kafka_lab.state import ClusterState
from kafka_lab.table import Table
from kafka_lab.views.scene import Scene, label, rounded
from kafka_lab.views.topology import topology_graph, topology_scene
from kafka_lab.views.widget import _STATIC

from .test_topology import killed, story

pytestmark = pytest.mark.browser

# What a widget's model is to its view.
MODEL = """async ([code, scene]) => {
  const listeners = new Map();
  window.model = {
    values: { scene },
    get(name) { return this.values[name]; },
    set(name, value) {
      this.values[name] = value;
      for (const call of listeners.get(`change:${name}`) ?? []) call();
    },
    on(name, call) { listeners.set(name, [...(listeners.get(name) ?? []), call]); },
    off(name, call) { listeners.set(name, listeners.get(name).filter(other => other !== call)); },
  };
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.close_widget = widget.render({ model, el: document.body });
}"""


class Shown:
    """A page that shows a scene, which can be replaced."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, scene: Scene) -> None:
        code = (_STATIC / "scene.js").read_text(encoding="utf-8")
        self.page.evaluate(MODEL, [code, scene.to_dict()])

    def replace(self, scene: Scene) -> None:
        self.page.evaluate("scene => model.set('scene', scene)", scene.to_dict())


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
    code = (_STATIC / "scene.js").read_text(encoding="utf-8")
    with pytest.raises(Exception, match="may not hold <foreignObject>"):
        shown.page.evaluate(MODEL, [code, json.loads(json.dumps(bad))])


def test_a_closed_view_leaves_no_listener(shown: Shown) -> None:
    shown.show(small("before"))
    shown.page.evaluate("close_widget()")
    shown.replace(small("after"))
    expect(shown.page.get_by_role("img", name="before")).to_have_count(1)
