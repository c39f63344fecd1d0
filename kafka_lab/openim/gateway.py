"""The management calls and the push connection over HTTP, and the server that runs them on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvicorn
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kafka_lab.errors import InvalidNotificationError
from kafka_lab.openim.body import read_body
from kafka_lab.openim.content import CONTENT_TYPES
from kafka_lab.openim.hub import FORBIDDEN, Hub
from kafka_lab.openim.management import Management, Reply
from kafka_lab.openim.message import BATCH_PATH, PATH, BatchSendMsgRequest, SendMsgRequest, example_request
from kafka_lab.openim.sockets import BACKLOG, most_connections, raise_file_limit
from kafka_lab.openim.tokens import Tokens

__all__ = ["LARGEST_BODY_BYTES", "Gateway", "make_app"]

HOST = "127.0.0.1"
_HOSTS = (HOST, "localhost")
LARGEST_BODY_BYTES = 1024 * 1024
_PATIENCE_S = 2
# Longer than clients keep an idle connection (httpx 5 s, aiohttp 15 s): else the next request may meet its
# end.
_KEEP_ALIVE_S = 30
_MOST_CALLING = 200  # connections, when as many people are online as can be
_PING_S = 20.0  # how soon a connection that is open at one end only is found

_ABOUT = """
OpenIM's management interface as of v2.1.0. An answer with errCode 0 means: every in-sync replica has the
message.

| errCode | HTTP | meaning |
| --- | --- | --- |
| 0 | 200 | accepted: acknowledged by all in-sync replicas |
| 201 | 200 | Kafka did not acknowledge it; it may still be delivered. Or: no such group |
| 203 | 200 | unknown sessionType |
| 400 | 400 | malformed body, missing field, bad token, no administrator |
| 401 | 400 | the content does not decode |
| 403 | 400 | the content lacks a required field |
| 404 | 400 | unknown contentType |
| 405 | 400 | recvID (groupID for sessionType 2) is missing |
| 413 | 413 | the body is larger than 1 MiB |

The checks come in the server's order: body, contentType, content, token, administrator, recvID. A repeated
request is a second message: operationID does not make it recognisable, unless the lab was asked for that
(`lab.openim(idempotent=True)`).

| contentType | meaning | a v2.1.0 server takes it here |
| --- | --- | --- |
"""


class Envelope(BaseModel):
    """OpenIM's answer."""

    errCode: int = Field(description="0: accepted.")  # noqa: N815 - OpenIM's spelling
    errMsg: str = Field(description="Empty, or what is wrong.")  # noqa: N815
    data: dict[str, Any] | None = Field(
        None,
        description="serverMsgID, clientMsgID, and sendTime in milliseconds since 1970; of a batch "
        "resultList, with these and the recvID of each, and failedIDList.",
    )


def make_app(management: Management, hub: Hub, tokens: Tokens, chat: APIRouter | None = None) -> ASGIApp:
    """Return the web application around the calls; its documentation at ``/docs`` needs no network."""
    types = "".join(
        f"| {number} | {kind.name} | {'yes' if kind.by_server else 'no: in the article only'} |\n"
        for number, kind in CONTENT_TYPES.items()
    )
    app: FastAPI = FastAPIOffline(title="OpenIM notifications", version="2.1.0", description=_ABOUT + types)
    calls: dict[str, _Call] = {}

    def add(path: str, summary: str, kind: type[BaseModel], example: dict[str, Any], call: _Call) -> None:
        schema = kind.model_json_schema()
        schema["properties"]["offlinePushInfo"] = schema.pop("$defs")["OfflinePushInfo"]
        body = {"schema": schema, "example": example}
        header = {
            "name": "token",
            "in": "header",
            "schema": {"type": "string"},
            "description": "An administrator's token.",
        }

        @app.post(
            path,
            summary=summary,
            response_model=Envelope,
            responses={status: {"model": Envelope} for status in (400, 413)},
            openapi_extra={
                "parameters": [header],
                "requestBody": {"required": True, "content": {"application/json": body}},
            },
        )
        async def documented() -> None:
            pass  # _Calls answers

        calls[path] = call

    async def send_many(body: bytes, token: str | None) -> Reply:
        return await run_in_threadpool(management.batch_send_msg, body, token)

    example = example_request()
    add(PATH, "Send a message as an administrator", SendMsgRequest, example, management.send_msg)
    many = {**example, "recvIDList": [example["recvID"], "18712345679"], "isSendAll": False}
    many.pop("recvID")
    add(BATCH_PATH, "Send a message to each of many recipients", BatchSendMsgRequest, many, send_many)

    if chat is not None:
        app.include_router(chat)

    @app.websocket("/ws")
    async def push(websocket: WebSocket, userID: str = "", token: str = "") -> None:  # noqa: N803
        await websocket.accept()
        reason = _refused(websocket, userID, token, tokens)
        if reason:
            await websocket.close(FORBIDDEN, reason)
            return
        await hub.serve(userID, websocket)

    trusting = _Calls(app, calls)
    checking = TrustedHostMiddleware(trusting, allowed_hosts=_HOSTS)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await (trusting if _is_ours(scope) else checking)(scope, receive, send)

    return serve


