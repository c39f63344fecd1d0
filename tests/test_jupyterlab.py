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

CELLS = [
    "from kafka_lab import Lab, LeaderChanged\nlab = Lab(brokers=2).start()\nlab",
    'lab.create_topic("chat")\nlab.topology()',
    'victim = lab.leader_of("chat", 0)\nlab.kill(victim)\n'
    'print("elected", lab.wait_for(LeaderChanged, topic="chat", partition=0).leader)',
    "lab.close()",
]


@pytest.fixture
def jupyterlab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab as ``kafka-lab notebook`` opens it; yields the address with its token."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
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
