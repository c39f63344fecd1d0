"""Producing messages to Kafka as OpenIM's message service does: one record for each inbox."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from kafka.errors import KafkaError, MessageSizeTooLargeError

from kafka_lab.errors import BrokerUnavailableError, DeliveryUnknownError, InvalidNotificationError
from kafka_lab.openim.clients import Producer
from kafka_lab.openim.doorbell import Doorbell
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.records import MESSAGES_TOPIC, message_value

__all__ = ["Pending", "Publisher"]


_LARGEST_BYTES = 1_000_000  # Kafka takes 1,048,588 (``max.message.bytes``), with keys and headers


class Pending:
    """A message whose records are on their way; made by a :class:`Publisher`."""

    def __init__(self, futures: Sequence[Any], publisher: Publisher) -> None:
        self._futures = futures
        self._publisher = publisher

    def wait(self) -> None:
        """Return when every in-sync replica has every copy.

        Raises
        ------
        DeliveryUnknownError
            No acknowledgement came in time: it may be delivered or not.
        """
        try:
            for future in self._futures:
                future.get(self._publisher.wait_s)
        except KafkaError as error:
            raise DeliveryUnknownError(f"no acknowledgement: {error!r}") from error

    async def acknowledged(self) -> None:
        """Return when every in-sync replica has every copy; the loop serves others meanwhile.

        Raises
        ------
        DeliveryUnknownError
            No acknowledgement came in time: it may be delivered or not.
        """
        loop = asyncio.get_running_loop()
        doorbell = self._publisher.doorbell(loop)
        settled = loop.create_future()
        answers = itertools.count(1)
        last = len(self._futures)  # asking self below would make a cycle with the futures, for each request

        def settle() -> None:
            if not settled.done():
                settled.set_result(None)

        def answered(_: object) -> None:  # in the producer's thread
            if next(answers) == last:
                with suppress(RuntimeError):  # the gateway was killed meanwhile
                    doorbell.call(settle)

        for future in self._futures:
            future.add_both(answered)
        too_late = loop.call_later(self._publisher.wait_s, settle)
        try:
            await settled
        finally:
            too_late.cancel()
        if not all(future.is_done for future in self._futures):
            raise DeliveryUnknownError("no acknowledgement in time")
        self.wait()  # not at all, but it says what an answer was


class Publisher:
    """Hands messages to a producer.

    Parameters
    ----------
    producer : Producer
        With acks=all and the partitioner of the pipeline.
    wait_s : float
        How long to wait for the acknowledgements: longer than the producer's ``delivery_timeout_ms``.
    """

    def __init__(self, producer: Producer, wait_s: float) -> None:
        self._producer = producer
        self.wait_s = wait_s
        self._doorbell: Doorbell | None = None

    def doorbell(self, loop: asyncio.AbstractEventLoop) -> Doorbell:
        """Return what calls into a loop: the gateway's, which has another when it was started again."""
        if self._doorbell is None or self._doorbell.loop is not loop:
            self._doorbell = Doorbell(loop)
        return self._doorbell

    def begin(self, operation_id: str, message: MsgData, inboxes: Sequence[str]) -> Pending:
        """Send the copies, and return what waits for their acknowledgements.

        Raises
        ------
        InvalidNotificationError
            A record would be larger than Kafka takes.
        BrokerUnavailableError
            No record was handed over.
        DeliveryUnknownError
            Some were, but not all.
        """
        same = None if message.groupID and not message.recvID else message_value(operation_id, message)
        records = [
            (
                user.encode(),
                same or message_value(operation_id, msgspec.structs.replace(message, recvID=user)),
            )
            for user in inboxes
        ]
        futures: list[Any] = []
        try:
            for key, value in records:  # all, before any is sent
                _check_size(key, value)
            for key, value in records:
                futures.append(self._producer.send(MESSAGES_TOPIC, key=key, value=value))
        except KafkaError as error:
            if futures:
                raise DeliveryUnknownError(f"only some copies were sent: {error!r}") from error
            if isinstance(error, MessageSizeTooLargeError):
                raise InvalidNotificationError(str(error), http_status=200, err_code=201) from error
            raise BrokerUnavailableError(f"no broker took the message: {error!r}") from error
        return Pending(futures, self)


def _check_size(key: bytes, value: bytes) -> None:
    """Refuse a record that Kafka would not take, or that would grow too large on its way to the device.

    Raises
    ------
    MessageSizeTooLargeError
        It is.
    """
    if len(value) + 2 * len(key) > _LARGEST_BYTES:
        raise MessageSizeTooLargeError(f"a record of more than {_LARGEST_BYTES} bytes")
