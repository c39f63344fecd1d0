"""The HTTP interface, asked what its own description allows and forbids: an answer each time, never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode

from kafka_lab.openim.gateway import Gateway, make_app
from kafka_lab.openim.hub import Hub
from kafka_lab.openim.message import BATCH_PATH, PATH, MsgData
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

from .conftest import managing

TOKENS = Tokens()
PUBLISHED: list[MsgData] = []


@pytest.fixture(scope="module")
def interface() -> Iterator[Any]:
    gateway = Gateway(make_app(managing(Timeline(), TOKENS, PUBLISHED), Hub(), TOKENS))
    gateway.start()
    yield schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    gateway.close()


@pytest.mark.filterwarnings("ignore")  # of schemathesis
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("path", [PATH, BATCH_PATH])
def test_whatever_is_asked_there_is_an_answer(interface: Any, path: str, mode: GenerationMode) -> None:
    operation = interface[path]["POST"]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case) -> None:
        before = len(PUBLISHED)
        response: Response = case.call(headers={"token": TOKENS.issue()})
        case.validate_response(response, checks=[not_a_server_error])
        answer = json.loads(response.content)
        assert "errCode" in answer or response.status_code in {404, 405}
        assert answer.get("errCode") == 0 or len(PUBLISHED) == before
        assert len(response.content) < 200_000

    ask()
