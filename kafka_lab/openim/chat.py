"""The chat page: a small web client, and the calls with which it gets its user's messages."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from importlib import resources
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from kafka_lab.errors import InvalidNotificationError
from kafka_lab.openim.body import read_body
from kafka_lab.openim.conversation import InboxMessage, super_group_conversation
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.tokens import Tokens

__all__ = ["chat_router"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_FILES = ("chat.html", "chat.css", "chat.js", "phone.js", "connection.js", "inbox.js", "content.js")
_LARGEST_BYTES = 4096  # of a request
_MOST = 500  # messages of a page
_MOST_SEQ = 2**53  # what JavaScript counts to
_PAGE_CHARACTERS = 4_000_000  # after which it ends, with one message at least
# Pictures and videos are where a message says; everything else is ours. Only pages of this machine frame it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; "
    "img-src http: https: data:; media-src http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors http://127.0.0.1:* http://localhost:*"
)
UserID = Annotated[str, Query(min_length=1, max_length=256)]
Token = Annotated[str | None, Header()]


class _Login(BaseModel):
    """The body of ``POST /auth/user_token``."""

    secret: str
    userID: str = Field(min_length=1, max_length=256)  # noqa: N815 - OpenIM's spelling


class _Read(BaseModel):
    """The body of ``POST /chat/read``."""

    userID: str  # noqa: N815
    conversationID: str  # noqa: N815


def chat_router(
    inbox: Inbox, tokens: Tokens, secret: str, groups: Callable[[str], Collection[str]]
) -> APIRouter:
    """Return the page at ``/chat/`` and what it calls.

    Parameters
    ----------
    inbox : Inbox
        Everybody's messages.
    tokens : Tokens
        Issues and checks the users' tokens.
    secret : str
        Who knows it gets a token for any user, as OpenIM's ``/auth/user_token`` gives to an app's server.
    groups : callable
        Returns the groups of a user: a super group has an inbox of its own, which its members read.
    """
    router = APIRouter(include_in_schema=False)

    def check(user: str, token: str | None) -> None:
        if tokens.check(token) != user:
            raise InvalidNotificationError("the token is another user's", http_status=400, err_code=400)

    @router.post("/auth/user_token")
    async def login(request: Request) -> JSONResponse:
        def issue(body: bytes) -> dict[str, Any]:
            asked = _Login.model_validate_json(body)
            if not secrets.compare_digest(asked.secret.encode(), secret.encode()):
                raise InvalidNotificationError("not authorized", http_status=400, err_code=401)
            return {"userID": asked.userID, "token": tokens.issue(asked.userID)}

        return await _answer(request, issue)

    @router.get("/chat/messages")
    def messages(
        userID: UserID,  # noqa: N803 - OpenIM's spelling
        after_seq: Annotated[int, Query(ge=-_MOST_SEQ, le=_MOST_SEQ)],
        most: Annotated[int, Query(ge=1, le=_MOST)] = _MOST,
        groupID: Annotated[str, Query(max_length=256)] = "",  # noqa: N803
        token: Token = None,
    ) -> JSONResponse:
        def pull(_: bytes) -> dict[str, Any]:
            check(userID, token)
            own_groups = groups(userID)
            if groupID and groupID not in own_groups:
                raise InvalidNotificationError("not a member of the group", http_status=400, err_code=400)
            owner = groupID or userID
            begin = after_seq if after_seq >= 0 else max(0, inbox.newest_seq(owner) + after_seq)
            found = inbox.messages(owner, after_seq=begin, most=most)
            page = _page(found)
            return {
                "after_seq": begin,
                "read": inbox.read_marks(userID),
                "groups": sorted(own_groups),
                "messages": [
                    {**msgspec.to_builtins(each.message), "seq": each.seq}
                    for each in page
                    # A user may be called like a group.
                    if (each.conversationID == super_group_conversation(owner)) is bool(groupID)
                ],
                "more": len(page) < len(found) or len(found) == most,
            }

        return _reply(pull, b"")

    @router.post("/chat/read")
    async def read(request: Request, token: Token = None) -> JSONResponse:
        def mark(body: bytes) -> dict[str, Any]:
            asked = _Read.model_validate_json(body)
            check(asked.userID, token)
            inbox.mark_read(asked.userID, asked.conversationID)
            return {}

        return await _answer(request, mark)

    @router.get("/chat/{name}")
    def page(name: str) -> Response:
        return _static(name)

    @router.get("/chat/")
    def index() -> Response:
        return _static("chat.html")

    return router


def _page(found: Sequence[InboxMessage]) -> list[InboxMessage]:
    """Return the first messages, as many as may come at once."""
    page: list[InboxMessage] = []
    size = 0
    for each in found:
        size += len(each.message.content)
        if page and size > _PAGE_CHARACTERS:
            break
        page.append(each)
    return page


def _static(name: str) -> Response:
    """Return one of the page's files."""
    if name not in _FILES:
        return Response(status_code=404)
    content = resources.files("kafka_lab.openim").joinpath("static", name).read_bytes()
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    kind = f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8"
    return Response(content, headers=headers, media_type=kind)


async def _answer(request: Request, call: Callable[[bytes], dict[str, Any]]) -> JSONResponse:
    """Return what a call makes of a body, which may not be large."""
    body = await read_body(request.receive, _LARGEST_BYTES)
    if body is None:
        return JSONResponse({"errCode": 413, "errMsg": "the body is too large"}, 413)
    return await run_in_threadpool(_reply, call, body)


def _reply(call: Callable[[bytes], dict[str, Any]], body: bytes) -> JSONResponse:
    """Return the answer in OpenIM's envelope."""
    try:
        return JSONResponse({"errCode": 0, "errMsg": "", "data": call(body)})
    except InvalidNotificationError as error:
        return JSONResponse({"errCode": error.err_code, "errMsg": str(error)}, error.http_status)
    except ValidationError as error:
        return JSONResponse({"errCode": 400, "errMsg": f"not understood: {error.error_count()} errors"}, 400)
