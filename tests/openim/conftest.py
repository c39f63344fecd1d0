from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kafka_lab.openim.management import Reply, SendMsg
from kafka_lab.openim.message import MsgData, example_request
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


@pytest.fixture
def send_msg(timeline: Timeline, tokens: Tokens, published: list[MsgData]) -> SendMsg:
    return SendMsg(lambda _, message: published.append(message), tokens, timeline)


@pytest.fixture
def ask(send_msg: SendMsg, tokens: Tokens) -> Callable[[bytes], Reply]:
    """Ask with an administrator's token."""
    return lambda body: send_msg(body, tokens.issue())


def request(**changes: Any) -> dict[str, Any]:
    """The article's example with changes; None takes a field out."""
    return {name: value for name, value in (example_request() | changes).items() if value is not None}


def content(**changes: Any) -> dict[str, Any]:
    """The example's content with changes; None takes a field out."""
    whole = example_request()["content"] | changes
    return {name: value for name, value in whole.items() if value is not None}
