"""Pictures in JupyterLab, at 20 updates a second and at first: `pytest tests/benchmarks/test_views.py -s`.

KAFKA_LAB_BENCH_S=300 lets the updates go on for five minutes, in which nothing may grow.

Not part of the test suite: other programs on the machine change the figures.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

SECONDS = int(os.environ.get("KAFKA_LAB_BENCH_S", "60"))
SHOW = """
import json, threading, time
from kafka_lab import events as ev
from kafka_lab.bench_views import long_lesson
from kafka_lab.history import History
from kafka_lab.views import topology_view

timeline = long_lesson(400, 10.0)
timeline.ended = False
topology_view(timeline, History(timeline))
"""
FEED = f"""
sent, pace = {{}}, threading.Event()
def feed():
    for number in range(20 * {SECONDS}):
        pace.wait(0.05)
        sent[100000 + number] = time.time() * 1000
        leader = f"broker-{{number % 3 + 1}}"
        timeline.append(ev.LeaderChanged("chat", 0, leader, None, 100000 + number))
    open("sent.json", "w").write(json.dumps(sent))
threading.Thread(target=feed).start()
"""
DASHBOARD = (
    "from kafka_lab import Lab\nlab = Lab().start()\nlab.create_topic('chat', partitions=3)",
    "lab.dashboard()",
    "lab.close()",
)
OBSERVE = r"""() => {
  window.seen = {};
  const box = document.querySelector(".kafka-lab");
  const look = () => {
    for (const node of box.querySelectorAll("[aria-label*='leader epoch 10']")) {
      const epoch = /leader epoch (\d+)/.exec(node.getAttribute("aria-label"))[1];
      window.seen[epoch] ??= Date.now();
    }
  };
  new MutationObserver(look).observe(box, { subtree: true, childList: true, attributes: true });
}"""


@pytest.fixture
def page(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in request.param]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    command = [sys.executable, "-m", "kafka_lab", "notebook", str(tmp_path), "--no-browser", "--port", "8890"]
    log = tmp_path / "jupyterlab.log"
    with log.open("w") as output, subprocess.Popen(command, stderr=output, stdout=output) as server:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())):
            assert server.poll() is None, log.read_text()
        with sync_playwright() as driver:
            browser: Browser = driver.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(found[0].replace("/lab?", "/lab/workspaces/bench/tree/lesson.ipynb?"))
            page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
            yield page
            browser.close()
        server.terminate()


def measured(session: CDPSession) -> dict[str, Any]:
    session.send("HeapProfiler.collectGarbage")  # what it then still holds has grown
    return {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("page", [(SHOW, FEED)], indirect=True)
def test_twenty_updates_a_second(page: Page, tmp_path: Path) -> None:
    page.locator(".jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".kafka-lab svg").wait_for(timeout=60_000)
    page.evaluate(OBSERVE)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.wait_for_timeout(2000)
    before, begin = measured(session), time.monotonic()
    page.keyboard.press("Shift+Enter")
    while not (tmp_path / "sent.json").exists():
        page.wait_for_timeout(500)
    page.wait_for_timeout(1000)
    passed, after = time.monotonic() - begin, measured(session)
    sent = {int(k): v for k, v in json.loads((tmp_path / "sent.json").read_text()).items()}
    seen = {int(k): v for k, v in page.evaluate("window.seen").items()}
    delays = sorted(seen[epoch] - sent[epoch] for epoch in sent.keys() & seen.keys())
    busy = (after["TaskDuration"] - before["TaskDuration"]) / passed
    middle, most, worst = (delays[int(share * (len(delays) - 1))] for share in (0.5, 0.95, 1))
    heaps = [figures["JSHeapUsedSize"] / 2**20 for figures in (before, after)]
    print(f"\n{len(sent)} sent, {len(delays)} seen in the page, page busy {busy:.0%}")
    print(f"delay in ms: median {middle:.0f}, 95 % {most:.0f}, worst {worst:.0f}")
    print(f"nodes {before['Nodes']:.0f} -> {after['Nodes']:.0f}, heap {heaps[0]:.1f} -> {heaps[1]:.1f} MiB")
    assert max(seen) == max(sent)  # the last state is never lost
    assert after["Nodes"] < 1.2 * before["Nodes"]
    assert heaps[1] < 1.2 * heaps[0]
    assert len(delays) > 0.8 * len(sent)


@pytest.mark.jvm
@pytest.mark.parametrize("page", [DASHBOARD], indirect=True)
def test_the_first_paint_of_the_dashboard(page: Page) -> None:
    page.locator(".jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("[1]:").wait_for(timeout=60_000)
    begin = time.monotonic()
    page.keyboard.press("Shift+Enter")
    page.locator(".kafka-lab svg text").first.wait_for(timeout=60_000)
    print(f"\nthe dashboard's first paint after {time.monotonic() - begin:.2f} s")
    assert page.get_by_role("button", name="kill", exact=True).is_visible()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("[3]:").wait_for(timeout=60_000)
