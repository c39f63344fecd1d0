"""Calling into a loop from other threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from kafka_lab.openim.doorbell import Doorbell

CALLS = 2000


def test_every_call_comes_in_order_whoever_rings() -> None:
    async def listen() -> dict[int, list[int]]:
        heard: dict[int, list[int]] = {caller: [] for caller in range(3)}
        everything = asyncio.Event()
        doorbell = Doorbell(asyncio.get_running_loop())

        def hear(caller: int, number: int) -> None:
            heard[caller].append(number)
            if sum(map(len, heard.values())) == 3 * CALLS:
                everything.set()

        def ring(caller: int) -> None:
            for number in range(CALLS):
                doorbell.call(lambda number=number: hear(caller, number))

        with ThreadPoolExecutor(3) as threads:
            for caller in heard:
                threads.submit(ring, caller)
            async with asyncio.timeout(30):
                await everything.wait()
        return heard

    with ThreadPoolExecutor(1) as thread:  # a test's browser has a loop in this one
        heard = thread.submit(lambda: asyncio.run(listen())).result()
    assert heard == {caller: list(range(CALLS)) for caller in range(3)}


def test_nobody_answers_once_the_loop_is_closed() -> None:
    loop = asyncio.new_event_loop()
    doorbell = Doorbell(loop)
    loop.close()
    with pytest.raises(RuntimeError):
        doorbell.call(lambda: None)
