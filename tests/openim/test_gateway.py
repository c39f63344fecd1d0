"""The call over real HTTP."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from playwright.sync_api import Browser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from kafka_lab.errors import ClosedError, WaitTimeoutError
from kafka_lab.openim.device import Device
from kafka_lab.openim.gateway import LARGEST_BODY_BYTES, Gateway, make_app
from kafka_lab.openim.hub import Hub
from kafka_lab.openim.management import Management, Reply
from kafka_lab.openim.message import BATCH_PATH, PATH, MsgData
from kafka_lab.openim.tokens import Tokens

from ..waiting import until
from .conftest import request


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def url(management: Management, hub: Hub, tokens: Tokens) -> Iterator[str]:
    gateway = Gateway(make_app(management, hub, tokens))
    gateway.start()
    yield gateway.url
    gateway.close()


def test_a_notification(url: str, tokens: Tokens, published: list[MsgData]) -> None:
    answer = httpx.post(url + PATH, json=request(), headers={"token": tokens.issue()})
    assert answer.status_code == 200
    assert answer.json()["errCode"] == 0
    assert answer.json()["data"]["clientMsgID"] == published[0].clientMsgID


def test_a_bad_token_is_no_401(url: str, published: list[MsgData]) -> None:
    answer = httpx.post(url + PATH, json=request())
    assert answer.status_code == 400
    assert answer.json() == {
        "errCode": 400,
        "errMsg": "parse token failed",
        "sendTime": 0,
        "MsgID": "",
    }
    assert published == []


def test_a_body_too_large_is_answered_before_it_is_read(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {10**9}\r\n\r\n"
        link.sendall(head.encode() + b"x" * (LARGEST_BODY_BYTES + 1))
        answer = link.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"errCode":413' in answer


def test_another_hosts_name_is_refused(url: str, tokens: Tokens) -> None:
    headers = {"Host": "evil.example", "token": tokens.issue()}
    assert httpx.post(url + PATH, json=request(), headers=headers).status_code == 400


def test_the_interface_is_described(url: str) -> None:
    described = httpx.get(url + "/openapi.json").json()["paths"][PATH]["post"]
    body = described["requestBody"]["content"]["application/json"]
    assert body["example"] == request()
    assert {"operationID", "sendID", "content", "contentType", "sessionType"} == set(
        body["schema"]["required"]
    )


@pytest.mark.browser
def test_the_interactive_page_needs_no_network(url: str, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(url + "/docs")
    page.get_by_text("Send a message as an administrator").wait_for()
    assert all(address.startswith((url, "data:")) for address in asked)
    page.close()


def test_many_recipients_at_once(url: str, tokens: Tokens, published: list[MsgData]) -> None:
    body = request(recvID=None, recvIDList=["ada", "ben"])
    answer = httpx.post(url + BATCH_PATH, json=body, headers={"token": tokens.issue()}).json()
    assert answer["errCode"] == 0
    assert len(answer["data"]["resultList"]) == len(published) == 2


def test_every_field_and_content_type_is_described(url: str) -> None:
    whole = httpx.get(url + "/openapi.json").json()
    assert "| 106 | @ | no: in the article only |" in whole["info"]["description"]
    for path in (PATH, BATCH_PATH):
        body = whole["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert "1400 OA notification" in body["schema"]["properties"]["content"]["description"]
        assert "notificationName`*" in body["schema"]["properties"]["content"]["description"]


def test_a_device_gets_what_is_pushed_to_its_user(url: str, hub: Hub, tokens: Tokens) -> None:
    assert not hub.push("ada", "nobody there")
    with Device(url, "ada", tokens.issue("ada")) as device:
        until(lambda: hub.online == {"ada": 1})
        assert hub.push("ada", '{"text": "<b>hello</b>"}')
        assert device.wait_for(1) == [{"text": "<b>hello</b>"}]
        assert not hub.push("ben", "for another")
    until(lambda: hub.online == {})


@pytest.mark.parametrize(
    ("user", "token", "reason"),
    [
        ("ada", "garbage", "parse token failed"),
        ("ada", "ben's", "another user's"),
        ("", "ada's", "another user's"),
    ],
)
def test_nobody_listens_for_another(
    url: str, hub: Hub, tokens: Tokens, user: str, token: str, reason: str
) -> None:
    made = {"ben's": tokens.issue("ben"), "ada's": tokens.issue("ada")}
    device = Device(url, user, made.get(token, token))
    until(lambda: device.ended)
    assert reason in device.ended
    device.close()
    assert hub.online == {}


def test_a_page_of_another_site_may_not_connect(url: str, tokens: Tokens) -> None:
    address = f"{url.replace('http', 'ws')}/ws?userID=ada&token={tokens.issue('ada')}"
    with (
        connect(address, origin="http://evil.example", proxy=None) as socket,
        pytest.raises(ConnectionClosed) as caught,
    ):
        socket.recv(timeout=10)
    assert "origin" in str(caught.value)


def test_a_slow_reader_is_sent_away(url: str, hub: Hub, tokens: Tokens) -> None:
    address = f"{url.replace('http', 'ws')}/ws?userID=ada&token={tokens.issue('ada')}"
    with connect(address, proxy=None, max_queue=1):
        until(lambda: hub.online)
        big = os.urandom(250_000).hex()  # which compression makes no smaller
        # A moment's backlog refuses a message too: it goes on until the socket is sent away.
        until(lambda: not hub.push("ada", big) and hub.online == {}, timeout_s=30)


def test_a_user_has_only_so_many_devices(url: str, hub: Hub, tokens: Tokens) -> None:
    devices = [Device(url, "ada", tokens.issue("ada")) for _ in range(9)]
    until(lambda: any(device.ended for device in devices))
    (refused,) = [device for device in devices if device.ended == "too many connections"]
    with pytest.raises(WaitTimeoutError, match="too many connections"):  # at once, not after half a minute
        refused.wait_for(1, timeout_s=1000)
    for device in devices:
        device.close()
    until(lambda: hub.online == {})


def test_only_so_many_are_online_and_calls_still_get_through(
    url: str, hub: Hub, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kafka_lab.openim.hub.most_connections", lambda: 2)
    devices = [Device(url, name, tokens.issue(name)) for name in ("ada", "bob", "cem")]
    until(lambda: devices[2].ended == "too many connections")
    assert hub.online == {"ada": 1, "bob": 1}
    devices[0].close()
    until(lambda: hub.online == {"bob": 1})
    with closing(Device(url, "cem", tokens.issue("cem"))):
        until(lambda: hub.online == {"bob": 1, "cem": 1})
        answer = httpx.post(url + PATH, json=request(), headers={"token": tokens.issue()})
        assert answer.json()["errCode"] == 0
    devices[1].close()


def test_connections_that_ask_nothing_do_not_use_up_the_files(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    monkeypatch.setattr("kafka_lab.openim.gateway.most_connections", lambda: -197)
    address = url.removeprefix("http://").split(":")
    with ExitStack() as links:
        held = [
            links.enter_context(socket.create_connection((address[0], int(address[1])), timeout=30))
            for _ in range(4)
        ]
        with suppress(ConnectionResetError):
            assert held[3].recv(1) == b""
        held[0].close()
        until(lambda: httpx.get(url + "/openapi.json").is_success)


def test_a_killed_gateway_says_nothing_more(
    hub: Hub, tokens: Tokens, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = threading.Event()

    async def never_acknowledged(_: bytes, __: str | None) -> Reply:
        asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    management = SimpleNamespace(send_msg=never_acknowledged, batch_send_msg=None)
    gateway = Gateway(make_app(cast(Management, management), hub, tokens))
    gateway.start()
    with Device(gateway.url, "ada", tokens.issue("ada")) as device, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(httpx.post, gateway.url + PATH, json=request(), timeout=30)
        assert asked.wait(10)
        gateway.kill()
        with pytest.raises(httpx.TransportError):
            answer.result()
        until(lambda: device.ended)
        assert device.ended == "the connection ended"
    assert capfd.readouterr().err == ""


def test_where_nobody_listens(tokens: Tokens) -> None:
    with pytest.raises(ClosedError, match="no connection for ada"):
        Device("http://127.0.0.1:9", "ada", tokens.issue("ada"))
