"""Producing messages to Kafka as OpenIM's message service does: one record for each inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from kafka_lab.errors import BrokerUnavailableError, DeliveryUnknownError, InvalidNotificationError
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.records import MESSAGES_TOPIC, message_value

__all__ = ["Pending", "Publisher"]


_LARGEST_BYTES = 1_000_000  # Kafka takes 1,048,588 (``max.message.bytes``), with keys and headers


class Pending:
    """A message whose records are on their way."""

    def __init__(self, futures: Sequence[Any], wait_s: float) -> None:
        self._futures = futures
        self._wait_s = wait_s

    def wait(self) -> None:
        """Return when every in-sync replica has every copy.

        Raises
        ------
        DeliveryUnknownError
            No acknowledgement came in time: it may be delivered or not.
        """
        try:
            for future in self._futures:
                future.get(self._wait_s)
        except KafkaError as error:
            raise DeliveryUnknownError(f"no acknowledgement: {error!r}") from error


class Publisher:
    """Hands messages to a producer.

    Parameters
    ----------
    producer : kafka.KafkaProducer
        With acks=all and the partitioner of the pipeline.
    wait_s : float
        How long to wait for the acknowledgements: longer than the producer's ``delivery_timeout_ms``.
    """

    def __init__(self, producer: KafkaProducer, wait_s: float) -> None:
        self._producer = producer
        self._wait_s = wait_s

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
        futures: list[Any] = []
        try:
            for user in inboxes:
                own = (
                    message
                    if not message.groupID or message.recvID
                    else message.model_copy(update={"recvID": user})
                )
                value = message_value(operation_id, own)
                _check_size(value, user)
                futures.append(self._producer.send(MESSAGES_TOPIC, key=user.encode(), value=value))
        except KafkaError as error:
            if futures:
                raise DeliveryUnknownError(f"only some copies were sent: {error!r}") from error
            if isinstance(error, MessageSizeTooLargeError):
                raise InvalidNotificationError(str(error), http_status=200, err_code=201) from error
            raise BrokerUnavailableError(f"no broker took the message: {error!r}") from error
        return Pending(futures, self._wait_s)


def _check_size(value: bytes, user: str) -> None:
    """Refuse a record that Kafka would not take, or that would grow too large on its way to the device.

    Raises
    ------
    MessageSizeTooLargeError
        It is.
    """
    if len(value) + 2 * len(user.encode()) > _LARGEST_BYTES:
        raise MessageSizeTooLargeError(f"a record of more than {_LARGEST_BYTES} bytes")
