"""What a caller knows of each request: its answer, or whether it was sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from kafka_lab.openim.caller import Caller, NoAnswerError, NotSentError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def call(handler: Handler, requests: int = 1, patience_s: float = 10.0) -> list[bytes]:
    """Return the answers of a server to requests, one after another; in a thread, which has no loop yet."""

    async def ask() -> list[bytes]:
        served = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.add(asyncio.current_task())
            await handler(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        caller = Caller(f"http://127.0.0.1:{port}/call", {"token": "t"}, patience_s)
        try:
            return [await caller.post(b"%d" % number) for number in range(requests)]
        finally:
            await caller.close()
            server.close()
            await asyncio.gather(*served, return_exceptions=True)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result(30)


async def request_of(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    size = next(int(line.split()[1]) for line in head if line.startswith("Content-Length:"))
    return head, await reader.readexactly(size)


def test_a_connection_is_kept_and_asked_again() -> None:
    seen: list[list[tuple[list[str], bytes]]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append([])
        while len(seen[0]) < 3:
            seen[-1].append(await request_of(reader))
            writer.write(ANSWER[:30])
            await writer.drain()
            writer.write(ANSWER[30:])

    assert call(serve, requests=3) == [b"ok"] * 3
    assert [body for _, body in seen[0]] == [b"0", b"1", b"2"]
    assert seen[0][0][0][0] == "POST /call HTTP/1.1"
    assert "token: t" in seen[0][0][0]


def test_one_that_is_not_to_be_kept_is_left() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await request_of(reader)
        writer.write(ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    assert call(serve, requests=2) == [b"ok"] * 2
    assert len(connections) == 2


@pytest.mark.parametrize("said", [b"", ANSWER[:-1], b"no HTTP\r\n\r\n"], ids=["nothing", "half", "nonsense"])
def test_what_breaks_off_may_have_been_sent(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(said)

    with pytest.raises(NoAnswerError, match="the connection broke"):
        call(serve)


def test_an_answer_is_not_waited_for_longer_than_asked() -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(NoAnswerError, match=r"no answer in 0\.2 s"):
        call(serve, patience_s=0.2)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        caller = Caller(f"http://127.0.0.1:{bound.getsockname()[1]}/", {}, 10.0)
        with ThreadPoolExecutor(1) as thread, pytest.raises(NotSentError):
            thread.submit(asyncio.run, caller.post(b"{}")).result(30)
