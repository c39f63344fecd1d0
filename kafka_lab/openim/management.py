"""What the management calls do with a request, apart from HTTP: checks in the server's order, then Kafka."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka_lab.errors import (
    BrokerUnavailableError,
    DeliveryUnknownError,
    InvalidNotificationError,
    NotificationError,
)
from kafka_lab.events import NotificationAccepted, NotificationRefused, NotificationUnknown
from kafka_lab.openim.content import preview
from kafka_lab.openim.message import (
    GROUP_CHAT,
    NOTIFICATION,
    SINGLE_CHAT,
    SUPER_GROUP_CHAT,
    BatchSendMsgRequest,
    MsgData,
    SendMsgRequest,
    copied,
    new_ids,
    parse_request,
    session_type,
    to_message,
)
from kafka_lab.openim.publisher import Pending
from kafka_lab.openim.tokens import Tokens
from kafka_lab.timeline import Timeline

__all__ = ["MOST_RECIPIENTS", "Management", "Reply"]

KAFKA_FAILED = 201
UNKNOWN_SESSION_TYPE = 203
NO_ADDRESS = 405
MOST_RECIPIENTS = 50_000
_MOST_BYTES = 64 * 1024 * 1024  # of all records of a batch
_AT_A_TIME = 2000  # recipients
_MOST_REMEMBERED = 100_000
_MOST_BATCHES = 20  # of these: each has up to MOST_RECIPIENTS
_SESSIONS = {
    SINGLE_CHAT: "single",
    GROUP_CHAT: "group",
    SUPER_GROUP_CHAT: "super_group",
    NOTIFICATION: "notification",
}

R = TypeVar("R", bound=SendMsgRequest)
Begin = Callable[[str, MsgData, Sequence[str]], Pending]


@dataclass(frozen=True)
class Reply:
    """An HTTP status and OpenIM's envelope."""

    http_status: int
    body: dict[str, Any]


@dataclass
class _Known:
    """A request that was seen before: its message, and its answer once there is a certain one."""

    asking: asyncio.Event | None = None  # set when the one that is being asked is answered
    message: MsgData | None = None
    received_s: float = 0.0
    reply: Reply | None = None


@dataclass
class _Batch:
    """A batch: its message, the IDs with which recipients may have got it, and who certainly has."""

    lock: threading.Lock = field(default_factory=threading.Lock)  # a repeat waits for the first
    message: MsgData | None = None
    received_s: float = 0.0
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Begun:
    """A message that was handed over: what waits for it, and whose inboxes it is for."""

    pending: Pending
    inboxes: Sequence[str]


