"""The same call again and again, over connections that are kept, at little cost.

Asking must take less than answering, or it is the asker that is measured: a client that can do everything
takes half as long for a request as the gateway and its workers do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import httptools

__all__ = ["Caller", "NoAnswerError", "NotSentError"]


class NotSentError(Exception):
    """The request was certainly not sent: nobody listens there."""


class NoAnswerError(Exception):
    """The request was sent, or may have been, and has no answer."""


class Caller:
    """Posts JSON to one address; as many requests at a time as are made, each on a connection of its own.

    Parameters
    ----------
    url : str
        The address, such as ``http://127.0.0.1:8080/manager/send_msg``.
    headers : mapping of str to str
        Of each request, besides ``Host`` and those of the body.
    patience_s : float
        How long a connection may take, and then an answer.
    """

    def __init__(self, url: str, headers: Mapping[str, str], patience_s: float) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        lines = [f"POST {address.path} HTTP/1.1", f"Host: {address.netloc}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()
        self._patience_s = patience_s
        self._idle: list[_Line] = []

    async def post(self, body: bytes) -> bytes:
        """Send a body and return that of the answer.

        Raises
        ------
        NotSentError
            Nobody listens, or takes the connection in time.
        NoAnswerError
            There is none in time, or the connection broke.
        """
        line = await self._line()
        try:
            async with asyncio.timeout(self._patience_s):
                answer = await line.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        except TimeoutError as error:
            raise NoAnswerError(f"no answer in {self._patience_s:g} s") from error
        finally:
            if line.free:
                self._idle.append(line)
            else:
                line.close()
        return answer

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)  # asyncio closes their sockets in its next round

    async def _line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.free:
                return line
        try:
            async with asyncio.timeout(self._patience_s):
                loop = asyncio.get_running_loop()
                _, line = await loop.create_connection(_Line, self._host, self._port)
        except OSError as error:  # a TimeoutError is one
            raise NotSentError(str(error)) from error
        return line


class _Line(asyncio.Protocol):
    """One connection: a request, its answer, and then perhaps the next."""

    def __init__(self) -> None:
        self.free = True
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is TCP
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.free = False
        self._body = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._body)
            self.free = self._parser.should_keep_alive()

    def connection_lost(self, error: Exception | None) -> None:
        self.free = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(f"the connection broke: {error}"))

    def close(self) -> None:
        self._transport.abort()
