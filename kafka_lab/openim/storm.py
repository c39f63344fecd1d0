"""Many people at once, in a process of their own: requests at a steady rate, and phones that are online.

``python -m kafka_lab.openim.storm FILE`` reads what to do from its standard input, as JSON, and writes FILE
when it is done, or was told to end (SIGTERM): what it asked, what it was answered, what was pushed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import psutil

from kafka_lab.openim.caller import Caller, NoAnswerError, NotSentError
from kafka_lab.openim.message import PATH, notification_request
from kafka_lab.openim.sockets import raise_file_limit

__all__ = ["BEGINS", "USERS", "Orders", "Outcome", "user_name"]

#: What the recipients' user IDs begin with.
USERS = "storm-"
#: What it prints when everybody is online and warm, and the first request is due.
BEGINS = "sending"

# Requests without an answer; beyond it the next ones wait, and are counted from when they were due.
_MOST_WAITING = 1000
_OPENING = 50  # WebSockets at a time
_PATIENCE_S = 20.0
_SOON_S = 5.0  # for answers when it is told to end


@dataclass(frozen=True)
class Orders:
    """What to do.

    Attributes
    ----------
    url, token : str
        The gateway, and an administrator's token.
    users : int
        How many different recipients, in random order.
    rate, seconds : float
        Requests a second, and for how long.
    warm_up_s : float
        For how long before that, at the same rate; what comes of it is not told.
    online : list
        Pairs of a user and their token, who listen by WebSocket.
    grace_s : float
        How long what was asked may take in the end.
    seed : int
        Of the recipients' order.
    """

    url: str
    token: str
    users: int
    rate: float
    seconds: float
    warm_up_s: float
    online: list[tuple[str, str]]
    grace_s: float
    seed: int


@dataclass
class Outcome:
    """What came of it; moments are of this machine's monotonic clock, in seconds.

    Attributes
    ----------
    answers : list
        Of each request: when it was due, when it was answered, errCode, clientMsgID; an errCode of -1: no
        answer, it may have been sent or not; -2: certainly not sent.
    pushes : list
        Of each message that a phone got: clientMsgID and when.
    listening : int
        How many phones were online when it began.
    lost : int
        How many of them lost their connection.
    cpu_s : float
        What this process used, since it began.
    memory : int
        Bytes that it had in memory in the end.
    """

    answers: list[tuple[float, float, int, str]] = field(default_factory=list)
    pushes: list[tuple[str, float]] = field(default_factory=list)
    listening: int = 0
    lost: int = 0
    cpu_s: float = 0.0
    memory: int = 0


class _Data(msgspec.Struct):
    clientMsgID: str = ""  # noqa: N815 - OpenIM's spelling


class _Answer(msgspec.Struct):
    errCode: int  # noqa: N815
    data: _Data | None = None


_ANSWERS = msgspec.json.Decoder(_Answer)


class _Storm:
    def __init__(self, orders: Orders, session: aiohttp.ClientSession) -> None:
        self._orders = orders
        self._session = session  # of the phones
        self._caller = Caller(f"{orders.url}{PATH}", {"token": orders.token}, _PATIENCE_S + orders.grace_s)
        self._waiting = asyncio.Semaphore(_MOST_WAITING)
        self.stop = asyncio.Event()
        self.outcome = Outcome()

    def end(self) -> None:
        """Let it end early, also while it waits for an answer."""
        self.stop.set()
        self._waiting.release()

    async def run(self) -> None:
        """Go online, warm up, ask at the rate, wait for what is under way, and go offline."""
        opening = asyncio.Semaphore(_OPENING)
        phones = [
            asyncio.ensure_future(self._listen(user, token, opening)) for user, token in self._orders.online
        ]
        while not self.stop.is_set() and self.outcome.listening + self._failed(phones) < len(phones):
            await asyncio.sleep(0.05)
        await self._ask_all(self._orders.warm_up_s)
        self.outcome.answers.clear()
        self.outcome.pushes.clear()
        used_s = time.process_time()
        print(BEGINS, flush=True)  # noqa: T201 - who started this waits for it
        await self._ask_all(self._orders.seconds)
        pause = min(2.0, self._orders.grace_s) if phones else 0.0
        await asyncio.sleep(0 if self.stop.is_set() else pause)  # pushes come after the answers
        for phone in phones:
            phone.cancel()
        await asyncio.gather(*phones, return_exceptions=True)
        await self._caller.close()
        self.outcome.cpu_s = time.process_time() - used_s
        self.outcome.memory = psutil.Process().memory_info().rss

    def _failed(self, phones: Sequence[asyncio.Future[None]]) -> int:
        """Return how many phones could not go online."""
        return sum(phone.done() for phone in phones) - self.outcome.lost

    async def _ask_all(self, seconds: float) -> None:
        choose = random.Random(self._orders.seed)  # noqa: S311 - no secret
        begin, asking = time.monotonic(), set()
        for number in range(int(self._orders.rate * seconds)):
            due = begin + number / self._orders.rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            await self._waiting.acquire()
            if self.stop.is_set() or time.monotonic() > begin + seconds + self._orders.grace_s:
                break
            task = asyncio.ensure_future(self._ask(number, choose.randrange(self._orders.users), due))
            asking.add(task)
            task.add_done_callback(asking.discard)
        if asking:
            await asyncio.wait(asking, timeout=_SOON_S if self.stop.is_set() else self._orders.grace_s)

    async def _ask(self, number: int, user: int, due: float) -> None:
        code, message = -1, ""
        try:
            request = {**notification_request(f"message {number}"), "recvID": user_name(user)}
            answer = _ANSWERS.decode(await self._caller.post(msgspec.json.encode(request)))
            code, message = answer.errCode, answer.data.clientMsgID if answer.data else ""
        except NotSentError:
            code = -2
        except (NoAnswerError, msgspec.DecodeError):
            code = -1
        finally:
            self._waiting.release()
            self.outcome.answers.append((due, time.monotonic(), code, message))

    async def _listen(self, user: str, token: str, opening: asyncio.Semaphore) -> None:
        query = {"userID": user, "token": token}
        async with opening:
            socket = await self._session.ws_connect(f"{self._orders.url}/ws", params=query, heartbeat=30)
        self.outcome.listening += 1
        async with socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    said = json.loads(message.data)
                    self.outcome.pushes.append((said["clientMsgID"], time.monotonic()))
        self.outcome.lost += 1


def user_name(number: int) -> str:
    """Return the user ID of a recipient."""
    return f"{USERS}{number}"


async def _end_with_the_starter(storm: _Storm) -> None:
    """Stop when the process that started this one is gone."""
    starter = os.getppid()
    while os.getppid() == starter:
        await asyncio.sleep(1)
    storm.end()


async def _main(orders: Orders) -> Outcome:
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, force_close=False)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S + orders.grace_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        storm = _Storm(orders, session)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, storm.end)
        guard = asyncio.ensure_future(_end_with_the_starter(storm))
        await storm.run()
        guard.cancel()
        return storm.outcome


if __name__ == "__main__":
    raise_file_limit()
    done = asyncio.run(_main(Orders(**json.load(sys.stdin))))
    Path(sys.argv[1]).write_text(json.dumps(done.__dict__), encoding="utf-8")
