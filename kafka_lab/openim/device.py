"""A user's device: online by WebSocket, it gets what is pushed to its user."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from typing import Any, Self
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from kafka_lab.errors import ClosedError, WaitTimeoutError

__all__ = ["Device"]

_OPEN_S = 10.0


class Device:
    """Listens for a user's messages, in a thread, until it is closed or sent away.

    Parameters
    ----------
    url : str
        The gateway's.
    user : str
        Whose device.
    token : str
        The user's.

    Attributes
    ----------
    messages : list of dict
        What was pushed, as it came: OpenIM's msgData with its ``seq``.
    ended : str
        Why the connection is over; empty while it is open. Who is refused is told so just after it was
        opened.

    Raises
    ------
    ClosedError
        Nobody listens there.
    """

    def __init__(self, url: str, user: str, token: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ended = ""
        self._grown = threading.Condition()
        self._open = ExitStack()
        address = f"{url.replace('http', 'ws', 1)}/ws?{urlencode({'userID': user, 'token': token})}"
        try:
            self._socket = self._open.enter_context(connect(address, open_timeout=_OPEN_S, proxy=None))
        except (OSError, WebSocketException, TimeoutError) as error:
            raise ClosedError(f"no connection for {user}: {error}") from error
        self._thread = threading.Thread(target=self._listen, name=f"kafka-lab-device-{user}", daemon=True)
        self._thread.start()

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """Return the first ``count`` messages, waiting for them.

        Raises
        ------
        WaitTimeoutError
            They did not come, or the connection ended before.
        """
        begin = time.monotonic()
        with self._grown:
            self._grown.wait_for(lambda: len(self.messages) >= count or self.ended, timeout_s)
            if len(self.messages) < count:
                raise WaitTimeoutError(
                    f"{count} messages",
                    waited_s=time.monotonic() - begin,
                    last_seen=self.ended or f"{len(self.messages)} messages",
                )
            return self.messages[:count]

    def close(self) -> None:
        """Go offline."""
        self._open.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        try:
            while True:
                message = json.loads(self._socket.recv())
                with self._grown:
                    self.messages.append(message)
                    self._grown.notify_all()
        except ConnectionClosed as closed:
            with self._grown:
                self.ended = (
                    closed.rcvd.reason if closed.rcvd and closed.rcvd.reason else "the connection ended"
                )
                self._grown.notify_all()