_Call = Callable[[bytes, str | None], Awaitable[Reply]]


class _Calls:
    """Answers the management calls; FastAPI, which documents them, answers all else.

    Its routing costs almost as much as everything else that the gateway does for a call.
    """

    def __init__(self, app: ASGIApp, calls: Mapping[str, _Call]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = None
        if scope["type"] == "http" and scope["method"] == "POST":
            call = self._calls.get(scope["path"])
        if call is None:
            await self._app(scope, receive, send)
            return
        headers = []
        body = await read_body(receive, LARGEST_BODY_BYTES)
        if body is None:
            reply = Reply(
                413, {"errCode": 413, "errMsg": f"the body is larger than {LARGEST_BODY_BYTES} bytes"}
            )
            headers.append((b"connection", b"close"))
        else:
            token = next(
                (value.decode("latin-1") for name, value in scope["headers"] if name == b"token"), None
            )
            try:
                reply = await call(body, token)
            except asyncio.CancelledError:  # the gateway ends; uvicorn would write to who is still there
                return
        said = msgspec.json.encode(reply.body)
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": reply.http_status, "headers": headers})
        await send({"type": "http.response.body", "body": said})


def _is_ours(scope: Scope) -> bool:
    """Tell whether a request is plainly for this machine: a page of another site can let its name lead here.

    Almost every one is, and the thorough check costs a tenth of what the gateway does for a call.
    """
    host: bytes = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return host.partition(b":")[0].decode("latin-1") in _HOSTS


def _refused(websocket: WebSocket, user: str, token: str, tokens: Tokens) -> str:
    """Return why a connection is refused, or an empty text: a page of another site has another origin."""
    origin = websocket.headers.get("origin")
    if origin is not None and urlsplit(origin).hostname not in _HOSTS:
        return "this origin may not connect"
    try:
        if not user or tokens.check(token) != user:
            return "the token is another user's"
    except InvalidNotificationError:
        return "parse token failed"
    return ""


class _Bounded(HttpToolsProtocol):
    """A connection that is cut at once when there are too many: without files the lab could not go on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections() + _MOST_CALLING:
            transport.abort()


class Gateway:
    """Serves an application on 127.0.0.1, in a thread; its process may have as many files as there can be.

    Parameters
    ----------
    app : callable
        What is served, by ASGI.
    port : int, default 0
        Where; 0 for a free port.

    Attributes
    ----------
    url : str
        Where; known once it is started.
    """

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._port = port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # there is none before it
            log_level="warning",  # at INFO it would tell the tokens of WebSockets
            http=_Bounded,
            backlog=BACKLOG,
            loop="asyncio",  # uvloop's lets new connections wait while old ones are busy
            ws="websockets-sansio",
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            ws_max_size=4096,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_PATIENCE_S,
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._thread = threading.Thread(target=self._serve, name="kafka-lab-gateway", daemon=True)
        self.url = ""

    def start(self) -> None:
        """Listen; a request that comes before the server runs waits for it."""
        raise_file_limit()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # it may have been here before
        self._socket.bind((HOST, self._port))
        self._socket.listen(128)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._thread.start()

    def close(self) -> None:
        """Answer what is being asked, for two seconds at most, then stop."""
        self._end()

    def kill(self) -> None:
        """Stop as a crash does: what is being asked gets no answer, connections are cut."""
        self._server.force_exit = self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            with suppress(RuntimeError):  # its loop has just ended
                connection.loop.call_soon_threadsafe(connection.transport.abort)
        self._end()

    def _end(self) -> None:
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])
