"""The widget in a real JupyterLab, with a real cluster, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.jvm, pytest.mark.browser]

FOLLOWED = [
    "from kafka_lab import Lab, LeaderChanged\nlab = Lab(brokers=2).start()\nlab",
    'lab.create_topic("chat")\nlab.topology()',
    'victim = lab.leader_of("chat", 0)\nlab.kill(victim)\n'
    'print("elected", lab.wait_for(LeaderChanged, topic="chat", partition=0).leader)',
    "lab.close()",
]
DASHBOARD = [
    "from kafka_lab import Lab\nlab = Lab(brokers=2).start()\n"
    'lab.create_topic("chat", partitions=1)\nlab.dashboard()',
    'lab.topology().snapshot("As it was in the end")',
    "lab.close()",
]


@pytest.fixture
def jupyterlab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """JupyterLab as ``kafka-lab notebook`` opens it; yields the address with its token."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in request.param])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    command = [sys.executable, "-m", "kafka_lab", "notebook", str(tmp_path), "--no-browser", "--port", "8889"]
    log = tmp_path / "jupyterlab.log"
    with log.open("w") as output, subprocess.Popen(command, stderr=output, stdout=output) as server:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())):
            assert time.monotonic() < deadline
            assert server.poll() is None, log.read_text()
        yield found[0].replace("/lab?", "/lab/workspaces/test/tree/lesson.ipynb?")
        family = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        assert server.wait(30) == 0
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []


@pytest.fixture
def page(browser: Browser, jupyterlab: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(jupyterlab)
    page.get_by_text("lab.create_topic").wait_for()
    # A cell that is run before the kernel is there is not run at all.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    yield page
    page.close()


def run_next_cell(page: Page) -> None:
    page.keyboard.press("Shift+Enter")


@pytest.mark.parametrize("jupyterlab", [FOLLOWED], indirect=True)
def test_a_killed_leader_is_seen_as_it_happens(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".jp-CodeCell").first.click()
    run_next_cell(page)
    expect(page.get_by_role("cell", name="running, controller")).to_be_visible(timeout=60_000)
    run_next_cell(page)
    picture = page.locator(".kafka-lab")
    expect(picture.get_by_role("img", name="broker-1, running")).to_be_visible(timeout=60_000)
    expect(
        picture.get_by_role("img", name=re.compile("chat-0 on .*: leader, leader epoch 0"))
    ).to_be_visible()

    run_next_cell(page)
    expect(page.get_by_text(re.compile("^elected broker-"))).to_be_visible(timeout=60_000)
    expect(picture.get_by_role("img", name=re.compile("broker-., down"))).to_be_visible()
    expect(
        picture.get_by_role("img", name=re.compile("chat-0 on .*: leader, leader epoch [12]"))
    ).to_be_visible()

    run_next_cell(page)
    expect(page.get_by_text("[4]:")).to_be_visible(timeout=60_000)
    expect(
        picture.get_by_role("img", name=re.compile("chat-0 on .*: leader, leader epoch [12]"))
    ).to_be_visible()
    local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
    assert [url for url in asked if not url.startswith(local)] == []


@pytest.mark.parametrize("jupyterlab", [DASHBOARD], indirect=True)
def test_a_leader_is_killed_by_the_button_and_looked_back_at(page: Page, jupyterlab: str) -> None:
    page.locator(".jp-CodeCell").first.click()
    run_next_cell(page)
    picture = page.locator(".kafka-lab")
    led = picture.get_by_role("img", name=re.compile("chat-0 on broker-.: leader, leader epoch 0"))
    expect(led).to_be_visible(timeout=60_000)
    leader = re.search("broker-.", led.get_attribute("aria-label") or "")
    assert leader is not None
    expect(page.get_by_role("button", name="restart", exact=True)).to_be_disabled()
    assert "it runs" in (page.get_by_role("button", name="restart", exact=True).get_attribute("title") or "")
    expect(page.get_by_text("Choose a node, then an act.", exact=True)).to_be_visible()

    page.get_by_label("topic").select_option("chat")
    page.get_by_role("button", name="start stream", exact=True).click()
    expect(picture.get_by_role("img", name=re.compile("[1-9].* records acknowledged"))).to_be_visible()
    page.get_by_label("node").select_option(leader[0])
    page.get_by_role("button", name="kill", exact=True).click()
    down = picture.get_by_role("img", name=re.compile(f"{leader[0]}, down"))
    expect(down).to_be_visible(timeout=30_000)
    expect(
        picture.get_by_role("img", name=re.compile("chat-0 on .*: leader, leader epoch [12]"))
    ).to_be_visible(timeout=30_000)
    expect(page.get_by_text(f"✓ kill {leader[0]}")).to_be_visible()
    expect(page.get_by_role("button", name="kill", exact=True)).to_be_disabled()

    mark = picture.get_by_text(re.compile("✂ kill"))
    while mark.count() == 0:  # from event to event, backwards
        picture.get_by_role("button", name="Previous event").click()
    picture.get_by_role("button", name="Previous event").click()
    expect(picture.get_by_role("img", name=re.compile(f"^{leader[0]}, running"))).to_be_visible()
    picture.get_by_role("button", name="Back to now").click()
    expect(down).to_be_visible()

    page.get_by_role("button", name="restart", exact=True).click()
    expect(page.get_by_text(f"✓ restart {leader[0]}")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="stop stream", exact=True).click()
    expect(page.get_by_text("✓ stop stream")).to_be_visible()

    page.locator(".jp-CodeCell").nth(1).click()
    run_next_cell(page)
    figure = page.get_by_role("img", name=re.compile("^Topology: 2 brokers"))
    expect(figure).to_be_visible()
    slider = picture.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")  # JupyterLab's own keys would go to another cell
    expect(picture.get_by_role("button", name="Back to now")).to_be_enabled()
    expect(slider).to_be_focused()
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.reload()
    expect(picture.get_by_role("img", name=re.compile(f"^{leader[0]}, running"))).to_be_visible(
        timeout=60_000
    )
    expect(figure).to_be_visible()

    page.locator(".jp-CodeCell").nth(2).click()
    run_next_cell(page)
    expect(page.get_by_text("The lab is closed; the pictures can still be looked back at.")).to_be_visible(
        timeout=60_000
    )
    expect(page.get_by_role("button", name="kill", exact=True)).to_be_disabled()

    end_kernels(page, jupyterlab)
    page.reload()
    expect(figure).to_be_visible(timeout=60_000)


def end_kernels(page: Page, jupyterlab: str) -> None:
    """End what runs, as a server that is started again does: what was saved is all there is."""
    server, token = jupyterlab.partition("/lab/")[0], jupyterlab.rpartition("token=")[2]
    headers = {"Authorization": f"token {token}"}
    for session in page.request.get(f"{server}/api/sessions", headers=headers).json():
        assert page.request.delete(f"{server}/api/sessions/{session['id']}", headers=headers).ok
