"""The call over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from kafka_lab.openim.gateway import LARGEST_BODY_BYTES, PATH, Gateway, make_app
from kafka_lab.openim.management import SendMsg
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.tokens import Tokens

from .conftest import request


@pytest.fixture
def url(send_msg: SendMsg) -> Iterator[str]:
    gateway = Gateway(make_app(send_msg))
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
