"""The answers of openim.md, table 1.6, and what leads to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kafka_lab.errors import BrokerUnavailableError, DeliveryUnknownError, NotificationError
from kafka_lab.events import NotificationAccepted, NotificationRefused, NotificationUnknown
from kafka_lab.openim.management import Reply, SendMsg
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

from .conftest import content, request

Ask = Callable[[bytes], Reply]


def body(**changes: Any) -> bytes:
    return json.dumps(request(**changes)).encode()


TEXT = {"contentType": 101, "content": {"text": "hello"}}


def test_the_articles_example_is_accepted(ask: Ask, published: list[MsgData], timeline: Timeline) -> None:
    reply = ask(body())
    assert reply.http_status == 200
    assert reply.body["errCode"] == 0
    assert reply.body["errMsg"] == ""
    assert set(reply.body["data"]) == {"serverMsgID", "clientMsgID", "sendTime"}
    (message,) = published
    assert message.inboxes == ("18712345678", "openIM123456")
    assert message.sessionType == 4
    assert message.msgFrom == 200
    assert json.loads(message.content) == request()["content"]
    assert message.options == {}
    accepted = timeline.find(NotificationAccepted)
    assert accepted is not None
    assert accepted.inboxes == message.inboxes
    assert accepted.clientMsgID == reply.body["data"]["clientMsgID"]


def test_two_equal_requests_are_two_messages(ask: Ask) -> None:
    first, second = ask(body()).body["data"], ask(body()).body["data"]
    assert first["clientMsgID"] != second["clientMsgID"]
    assert first["serverMsgID"] != second["serverMsgID"]


@pytest.mark.parametrize(
    "accepted",
    [
        body(**TEXT),
        body(**TEXT, sessionType=1),
        body(sessionType=9),  # for 1400 it is overwritten with 4
        body(sendID="whoever"),  # not compared with the administrators
        body(offlinePushInfo=None, senderFaceURL=None, senderNickname=None, senderPlatformID=None),
        body(isOnlineOnly=None, unknownField={"x": 1}),
        body() + b"} bytes after the first value",
        b" \n" + body(),
        body().replace(b'"sendID"', b'"SENDid"'),
        body().replace(b'"sendID":', b'"sendID": "", "sendID":'),  # the last one counts
        body(content=content(notificationType="7", mixType=1.9, ex=12, url=True)),
        body(content=content(NotificationName="as mapstructure reads it", notificationName=None)),
        body(content=content(notificationType=-1, text=" ")),
        body(content=content(notificationType="0x1F", mixType="010")),
        body(sessionType=1),  # as above
        body(content=content(pictureElem=None, extra=[1])),
        body(content=content(mixType=None, ex=None)),
        body(content=content(text="\ud800 half a surrogate pair")),
        body(content=content(text="\x00\u202e<script>alert(1)</script>")),
    ],
    ids=lambda value: value[:60],
)
def test_accepted_as_by_the_server(ask: Ask, published: list[MsgData], accepted: bytes) -> None:
    reply = ask(accepted)
    assert (reply.http_status, reply.body["errCode"]) == (200, 0), reply
    json.dumps(published[0].model_dump()).encode()


@pytest.mark.parametrize(
    ("refused", "http_status", "err_code", "err_msg"),
    [
        (b"", 400, 400, "not JSON"),
        (b"{", 400, 400, "not JSON"),
        (b"[]", 400, 400, "not a JSON object"),
        (b"null", 400, 400, "not a JSON object"),
        (b'{"a": NaN}', 400, 400, "NaN"),
        (b'{"a": 1e999}', 400, 400, "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", 400, 400, "not JSON"),
        (b"[" * 100_000, 400, 400, "not JSON"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", 400, 400, "levels"),
        (b"\xff\xfe{}", 400, 400, "not JSON"),
        (body(operationID=None), 400, 400, "operationID"),
        (body(operationID=""), 400, 400, "operationID"),
        (body(sendID=None), 400, 400, "sendID"),
        (body(content=None), 400, 400, "content"),
        (body(contentType=None), 400, 400, "contentType"),
        (body(contentType=0), 400, 400, "contentType"),
        (body(sessionType=0), 400, 400, "sessionType"),
        (body(contentType="1400"), 400, 400, "contentType"),
        (body(contentType=1400.0), 400, 400, "contentType"),
        (body(contentType=2**31), 400, 400, "contentType"),
        (body(senderPlatformID=2**31), 400, 400, "senderPlatformID"),
        (body(isOnlineOnly=1), 400, 400, "isOnlineOnly"),
        (body(recvID=18712345678), 400, 400, "recvID"),
        (body(content="text"), 400, 400, "content"),
        (body(offlinePushInfo={"title": 1}), 400, 400, "title"),
        (body(contentType=106), 400, 404, "contentType err"),
        (body(contentType=7), 400, 404, "contentType err"),
        (body(content={}), 400, 403, "notificationName"),
        (body(content=content(notificationFaceURL=None)), 400, 403, "notificationFaceURL"),
        (body(content=content(notificationType=0)), 400, 403, "notificationType"),
        (body(content=content(notificationType="")), 400, 403, "notificationType"),
        (body(content=content(text="")), 400, 403, "text"),
        (body(content=content(text=["a"])), 400, 401, "content.text"),
        (body(content=content(notificationType="one")), 400, 401, "notificationType"),
        (body(content=content(pictureElem="a.png")), 400, 401, "pictureElem"),
        (body(content=content(pictureElem={"bigPicture": {"size": {}}})), 400, 401, "bigPicture.size"),
        (body(contentType=101, content={"text": 5}), 400, 401, "text"),
        (body(contentType=101, content={"TEXT": "5"}), 400, 401, "text"),
        (body(contentType=101, content={}), 400, 403, "text"),
        (body(**TEXT, sessionType=1, recvID=None), 400, 405, "recvID is a null string"),
        (body(recvID=None), 200, 201, "kafka send msg err"),
        (body(sessionType=1, recvID=None), 200, 201, "kafka send msg err"),  # 1400: counts as 4
        (body(**TEXT, sessionType=2), 400, 405, "groupID is a null string"),
        (body(**TEXT, sessionType=2, groupID="g1"), 200, 203, "unknown sessionType"),
        (body(**TEXT, sessionType=3), 200, 203, "unknown sessionType"),
        (body(content=content(notificationType=2**32)), 400, 403, "notificationType"),
        (body(content=content(notificationType=" 5 ")), 400, 401, "notificationType"),
        (body(content=content(notificationType="٣")), 400, 401, "notificationType"),
        (body(content=content(notificationType="9" * 20)), 400, 401, "64 bits"),
        (body(content=content(notificationType=10**30)), 400, 401, "64 bits"),
        (body(**TEXT, sessionType=5), 200, 203, "unknown sessionType"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refused_as_by_the_server(
    ask: Ask,
    published: list[MsgData],
    timeline: Timeline,
    refused: bytes,
    http_status: int,
    err_code: int,
    err_msg: str,
) -> None:
    reply = ask(refused)
    assert (reply.http_status, reply.body["errCode"]) == (http_status, err_code)
    assert err_msg in reply.body["errMsg"]
    assert published == []
    noted = timeline.find(NotificationRefused)
    assert noted is not None
    assert noted.err_code == err_code


@pytest.mark.parametrize("token", [None, "", "garbage", "not an administrator's", "expired", "another's"])
def test_a_bad_token(send_msg: SendMsg, tokens: Tokens, published: list[MsgData], token: str | None) -> None:
    made = {
        "not an administrator's": tokens.issue("ada"),
        "expired": tokens.issue(lifetime_s=-1),
        "another's": Tokens().issue(),
    }
    reply = send_msg(body(), made.get(str(token), token))
    reason = "not authorized" if token == "not an administrator's" else "parse token failed"
    assert reply == Reply(400, {"errCode": 400, "errMsg": reason, "sendTime": 0, "MsgID": ""})
    assert published == []


def test_the_checks_come_in_the_servers_order(send_msg: SendMsg) -> None:
    def code(**changes: Any) -> tuple[int, str]:
        reply = send_msg(body(**changes), "no token")
        return reply.body["errCode"], reply.body["errMsg"]

    assert code(operationID="", contentType=7)[1].startswith("operationID")
    assert code(contentType=7, content={})[0] == 404
    assert code(content={"text": []})[0] == 401
    assert code(content={})[0] == 403
    assert code(**TEXT, sessionType=1, recvID="") == (400, "parse token failed")


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (BrokerUnavailableError("nobody there"), NotificationRefused),
        (DeliveryUnknownError("no answer"), NotificationUnknown),
    ],
)
def test_a_failure_of_kafka_is_never_a_success(
    timeline: Timeline, tokens: Tokens, error: NotificationError, noted: type
) -> None:
    def fail(*_: object) -> None:
        raise error

    reply = SendMsg(fail, tokens, timeline)(body(), tokens.issue())
    assert reply.http_status == 200
    assert (reply.body["errCode"], reply.body["errMsg"]) == (201, "kafka send msg err")
    assert set(reply.body["data"]) == {"clientMsgID"}
    assert timeline.find(noted) is not None
    assert timeline.find(NotificationAccepted) is None


def test_an_online_only_message_owes_no_inbox_a_copy(
    ask: Ask, published: list[MsgData], timeline: Timeline
) -> None:
    ask(body(isOnlineOnly=True))
    assert not published[0].stored
    accepted = timeline.find(NotificationAccepted)
    assert accepted is not None
    assert accepted.inboxes == ()


def test_who_notifies_themselves_gets_one_copy(ask: Ask, published: list[MsgData]) -> None:
    ask(body(recvID="openIM123456"))
    assert published[0].inboxes == ("openIM123456",)
