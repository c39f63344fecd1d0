"""The management call over HTTP, and the server that runs it on 127.0.0.1."""

from __future__ import annotations

import socket
import threading
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from kafka_lab.openim.management import SendMsg
from kafka_lab.openim.message import SendMsgRequest, example_request

__all__ = ["LARGEST_BODY_BYTES", "PATH", "Gateway", "make_app"]

HOST = "127.0.0.1"
PATH = "/manager/send_msg"
LARGEST_BODY_BYTES = 1024 * 1024
_PATIENCE_S = 2

_ABOUT = """
OpenIM's management interface as of v2.1.0, for content types 101 (text) and 1400 (OA notification) and for
session types 1 (single chat) and 4 (notification). An answer with errCode 0 means: every in-sync replica
has the message.

| errCode | HTTP | meaning |
| --- | --- | --- |
| 0 | 200 | accepted: acknowledged by all in-sync replicas |
| 201 | 200 | Kafka did not acknowledge it; it may still be delivered |
| 203 | 200 | unknown sessionType (group chats, 2 and 3, are not part of this lab) |
| 400 | 400 | malformed body, missing field, bad token, no administrator |
| 401 | 400 | the content does not decode |
| 403 | 400 | the content lacks a required field |
| 404 | 400 | unknown contentType |
| 405 | 400 | recvID (groupID for sessionType 2) is missing |
| 413 | 413 | the body is larger than 1 MiB |

The checks come in the server's order: body, contentType, content, token, administrator, recvID. A repeated
request is a second message: operationID does not make it recognisable.
"""


class Envelope(BaseModel):
    """OpenIM's answer."""

    errCode: int = Field(description="0: accepted.")  # noqa: N815 - OpenIM's spelling
    errMsg: str = Field(description="Empty, or what is wrong.")  # noqa: N815
    data: dict[str, Any] | None = Field(
        None, description="serverMsgID, clientMsgID, and sendTime in milliseconds since 1970."
    )


def make_app(send_msg: SendMsg) -> FastAPI:
    """Return the web application around the call; its documentation at ``/docs`` needs no network."""
    app: FastAPI = FastAPIOffline(title="OpenIM notifications", version="2.1.0", description=_ABOUT)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    schema = SendMsgRequest.model_json_schema()
    schema["properties"]["offlinePushInfo"] = schema.pop("$defs")["OfflinePushInfo"]
    body = {"schema": schema, "example": example_request()}

    @app.post(
        PATH,
        summary="Send a message as an administrator",
        response_model=Envelope,
        responses={status: {"model": Envelope} for status in (400, 413)},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": body}}},
    )
    async def manager_send_msg(
        request: Request,
        token: Annotated[str | None, Header(description="An administrator's token.")] = None,
    ) -> JSONResponse:
        body = await _read(request)
        if body is None:
            message = f"the body is larger than {LARGEST_BODY_BYTES} bytes"
            return JSONResponse({"errCode": 413, "errMsg": message}, 413, {"Connection": "close"})
        reply = await run_in_threadpool(send_msg, body, token)
        return JSONResponse(reply.body, reply.http_status)

    return app


async def _read(request: Request) -> bytes | None:
    """Return the body, or None as soon as it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY_BYTES:
                return None
    except ClientDisconnect:  # nobody is left to answer; half a body is no request
        return b""
    return bytes(body)


class Gateway:
    """Serves an application on a free port of 127.0.0.1, in a thread.

    Attributes
    ----------
    url : str
        Where; known once it is started.
    """

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=_PATIENCE_S,
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._thread = threading.Thread(target=self._serve, name="kafka-lab-gateway", daemon=True)
        self.url = ""

    def start(self) -> None:
        """Listen; a request that comes before the server runs waits for it."""
        self._socket.bind((HOST, 0))
        self._socket.listen(128)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._thread.start()

    def close(self) -> None:
        """Answer what is being asked, for two seconds at most, then stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])
