"""The management call's request, the message it becomes, and the record that carries it."""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from typing import Annotated, Any, Self, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from kafka_lab.errors import InvalidNotificationError
from kafka_lab.openim.content import CONTENT_TYPES, OA_NOTIFICATION, check_content, content_text
from kafka_lab.openim.tokens import ADMINS

__all__ = [
    "BATCH_PATH",
    "PATH",
    "BatchSendMsgRequest",
    "MsgData",
    "SendMsgRequest",
    "example_request",
    "notification_request",
    "parse_request",
]

PATH = "/manager/send_msg"
BATCH_PATH = "/manager/batch_send_msg"
SINGLE_CHAT = 1  # sessionType, as the three below
GROUP_CHAT = 2
SUPER_GROUP_CHAT = 3
NOTIFICATION = 4
_DEEPEST = 100
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a surrogate pair
_FROM_SYSTEM = 200  # msgFrom; a user's own messages have 100

_CONTENT = """By contentType; sizes in bytes, durations in seconds, widths and heights in pixels, degrees;
required fields have a star. """ + "; ".join(
    f"{number} {kind.name}: " + ", ".join(f"`{name}`{'*' * (name in kind.required)}" for name in kind.fields)
    for number, kind in CONTENT_TYPES.items()
)
_LEAST32, _MOST32 = -(2**31), 2**31 - 1
Int32 = Annotated[int, Field(ge=_LEAST32, le=_MOST32)]
_Int32 = Annotated[int, msgspec.Meta(ge=_LEAST32, le=_MOST32)]
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
NotEmpty = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class OfflinePushInfo:
    """What a device shows of the message when its owner is offline."""

    __pydantic_config__ = ConfigDict(strict=False)  # an object of JSON will do for one

    title: StrictStr = ""
    desc: StrictStr = ""
    ex: StrictStr = ""
    iOSPushSound: StrictStr = ""  # noqa: N815 - OpenIM's spelling, here and below
    iOSBadgeCount: StrictBool = False  # noqa: N815


class SendMsgRequest(BaseModel):
    """The body of ``POST /manager/send_msg``, as v2.1.0's ManagementSendMsgReq takes it."""

    model_config = ConfigDict(strict=True)

    operationID: NotEmpty = Field(  # noqa: N815
        description="A trace ID. It does not make a repeated request recognisable.",
        examples=["oa-notice-1645697804432-7731"],
    )
    sendID: NotEmpty = Field(  # noqa: N815
        description="The sending account; all notifications of one sendID gather in one conversation.",
        examples=["openIM123456"],
    )
    recvID: str = Field(  # noqa: N815
        "",
        description="The recipient's user ID: the Kafka key of their copy.",
        examples=["18712345678"],
    )
    groupID: str = Field("", description="A group's ID, for sessionType 2 and 3.")  # noqa: N815
    senderNickname: str = Field("", description="The sender's name, shown with this message.")  # noqa: N815
    senderFaceURL: str = Field("", description="The sender's picture, shown with this message.")  # noqa: N815
    senderPlatformID: Int32 = Field(  # noqa: N815
        0,
        description="1 iOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux; not checked.",
        examples=[2],
    )
    content: dict[str, Any] = Field(description=_CONTENT)
    contentType: Int32 = Field(  # noqa: N815
        description="101 text, 102 picture, 103 voice, 104 video, 105 file, 106 @, 107 merged, 108 card, "
        "109 location, 110 custom, 111 revoke, 112 read receipt, 114 quote, 1400 OA notification.",
        examples=[1400],
    )
    sessionType: Int32 = Field(  # noqa: N815
        description="1 single chat, 2 group, 3 super group, 4 notification. For contentType 1400 any value "
        "counts as 4.",
        examples=[4],
    )
    isOnlineOnly: bool = Field(  # noqa: N815
        False, description="True: nothing is stored, who is offline never sees it."
    )
    offlinePushInfo: OfflinePushInfo | None = None  # noqa: N815