class Management:
    """``/manager/send_msg`` and ``/manager/batch_send_msg``.

    Parameters
    ----------
    begin : callable
        Takes operationID, message and inboxes; hands the copies over and returns what waits for their
        acknowledgements, else raises a NotificationError.
    tokens : Tokens
        Whose administrators may call.
    timeline : Timeline
        Gets what became of each request.
    members : callable
        Returns a group's members; raises KeyError if there is no such group.
    users : callable
        Returns all users, for ``isSendAll``.
    follow : str, default "article"
        Whose content types are taken: see :func:`~kafka_lab.openim.content.check_content`.
    idempotent : bool, default False
        Answer a request whose operationID was accepted before with the first answer, and repeat one whose
        fate is unknown as the same message; of a batch, each recipient's. OpenIM does neither: there a
        repeated request is a second message.
    """

    def __init__(
        self,
        begin: Begin,
        tokens: Tokens,
        timeline: Timeline,
        *,
        members: Callable[[str], Sequence[str]],
        users: Callable[[], Sequence[str]] = tuple,
        follow: str = "article",
        idempotent: bool = False,
    ) -> None:
        self._begin = begin
        self._tokens = tokens
        self._timeline = timeline
        self._members = members
        self._users = users
        self._follow = follow
        self._known: OrderedDict[str, _Known] | None = OrderedDict() if idempotent else None
        self._batches: OrderedDict[str, _Batch] = OrderedDict()
        self._lock = threading.Lock()

    async def send_msg(self, body: bytes, token: str | None) -> Reply:
        """Answer one request to send a message; always in the same loop, which it does not hold up."""
        received_s = self._timeline.now_s()
        try:
            request = self._checked(body, token, SendMsgRequest)
        except InvalidNotificationError as error:
            return self._refusal(error)
        if self._known is None:
            return await self._send(request, to_message(request), received_s)
        known = self._remembered(request.operationID)
        while known.asking is not None:  # a repeat waits for the first
            await known.asking.wait()
        if known.reply is not None:
            return known.reply
        if known.message is None:
            known.message, known.received_s = to_message(request), received_s
        known.asking = asyncio.Event()
        try:
            return await self._send_known(request, known, known.message)
        finally:
            known.asking.set()
            known.asking = None

    async def _send_known(self, request: SendMsgRequest, known: _Known, message: MsgData) -> Reply:
        """Send a message that a repeat of its request is to be recognised by."""
        reply = await self._send(request, message, known.received_s)
        if reply.body["errCode"] == 0:
            known.reply, known.message = reply, None
        elif self._timeline.find(NotificationUnknown, clientMsgID=message.clientMsgID) is None:
            known.message = None  # certainly not sent: the next one may say something else
        return reply

    def batch_send_msg(self, body: bytes, token: str | None) -> Reply:
        """Answer one request to send a message to each of many recipients; it takes a while."""
        received_s = self._timeline.now_s()
        try:
            request = self._checked(body, token, BatchSendMsgRequest)
            recipients = self._recipients(request)
        except InvalidNotificationError as error:
            return self._refusal(error)
        batch = _Batch() if self._known is None else self._remembered_batch(request.operationID)
        with batch.lock:
            if batch.message is None or not batch.ids:  # nothing was sent: it may say something else now
                batch.message, batch.received_s = to_message(request), received_s
            self._send_batch(
                request, batch, batch.message, [u for u in recipients if u not in batch.accepted]
            )
            results = [
                {**_ids(*batch.ids[user], batch.message.sendTime), "recvID": user}
                for user in recipients
                if user in batch.accepted
            ]
            failed = [user for user in recipients if user not in batch.accepted]
        return Reply(200, _envelope(data={"resultList": results, "failedIDList": failed}))

    def _send_batch(
        self, request: SendMsgRequest, batch: _Batch, first: MsgData, recipients: Sequence[str]
    ) -> None:
        """Send a batch's message to recipients, with the IDs that an earlier request gave it, if any."""
        unreachable: NotificationError | None = None
        for begin in range(0, len(recipients), _AT_A_TIME):
            begun = []
            for user in recipients[begin : begin + _AT_A_TIME]:
                ids = batch.ids.get(user) or new_ids()
                message = copied(first, user, ids)
                outcome = unreachable or self._begun(request, message)
                begun.append((message, outcome))
                if isinstance(outcome, _Begun | DeliveryUnknownError):
                    batch.ids[user] = ids
                elif isinstance(outcome, BrokerUnavailableError):
                    unreachable = outcome  # the others would wait as long, in vain
            for message, pending in begun:
                if self._waited(message, pending, batch.received_s).body["errCode"] == 0:
                    batch.accepted.add(message.recvID)

    def _checked(self, body: bytes, token: str | None, kind: type[R]) -> R:
        """Return a request that passed the api server's checks, in its order.

        Raises
        ------
        _RefusedLateError
            The token or the address is wrong.
        InvalidNotificationError
            Anything else is.
        """
        request = parse_request(body, kind, follow=self._follow)
        try:
            self._tokens.check_admin(token)
            if kind is SendMsgRequest:
                _check_address(request)
        except InvalidNotificationError as error:
            raise _RefusedLateError(
                str(error), http_status=error.http_status, err_code=error.err_code
            ) from error
        return request

    def _recipients(self, request: BatchSendMsgRequest) -> Sequence[str]:
        """Return the recipients, each once.

        Raises
        ------
        InvalidNotificationError
            There are none, or too many.
        """
        recipients = list(dict.fromkeys(self._users() if request.isSendAll else request.recvIDList))
        if not request.isSendAll and not recipients:
            raise InvalidNotificationError("recvIDList is required", http_status=400, err_code=400)
        if len(recipients) > MOST_RECIPIENTS:
            raise InvalidNotificationError(
                f"{len(recipients)} recipients; at most {MOST_RECIPIENTS}", http_status=400, err_code=400
            )
        size = 2 * len(recipients) * len(request.model_dump_json(exclude={"recvIDList"}))
        if size > _MOST_BYTES:
            raise InvalidNotificationError(
                f"{size} bytes of records; at most {_MOST_BYTES}: fewer recipients, or less content",
                http_status=400,
                err_code=400,
            )
        return recipients

    def _remembered_batch(self, operation_id: str) -> _Batch:
        with self._lock:
            batch = self._batches.setdefault(operation_id, _Batch())
            self._batches.move_to_end(operation_id)
            if len(self._batches) > _MOST_BATCHES:
                self._batches.popitem(last=False)
        return batch

    def _remembered(self, operation_id: str) -> _Known:
        assert self._known is not None  # noqa: S101 - the caller knows
        known = self._known.setdefault(operation_id, _Known())
        self._known.move_to_end(operation_id)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return known

    async def _send(self, request: SendMsgRequest, message: MsgData, received_s: float) -> Reply:
        """Hand a message over, wait for its acknowledgements, and return the answer.

        Raises
        ------
        CancelledError
            The gateway was killed.
        """
        begun = self._begun(request, message)
        try:
            if isinstance(begun, NotificationError):
                raise begun
            await begun.pending.acknowledged()
        except NotificationError as error:
            return self._failed(message, error)
        except asyncio.CancelledError:  # nobody hears of it, and a client can but ask again
            self._timeline.append(NotificationUnknown(message.clientMsgID, "the gateway ended"))
            raise
        return self._done(message, begun.inboxes, received_s)

    def _waited(self, message: MsgData, begun: _Begun | NotificationError, received_s: float) -> Reply:
        """Wait for a message that was handed over, and return the answer."""
        try:
            if isinstance(begun, NotificationError):
                raise begun
            begun.pending.wait()
        except NotificationError as error:
            return self._failed(message, error)
        return self._done(message, begun.inboxes, received_s)

    def _begun(self, request: SendMsgRequest, message: MsgData) -> _Begun | NotificationError:
        """Hand a message over; return what waits for it, or why it was not handed over."""
        try:
            inboxes = self._inboxes(message)
            return _Begun(self._begin(request.operationID, message, inboxes), inboxes)
        except NotificationError as error:
            return error

    def _inboxes(self, message: MsgData) -> Sequence[str]:
        """Return whose inboxes get a copy; check what only the services behind the api server find out.

        Raises
        ------
        InvalidNotificationError
            With HTTP 200: there is no such session type or group, or no key for Kafka.
        """
        if message.sessionType not in _SESSIONS:
            raise InvalidNotificationError(
                "unknown sessionType", http_status=200, err_code=UNKNOWN_SESSION_TYPE
            )
        members: Sequence[str] = ()
        if message.sessionType in (GROUP_CHAT, SUPER_GROUP_CHAT):
            try:
                members = self._members(message.groupID)
            except KeyError as error:
                said = f"there is no group {message.groupID!r}"
                raise InvalidNotificationError(said, http_status=200, err_code=KAFKA_FAILED) from error
        inboxes = message.inboxes(members)
        if not all(inboxes):  # the real producer refuses an empty key
            raise InvalidNotificationError("kafka send msg err", http_status=200, err_code=KAFKA_FAILED)
        return inboxes

    def _done(self, message: MsgData, inboxes: Sequence[str], received_s: float) -> Reply:
        """Note that a message was accepted, and return the answer."""
        self._timeline.append(_accepted(message, inboxes, received_s))
        ids = _ids(message.clientMsgID, message.serverMsgID, message.sendTime)
        return Reply(200, _envelope(data=ids))

    def _failed(self, message: MsgData, error: NotificationError) -> Reply:
        """Note that a message was not accepted, and return the answer."""
        code, said = KAFKA_FAILED, "kafka send msg err"
        if isinstance(error, DeliveryUnknownError):
            self._timeline.append(NotificationUnknown(message.clientMsgID, str(error)))
        else:
            if isinstance(error, InvalidNotificationError):
                code, said = error.err_code, str(error)
            self._timeline.append(NotificationRefused(message.clientMsgID, code, str(error)))
        return Reply(200, {"errCode": code, "errMsg": said, "data": {"clientMsgID": message.clientMsgID}})

    def _refusal(self, error: InvalidNotificationError) -> Reply:
        self._timeline.append(NotificationRefused("", error.err_code, str(error)))
        more = {"sendTime": 0, "MsgID": ""} if isinstance(error, _RefusedLateError) else {}
        return Reply(error.http_status, {"errCode": error.err_code, "errMsg": str(error), **more})


class _RefusedLateError(InvalidNotificationError):
    """Refused after the body was read: the answer then has more keys."""


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


def _ids(client_id: str, server_id: str, send_time: int) -> dict[str, object]:
    return {"serverMsgID": server_id, "clientMsgID": client_id, "sendTime": send_time}


def _envelope(data: dict[str, object]) -> dict[str, object]:
    return {"errCode": 0, "errMsg": "", "data": data}


def _accepted(message: MsgData, inboxes: Sequence[str], received_s: float) -> NotificationAccepted:
    """Return the event, with what pictures show of the message."""
    title, text = preview(message.contentType, message.content)
    return NotificationAccepted(
        message.clientMsgID,
        inboxes=tuple(inboxes) if message.stored else (),
        received_s=received_s,
        sendID=message.sendID,
        senderNickname=message.senderNickname[:120],
        groupID=message.groupID,
        conversationType=_SESSIONS[message.sessionType],
        title=title[:120],
        text=text[:500],
    )
