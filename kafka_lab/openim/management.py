"""What the management call does with a request, apart from HTTP: checks in the server's order, then Kafka."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kafka_lab.errors import DeliveryUnknownError, InvalidNotificationError, NotificationError
from kafka_lab.events import NotificationAccepted, NotificationRefused, NotificationUnknown
from kafka_lab.openim.message import (
    GROUP_CHAT,
    NOTIFICATION,
    SINGLE_CHAT,
    MsgData,
    SendMsgRequest,
    parse_request,
    session_type,
    to_message,
)
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

__all__ = ["Reply", "SendMsg"]

KAFKA_FAILED = 201
UNKNOWN_SESSION_TYPE = 203
NO_ADDRESS = 405


@dataclass(frozen=True)
class Reply:
    """An HTTP status and OpenIM's envelope."""

    http_status: int
    body: dict[str, Any]


class SendMsg:
    """``/manager/send_msg``.

    Parameters
    ----------
    publish : callable
        Takes operationID and message; returns when Kafka acknowledged every copy, else raises a
        NotificationError.
    tokens : Tokens
        Whose administrators may call.
    timeline : Timeline
        Gets what became of each request.
    """

    def __init__(self, publish: Callable[[str, MsgData], None], tokens: Tokens, timeline: Timeline) -> None:
        self._publish = publish
        self._tokens = tokens
        self._timeline = timeline

    def __call__(self, body: bytes, token: str | None) -> Reply:
        """Answer one request."""
        received_s = self._timeline.now_s()
        try:
            request = parse_request(body)
        except InvalidNotificationError as error:
            return self._refuse(error)
        try:
            self._tokens.check_admin(token)
            _check_address(request)
        except InvalidNotificationError as error:
            return self._refuse(error, sendTime=0, MsgID="")
        message = to_message(request)
        try:
            _check_deliverable(message)
            self._publish(request.operationID, message)
        except DeliveryUnknownError as error:
            self._timeline.append(NotificationUnknown(message.clientMsgID, str(error)))
            return _failed(message, KAFKA_FAILED, "kafka send msg err")
        except InvalidNotificationError as error:
            self._note_refusal(message, error.err_code, error)
            return _failed(message, error.err_code, str(error))
        except NotificationError as error:
            self._note_refusal(message, KAFKA_FAILED, error)
            return _failed(message, KAFKA_FAILED, "kafka send msg err")
        self._timeline.append(
            NotificationAccepted(
                message.clientMsgID,
                inboxes=message.inboxes if message.stored else (),
                received_s=received_s,
            )
        )
        data = {
            "serverMsgID": message.serverMsgID,
            "clientMsgID": message.clientMsgID,
            "sendTime": message.sendTime,
        }
        return Reply(200, {"errCode": 0, "errMsg": "", "data": data})

    def _refuse(self, error: InvalidNotificationError, **more: object) -> Reply:
        self._timeline.append(NotificationRefused("", error.err_code, str(error)))
        return Reply(error.http_status, {"errCode": error.err_code, "errMsg": str(error), **more})

    def _note_refusal(self, message: MsgData, err_code: int, error: Exception) -> None:
        self._timeline.append(NotificationRefused(message.clientMsgID, err_code, str(error)))


def _check_address(request: SendMsgRequest) -> None:
    """Check what the api server itself checks of the address.

    Raises
    ------
    InvalidNotificationError
        A single chat has no recipient, or a group chat no group.
    """
    needed = {SINGLE_CHAT: "recvID", GROUP_CHAT: "groupID"}.get(session_type(request))
    if needed is not None and not getattr(request, needed):
        raise InvalidNotificationError(f"{needed} is a null string", http_status=400, err_code=NO_ADDRESS)


def _check_deliverable(message: MsgData) -> None:
    """Check what only the services behind the api server find out.

    Raises
    ------
    InvalidNotificationError
        With HTTP 200: there is no such session type, or no key for Kafka.
    """
    if message.sessionType not in {SINGLE_CHAT, NOTIFICATION}:
        raise InvalidNotificationError("unknown sessionType", http_status=200, err_code=UNKNOWN_SESSION_TYPE)
    if not message.recvID:  # the real producer refuses an empty key
        raise InvalidNotificationError("kafka send msg err", http_status=200, err_code=KAFKA_FAILED)


def _failed(message: MsgData, err_code: int, err_msg: str) -> Reply:
    data = {"clientMsgID": message.clientMsgID}
    return Reply(200, {"errCode": err_code, "errMsg": err_msg, "data": data})
