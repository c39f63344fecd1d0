from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kafka_lab import Lab
from kafka_lab.events import RecordRead, WorkerStopped
from kafka_lab.openim.management import Management, Reply
from kafka_lab.openim.message import MsgData, example_request
from kafka_lab.openim.service import OpenIM
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def published() -> list[MsgData]:
    """What a call handed on to be published."""
    return []


class Done:
    """What waits for acknowledgements that are there already."""

    def wait(self) -> None:
        """Return at once."""

    async def acknowledged(self) -> None:
        """Return at once."""


def managing(
    timeline: Timeline, tokens: Tokens, published: list[MsgData], error: Exception | None = None, **how: Any
) -> Management:
    """Return the management calls, over a Kafka that takes everything, or fails."""

    def begin(_: str, message: MsgData, inboxes: Sequence[str]) -> Any:
        assert all(inboxes)
        if error is not None:
            raise error
        published.append(message)
        return Done()

    groups = {"g1": ("ada", "ben", "openIM123456")}
    return Management(
        begin, tokens, timeline, members=groups.__getitem__, users=lambda: ("ada", "ben"), **how
    )


@pytest.fixture
def management(timeline: Timeline, tokens: Tokens, published: list[MsgData]) -> Management:
    return managing(timeline, tokens, published)


@pytest.fixture
def ask(management: Management, tokens: Tokens) -> Callable[[bytes], Reply]:
    """Ask with an administrator's token."""
    return lambda body: answered(management, body, tokens.issue())


def answered(management: Management, body: bytes, token: str | None) -> Reply:
    """Return the answer to one request; in a thread, for a test's browser has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(management.send_msg(body, token))).result()


def request(**changes: Any) -> dict[str, Any]:
    """The article's example with changes; None takes a field out."""
    return {name: value for name, value in (example_request() | changes).items() if value is not None}


def content(**changes: Any) -> dict[str, Any]:
    """The example's content with changes; None takes a field out."""
    whole = example_request()["content"] | changes
    return {name: value for name, value in whole.items() if value is not None}


def unread_after_a_kill_s(lab: Lab, openim: OpenIM, worker: str) -> float:
    """Kill a worker, start another, and return how long nobody of their group read, in seconds."""
    begin, group = len(lab.timeline), worker.rpartition("-")[0]
    openim.kill_worker(worker)
    killed = lab.timeline.wait_for(WorkerStopped, worker=worker, since=begin, timeout_s=30)
    other = openim.start_worker(group)
    openim.send("anybody", "who reads this?")
    read = lab.timeline.wait_for(RecordRead, reader=other, since=begin, timeout_s=30)
    return read.at_s - killed.at_s
