"""Who is online: WebSockets, by user. A reader that is too slow is sent away rather than waited for."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextlib import suppress

from starlette.websockets import WebSocket

from kafka_lab.openim.sockets import most_connections

__all__ = ["Hub"]

_MOST_PER_USER = 8
_MOST_WAITING = 200  # messages for one socket
_MOST_SIZE = 4_000_000  # and characters
_BYE_S = 1.0
TOO_SLOW = 1013  # "try again later"
FORBIDDEN = 1008


class _Socket:
    """One connection, and what waits to be sent to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: asyncio.Queue[str] = asyncio.Queue()
        self.too_slow = asyncio.Event()
        self.size = 0  # characters that wait

    @property
    def full(self) -> bool:
        """Whether nothing more can wait."""
        return self.too_slow.is_set() or self.size > _MOST_SIZE or self.waiting.qsize() >= _MOST_WAITING

    def put(self, text: str) -> None:
        """Let a text be sent; called in the loop's thread."""
        if self.full:
            self.too_slow.set()  # what waits is dropped; the client asks for what it lacks by seq
        else:
            self.size += len(text)
            self.waiting.put_nowait(text)


class Hub:
    """The sockets of the users who are online; :meth:`push` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[str, set[_Socket]] = defaultdict(set)
        self._count = 0

    @property
    def online(self) -> dict[str, int]:
        """How many sockets each user has who is online."""
        with self._lock:
            return {user: len(sockets) for user, sockets in self._sockets.items()}

    def push(self, user: str, text: str) -> bool:
        """Send a text to a user's sockets; return False if there is none."""
        with self._lock:
            sockets = tuple(self._sockets.get(user, ()))
        reached = False
        for socket in sockets:
            try:
                socket.loop.call_soon_threadsafe(socket.put, text)
                reached = reached or not socket.full
            except RuntimeError:  # its loop has just ended
                continue
        return reached

    async def serve(self, user: str, websocket: WebSocket) -> None:
        """Serve one accepted connection until it ends."""
        socket = _Socket(asyncio.get_running_loop())
        with self._lock:
            full = self._count >= most_connections() or len(self._sockets.get(user, ())) >= _MOST_PER_USER
            if not full:
                self._sockets[user].add(socket)
                self._count += 1
        if full:
            await websocket.close(TOO_SLOW, "too many connections")
            return
        jobs = [
            asyncio.ensure_future(job)
            for job in (self._send(socket, websocket), _listen(websocket), socket.too_slow.wait())
        ]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._sockets[user].remove(socket)
                self._count -= 1
                if not self._sockets[user]:
                    del self._sockets[user]
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        if socket.too_slow.is_set():
            with suppress(TimeoutError):  # who does not read does not hear this either
                await asyncio.wait_for(websocket.close(TOO_SLOW, "too slow: ask for what is missing"), _BYE_S)

    async def _send(self, socket: _Socket, websocket: WebSocket) -> None:
        while True:
            text = await socket.waiting.get()
            await websocket.send_text(text)
            socket.size -= len(text)


async def _listen(websocket: WebSocket) -> None:
    """Return when the client goes; what it says is not listened to."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
