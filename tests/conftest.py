"""What several tests need: one real lab for all, and a browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from kafka_lab import Lab
from kafka_lab.openim.records import DEAD_LETTERS
from kafka_lab.openim.service import GROUPS
from kafka_lab.pytest_plugin import tell_if_it_fails

# The first example is slow on a fresh clone: hypothesis then builds its tables.
settings.register_profile("kafka_lab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kafka_lab")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, still empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("KAFKA_LAB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    with Lab(brokers=3, links=True) as lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The session's lab: three brokers, all up and connected before and after the test.

    Clients that the test makes are closed after it: hundreds would ask for a dead broker in later tests. Its
    topics go too, but for OpenIM's.
    """
    tell_if_it_fails(request.node, running_lab)
    with ExitStack() as clients:

        def closed_after_it(make: Callable[..., Any], **how: object) -> Callable[..., Any]:
            def made(*arguments: object, **settings: object) -> Any:
                client = make(*arguments, **settings)
                clients.callback(client.close, **how)
                return client

            return made

        monkeypatch.setattr(running_lab, "producer", closed_after_it(running_lab.producer, timeout=2))
        monkeypatch.setattr(running_lab, "consumer", closed_after_it(running_lab.consumer, autocommit=False))
        yield running_lab
        running_lab.heal_all()
        # Hundreds of partitions would make each later election and each look slower.
        kept = {*GROUPS.values(), DEAD_LETTERS}
        old = [name for name in running_lab.state.topics if name not in kept and not name.startswith("__")]
        for name in old:
            if name in running_lab.state.topics:  # an earlier test's may have gone meanwhile
                running_lab.delete_topic(name, wait=False)


@pytest.fixture
def topic(lab: Lab, request: pytest.FixtureRequest) -> str:
    """A new topic with three partitions, three replicas each."""
    name = re.sub(r"\W+", "-", request.node.name)
    lab.create_topic(name, partitions=3, replication_factor=3)
    return name


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chromium; without one the test is skipped, or fails where one must be (see .ci/run)."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        missing: Callable[[str], object] = (
            pytest.fail if os.environ.get("KAFKA_LAB_NEEDS_BROWSER") else pytest.skip
        )
        missing("no Chromium is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield chromium
        chromium.close()
