"""Whatever is sent, there is an answer in the envelope, and only complete messages are published."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.openim.message import MsgData
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

from .conftest import answered, content, managing, request

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(sorted(request()))
CONTENT_FIELD = st.sampled_from(sorted(content()))


def answer(body: bytes) -> tuple[int, dict[str, Any], list[MsgData]]:
    published: list[MsgData] = []
    tokens = Tokens()
    reply = answered(managing(Timeline(), tokens, published), body, tokens.issue())
    json.dumps(reply.body).encode()
    assert reply.http_status in {200, 400}
    assert (reply.body["errCode"] == 0) == bool(published)
    for message in published:
        assert all(message.inboxes(("ada",)))
        assert json.loads(json.dumps(msgspec.to_builtins(message)).encode()) == msgspec.to_builtins(message)
    return reply.http_status, reply.body, published


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    answer(body)


@given(st.dictionaries(FIELD, ANY_JSON, max_size=3))
def test_any_fields(changes: dict[str, Any]) -> None:
    answer(json.dumps(request() | changes).encode())


@given(st.dictionaries(CONTENT_FIELD, ANY_JSON, max_size=3))
def test_any_content(changes: dict[str, Any]) -> None:
    answer(json.dumps(request(content=content() | changes)).encode())
