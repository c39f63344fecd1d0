"""The answers of openim.md, table 1.6, and what leads to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kafka_lab.errors import BrokerUnavailableError, DeliveryUnknownError, NotificationError
from kafka_lab.events import NotificationAccepted, NotificationRefused, NotificationUnknown
from kafka_lab.openim.content import preview
from kafka_lab.openim.management import Management, Reply
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

from .conftest import Done, answered, content, managing, request

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
    assert message.inboxes() == ("18712345678", "openIM123456")
    assert message.sessionType == 4
    assert message.msgFrom == 200
    assert json.loads(message.content) == request()["content"]
    assert message.options == {}
    accepted = timeline.find(NotificationAccepted)
    assert accepted is not None
    assert accepted.inboxes == message.inboxes()
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
    json.dumps(msgspec.to_builtins(published[0])).encode()


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
        (body(contentType=113), 400, 404, "contentType err"),
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
        (body(**TEXT, sessionType=2, groupID="nowhere"), 200, 201, "there is no group"),
        (body(**TEXT, sessionType=3), 200, 201, "there is no group"),
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
def test_a_bad_token(
    management: Management, tokens: Tokens, published: list[MsgData], token: str | None
) -> None:
    made = {
        "not an administrator's": tokens.issue("ada"),
        "expired": tokens.issue(lifetime_s=-1),
        "another's": Tokens().issue(),
    }
    reply = answered(management, body(), made.get(str(token), token))
    reason = "not authorized" if token == "not an administrator's" else "parse token failed"
    assert reply == Reply(400, {"errCode": 400, "errMsg": reason, "sendTime": 0, "MsgID": ""})
    assert published == []


def test_the_checks_come_in_the_servers_order(management: Management) -> None:
    def code(**changes: Any) -> tuple[int, str]:
        reply = answered(management, body(**changes), "no token")
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
    reply = answered(managing(timeline, tokens, [], error), body(), tokens.issue())
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
    assert published[0].inboxes() == ("openIM123456",)


CONTENTS: dict[int, dict[str, Any]] = {
    102: {"sourcePicture": {"width": "640", "height": 480, "size": 1e4, "url": "http://x/a.png"}},
    103: {"soundPath": "a.mp3", "duration": 3},
    104: {"videoUrl": "http://x/a.mp4", "snapshotWidth": 640},
    105: {"fileName": "a.pdf", "fileSize": 123456789012},
    106: {"text": "@ada look", "atUserList": ["ada"], "isAtSelf": False},
    107: {"title": "Chat", "abstractList": ["a: hello"], "multiMessage": [{"clientMsgID": "x"}]},
    108: {"userID": "ada", "nickname": "Ada"},
    109: {"description": "here", "longitude": 8.5, "latitude": "47.4"},
    110: {"data": "not even JSON", "description": "d"},
    111: {"revokeMsgClientID": "abc"},
    112: {"msgIDList": ["a", "b"]},
    114: {"text": "yes", "quoteMessage": {"clientMsgID": "x"}},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_content_type_of_the_article_is_taken(ask: Ask, published: list[MsgData], kind: int) -> None:
    reply = ask(body(contentType=kind, content=CONTENTS[kind], sessionType=1))
    assert (reply.http_status, reply.body["errCode"]) == (200, 0), reply
    message = published[0]
    assert message.contentType == kind
    if kind != 111:
        assert json.loads(message.content) == CONTENTS[kind]
    else:
        assert message.content == "abc"
    _, text = preview(kind, message.content)
    assert text


@pytest.mark.parametrize("kind", [106, 107, 108, 109, 112, 114])
def test_a_server_takes_no_type_between_clients(
    timeline: Timeline, tokens: Tokens, published: list[MsgData], kind: int
) -> None:
    server = managing(timeline, tokens, published, follow="server")
    reply = answered(server, body(contentType=kind, content=CONTENTS[kind]), tokens.issue())
    assert (reply.http_status, reply.body["errCode"]) == (400, 404)
    assert published == []


@pytest.mark.parametrize(
    ("kind", "bad", "err_code"),
    [
        (102, {"sourcePicture": "a.png"}, 401),
        (103, {"duration": "long"}, 401),
        (105, {"fileSize": {}}, 401),
        (106, {"atUserList": ["ada"]}, 403),
        (109, {"longitude": "east"}, 401),
        (110, {}, 403),
        (110, {"data": ""}, 403),
        (110, {"data": {}}, 401),
        (111, {}, 403),
        (111, {"revokeMsgClientID": 7}, 401),
        (112, {"msgIDList": []}, 403),
    ],
)
def test_content_that_does_not_fit(
    ask: Ask, published: list[MsgData], kind: int, bad: dict[str, Any], err_code: int
) -> None:
    assert ask(body(contentType=kind, content=bad)).body["errCode"] == err_code
    assert published == []


@pytest.mark.parametrize(
    ("session", "inboxes", "conversation"),
    [(2, ("ada", "ben", "openIM123456"), "group"), (3, ("g1",), "super_group")],
)
def test_groups(
    ask: Ask,
    published: list[MsgData],
    timeline: Timeline,
    session: int,
    inboxes: tuple[str, ...],
    conversation: str,
) -> None:
    assert ask(body(**TEXT, sessionType=session, groupID="g1", recvID="")).body["errCode"] == 0
    accepted = timeline.find(NotificationAccepted)
    assert accepted is not None
    assert accepted.inboxes == inboxes
    assert accepted.conversationType == conversation
    assert published[0].groupID == "g1"


def batch(**changes: Any) -> bytes:
    return body(**{"recvID": None, "recvIDList": ["ada", "ben", "ada"], **changes})


def test_many_recipients(management: Management, tokens: Tokens, published: list[MsgData]) -> None:
    reply = management.batch_send_msg(batch(), tokens.issue())
    assert (reply.http_status, reply.body["errCode"]) == (200, 0)
    assert [message.recvID for message in published] == ["ada", "ben"]
    results = reply.body["data"]["resultList"]
    assert [result["recvID"] for result in results] == ["ada", "ben"]
    assert len({result["clientMsgID"] for result in results}) == 2
    assert reply.body["data"]["failedIDList"] == []


def test_everybody(management: Management, tokens: Tokens, published: list[MsgData]) -> None:
    management.batch_send_msg(batch(recvIDList=None, isSendAll=True), tokens.issue())
    assert [message.recvID for message in published] == ["ada", "ben"]


@pytest.mark.parametrize(
    ("refused", "err_code"),
    [
        (b"{", 400),
        (batch(recvIDList=[]), 400),
        (batch(recvIDList="ada"), 400),
        (batch(recvIDList=[str(n) for n in range(50_001)]), 400),
        (batch(contentType=7), 404),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_batch_is_refused_as_a_whole(
    management: Management, tokens: Tokens, published: list[MsgData], refused: bytes, err_code: int
) -> None:
    reply = management.batch_send_msg(refused, tokens.issue())
    assert (reply.http_status, reply.body["errCode"]) == (400, err_code)
    assert published == []
    assert management.batch_send_msg(batch(), "no token").body["errMsg"] == "parse token failed"


def test_who_cannot_be_reached_is_listed(timeline: Timeline, tokens: Tokens) -> None:
    reply = managing(timeline, tokens, [], DeliveryUnknownError("no answer")).batch_send_msg(
        batch(), tokens.issue()
    )
    assert reply.body["data"] == {"resultList": [], "failedIDList": ["ada", "ben"]}


def test_a_repeat_is_recognised_if_that_is_asked_for(
    timeline: Timeline, tokens: Tokens, published: list[MsgData]
) -> None:
    management = managing(timeline, tokens, published, idempotent=True)
    first, again = (answered(management, body(), tokens.issue()) for _ in range(2))
    assert first == again
    assert len(published) == 1
    assert answered(management, body(operationID="another"), tokens.issue()) != first
    assert len(published) == 2


def test_a_repeat_of_what_is_unknown_is_the_same_message(timeline: Timeline, tokens: Tokens) -> None:
    published: list[MsgData] = []
    errors: list[Exception] = [DeliveryUnknownError("no answer")]

    def begin(_: str, message: MsgData, __: object) -> Any:
        published.append(message)
        if errors:
            raise errors.pop()
        return Done()

    management = Management(begin, tokens, timeline, members={}.__getitem__, idempotent=True)
    assert answered(management, body(), tokens.issue()).body["errCode"] == 201
    assert answered(management, body(), tokens.issue()).body["errCode"] == 0
    assert published[0] == published[1]


def test_a_repeated_batch_reaches_who_may_not_have_got_it_with_the_same_message(
    timeline: Timeline, tokens: Tokens
) -> None:
    published: list[MsgData] = []
    outcomes = {"ben": [DeliveryUnknownError("no answer")], "cy": [BrokerUnavailableError("none")]}

    def begin(_: str, message: MsgData, __: object) -> Any:
        published.append(message)
        if left := outcomes.get(message.recvID):
            raise left.pop()
        return Done()

    management = Management(begin, tokens, timeline, members={}.__getitem__, idempotent=True)
    everybody = batch(recvIDList=["ada", "ben", "cy"])
    first = management.batch_send_msg(everybody, tokens.issue()).body["data"]
    assert [result["recvID"] for result in first["resultList"]] == ["ada"]
    assert first["failedIDList"] == ["ben", "cy"]
    again = management.batch_send_msg(everybody, tokens.issue()).body["data"]
    assert again["resultList"][0] == first["resultList"][0]
    assert [message.recvID for message in published] == ["ada", "ben", "cy", "ben", "cy"]
    assert published[1] == published[3]
    assert [result["clientMsgID"] for result in again["resultList"][1:]] == [
        message.clientMsgID for message in published[3:]
    ]
    assert management.batch_send_msg(everybody, tokens.issue()).body["data"] == again
    assert len(published) == 5


def test_a_repeated_batch_is_a_second_one_if_that_is_not_asked_for(
    management: Management, tokens: Tokens, published: list[MsgData]
) -> None:
    first, again = (management.batch_send_msg(batch(), tokens.issue()).body["data"] for _ in range(2))
    assert len(published) == 4
    assert first["resultList"][0]["clientMsgID"] != again["resultList"][0]["clientMsgID"]


def test_a_batch_of_which_nothing_was_sent_may_say_something_else(timeline: Timeline, tokens: Tokens) -> None:
    published: list[MsgData] = []
    errors: list[Exception] = [BrokerUnavailableError("none")]

    def begin(_: str, message: MsgData, __: object) -> Any:
        if errors:
            raise errors.pop()
        published.append(message)
        return Done()

    management = Management(begin, tokens, timeline, members={}.__getitem__, idempotent=True)
    assert management.batch_send_msg(batch(), tokens.issue()).body["data"]["failedIDList"] == ["ada", "ben"]
    management.batch_send_msg(batch(content=content(text="otherwise")), tokens.issue())
    assert ["otherwise" in message.content for message in published] == [True, True]


def test_what_was_certainly_not_sent_may_be_said_otherwise(
    timeline: Timeline, tokens: Tokens, published: list[MsgData]
) -> None:
    management = managing(timeline, tokens, published, idempotent=True)
    wrong = body(**TEXT, sessionType=2, groupID="nowhere")
    assert answered(management, wrong, tokens.issue()).body["errCode"] == 201
    assert answered(management, body(**TEXT, sessionType=1), tokens.issue()).body["errCode"] == 0
    assert published[0].sessionType == 1


def test_a_batch_is_bounded_in_bytes(
    management: Management, tokens: Tokens, published: list[MsgData]
) -> None:
    users = [str(number) for number in range(10_000)]
    large = batch(recvIDList=users, content=content(text="x" * 10_000))
    reply = management.batch_send_msg(large, tokens.issue())
    assert (reply.http_status, reply.body["errCode"]) == (400, 400)
    assert published == []


def test_of_a_batch_without_brokers_one_waits_for_all(timeline: Timeline, tokens: Tokens) -> None:
    asked: list[str] = []

    def begin(_: str, message: MsgData, __: object) -> Any:
        asked.append(message.recvID)
        raise BrokerUnavailableError("nobody there")

    management = Management(begin, tokens, timeline, members={}.__getitem__)
    reply = management.batch_send_msg(batch(), tokens.issue())
    assert reply.body["data"] == {"resultList": [], "failedIDList": ["ada", "ben"]}
    assert asked == ["ada"]