class MsgData(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message on its way: the ``msgData`` of a record in ``ws2ms_chat``.

    Attributes
    ----------
    seq : int
        Its number in the inbox; 0 before one is allotted.
    sendTime : int
        Milliseconds since 1970.
    options : dict
        An absent key means true.
    """

    sendID: str  # noqa: N815
    recvID: str  # noqa: N815
    groupID: str = ""  # noqa: N815
    clientMsgID: str  # noqa: N815
    serverMsgID: str  # noqa: N815
    senderPlatformID: _Int32  # noqa: N815
    senderNickname: str  # noqa: N815
    senderFaceURL: str  # noqa: N815
    sessionType: _Int32  # noqa: N815
    msgFrom: _Int32  # noqa: N815
    contentType: _Int32  # noqa: N815
    content: str
    seq: _Int64 = 0
    sendTime: _Int64  # noqa: N815
    options: dict[str, bool]
    offlinePushInfo: OfflinePushInfo | None  # noqa: N815

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Return a message that was written by :meth:`to_json`.

        Raises
        ------
        ValueError
            It was not.
        """
        return msgspec.json.decode(data, type=cls)

    def to_json(self) -> str:
        """Return it as JSON, by OpenIM's names."""
        return msgspec.json.encode(self).decode()

    def option(self, name: str) -> bool:
        """Return whether an option of OpenIM's is on, such as ``"offlinePush"``; what is not set is on."""
        return self.options.get(name, True)

    @property
    def stored(self) -> bool:
        """False for an online-only message: it gets no seq and no row."""
        return self.option("history")

    def inboxes(self, members: Sequence[str] = ()) -> tuple[str, ...]:
        """Return whose inboxes get a copy, which are also the records' keys.

        Single chats and notifications: the recipient's and the sender's, once if they are one. Groups: each
        of the ``members``'. A super group has one inbox, its own, which all its members read.
        """
        if self.sessionType == GROUP_CHAT:
            return tuple(members)
        if self.sessionType == SUPER_GROUP_CHAT:
            return (self.groupID,)
        return tuple(dict.fromkeys((self.recvID, self.sendID)))


class BatchSendMsgRequest(SendMsgRequest):
    """The body of ``POST /manager/batch_send_msg``: one message for each of many recipients."""

    isSendAll: bool = Field(False, description="True: to all users that have an inbox.")  # noqa: N815
    recvIDList: list[str] = Field(  # noqa: N815
        default_factory=list, description="The recipients' user IDs; recvID does not count."
    )


_PUSH_FIELDS = tuple(each.name for each in fields(OfflinePushInfo))
R = TypeVar("R", bound=SendMsgRequest)


def notification_request(
    text: str,
    *,
    sendID: str = ADMINS[0],  # noqa: N803 - OpenIM's spelling, here and below
    senderNickname: str = "Office",  # noqa: N803
    notificationName: str = "Notice",  # noqa: N803
    isOnlineOnly: bool = False,  # noqa: N803
    operationID: str | None = None,  # noqa: N803
) -> dict[str, Any]:
    """Return the body of a request for a notification, but for its recipient.

    Parameters
    ----------
    text : str
        What it says; the others are the fields of that name.
    operationID : str, optional
        By default a new one.
    """
    return {
        "operationID": operationID or f"kafka-lab-{time.time_ns()}",
        "sendID": sendID,
        "senderNickname": senderNickname,
        "content": {
            "notificationName": notificationName,
            "notificationFaceURL": "http://localhost/faces/office.png",
            "notificationType": 1,
            "text": text,
            "mixType": 0,
        },
        "contentType": OA_NOTIFICATION,
        "sessionType": NOTIFICATION,
        "isOnlineOnly": isOnlineOnly,
    }


def parse_request(body: bytes, kind: type[R], *, follow: str = "article") -> R:
    """Read a request's body as the server's JSON reader does, and check it up to its content.

    The reader is strict in type, ignores unknown keys, the case of keys and whatever follows the first
    JSON value; ``null`` equals absent and the last of equal keys wins.

    Raises
    ------
    InvalidNotificationError
        With HTTP 400 and OpenIM's errCode: 400 malformed, 404, 401, 403 for the content.
    """
    try:
        text = body.decode("utf-8").lstrip(" \t\r\n")
        data = _DECODER.raw_decode(text)[0]
        if _ESCAPED_HALF.search(text) or text.count("[") + text.count("{") > _DEEPEST:  # else it is plain
            data = _plain(data)
    except (ValueError, RecursionError) as error:
        raise InvalidNotificationError(
            f"the body is not JSON: {error}", http_status=400, err_code=400
        ) from error
    if not isinstance(data, dict):
        raise InvalidNotificationError("the body is not a JSON object", http_status=400, err_code=400)
    try:
        request = kind.model_validate(_known_fields(data, kind.model_fields))
    except ValidationError as error:
        raise InvalidNotificationError(_summary(error), http_status=400, err_code=400) from error
    for name in ("contentType", "sessionType"):
        if getattr(request, name) == 0:
            raise InvalidNotificationError(f"{name} is required", http_status=400, err_code=400)
    check_content(request.contentType, request.content, follow=follow)
    return request


def session_type(request: SendMsgRequest) -> int:
    """Return the session type that counts: an OA notification is a notification, whatever was asked."""
    return NOTIFICATION if request.contentType == OA_NOTIFICATION else request.sessionType


def to_message(request: SendMsgRequest) -> MsgData:
    """Make the message of a request, with new IDs and the present time."""
    online_only = dict.fromkeys(("history", "persistent", "senderSync", "offlinePush"), False)
    client_id, server_id = new_ids()
    return MsgData(
        sendID=request.sendID,
        recvID=request.recvID,
        groupID=request.groupID,
        clientMsgID=client_id,
        serverMsgID=server_id,
        senderPlatformID=request.senderPlatformID,
        senderNickname=request.senderNickname,
        senderFaceURL=request.senderFaceURL,
        sessionType=session_type(request),
        msgFrom=_FROM_SYSTEM,
        contentType=request.contentType,
        content=content_text(request.contentType, request.content),
        sendTime=time.time_ns() // 1_000_000,
        options=online_only if request.isOnlineOnly else {},
        offlinePushInfo=request.offlinePushInfo,
    )


def new_ids() -> tuple[str, str]:
    """Return a clientMsgID and a serverMsgID.

    No secrets: asking the system for better chance, as uuid4 does, lets all other threads go first.
    """
    return f"{random.getrandbits(128):032x}", f"{random.getrandbits(128):032x}"


def copied(message: MsgData, user: str, ids: tuple[str, str]) -> MsgData:
    """Return the same message for another recipient, with IDs of its own, as :func:`new_ids` makes them."""
    return msgspec.structs.replace(message, recvID=user, clientMsgID=ids[0], serverMsgID=ids[1])


def example_request() -> dict[str, Any]:
    """Return the article's example call: a document waits for an employee."""
    file = resources.files("kafka_lab") / "data" / "example_notification.json"
    example: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return example


def _last_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object in which of equal keys the last counts, by place too."""
    result = dict(pairs)
    if len(result) < len(pairs):
        result = {}
        for key, value in pairs:
            result.pop(key, None)
            result[key] = value
    return result


def _no_constant(name: str) -> None:
    """Refuse what Python's reader takes and JSON does not have.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(f"{name} is not a JSON value")


def _finite(number: str) -> float:
    """Read a number that a float can hold.

    Raises
    ------
    ValueError
        It cannot.
    """
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"the number {number[:20]} is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_last_wins, parse_constant=_no_constant, parse_float=_finite)


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return JSON data without half surrogate pairs (U+FFFD instead, as Go's reader does).

    Raises
    ------
    ValueError
        It is nested too deeply.
    """
    if depth > _DEEPEST:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item, depth + 1) for key, item in value.items()}
    return value


def _known_fields(data: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return the fields that are known, whatever the case of their names, without nulls."""
    names = {name.lower(): name for name in fields}
    known = {names[key.lower()]: value for key, value in data.items() if key.lower() in names}
    push = known.get("offlinePushInfo")
    if isinstance(push, dict):
        known["offlinePushInfo"] = _known_fields(push, _PUSH_FIELDS)
    return {name: value for name, value in known.items() if value is not None}


def _summary(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)
    )
