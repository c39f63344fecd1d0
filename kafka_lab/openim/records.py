"""The topics of OpenIM's pipeline, the groups that read them, and what their records hold.

Names, keys and fields are those of OpenIM v2.1.0 (``config/config.yaml``, ``pkg/proto``), with JSON in
place of protobuf, so that a learner can read a record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kafka_lab.openim.content import preview
from kafka_lab.openim.message import MsgData

__all__ = [
    "CHAT_LOG_GROUP",
    "DEAD_LETTERS",
    "HISTORY_GROUP",
    "MESSAGES_TOPIC",
    "MONGO_GROUP",
    "MONGO_TOPIC",
    "PARTITIONS",
    "PUSH_GROUP",
    "PUSH_TOPIC",
    "Copy",
    "StrangeRecordError",
    "copy_of",
    "message_value",
    "push_value",
]

MESSAGES_TOPIC = "ws2ms_chat"  # from the gateway; key: whose inbox
MONGO_TOPIC = "msg_to_mongo"  # from the history worker, with seqs; key: whose inbox
PUSH_TOPIC = "ms2ps_chat"  # from the history worker; key: who is to be pushed to
DEAD_LETTERS = f"{MESSAGES_TOPIC}.dead_letter"  # ours: records that no worker can read
HISTORY_GROUP = "mongo"  # allots seqs and fills the inboxes
CHAT_LOG_GROUP = "mysql"  # keeps the chat log
MONGO_GROUP = "mongo_ex"  # keeps the history for good
PUSH_GROUP = "push"  # tells devices
#: Of each of these topics, as OpenIM's docker-compose.yaml has it from v2.1.0 on.
PARTITIONS = 8


class StrangeRecordError(ValueError):
    """A record is not one of the pipeline's."""


@dataclass(frozen=True)
class Copy:
    """One copy of a message on its way to one inbox, and the record that carries it.

    Attributes
    ----------
    user : str
        Whose inbox: the record's key.
    message : MsgData
        The message.
    operation_id : str
        The request's trace ID.
    seq : int
        Its number in the inbox; 0 before one is allotted.
    topic, partition, offset
        The record.
    """

    user: str
    message: MsgData
    operation_id: str
    seq: int
    topic: str
    partition: int
    offset: int


def message_value(operation_id: str, message: MsgData) -> bytes:
    """Return the value of a record of ``ws2ms_chat``: OpenIM's MsgDataToMQ."""
    return _json({"operationID": operation_id, "msgData": message.model_dump()})


def push_value(copy: Copy, seq: int) -> bytes:
    """Return the value of a record of ``ms2ps_chat`` or ``msg_to_mongo``: PushMsgDataToMQ with its seq."""
    data = {**copy.message.model_dump(), "seq": seq}
    return _json({"operationID": copy.operation_id, "msgData": data, "pushToUserID": copy.user})


def copy_of(record: Any) -> Copy:  # noqa: ANN401 - kafka-python has no types
    """Return what a record of one of the topics holds.

    Raises
    ------
    StrangeRecordError
        It is not one of ours.
    """
    try:
        value = json.loads(record.value)
        data = value["msgData"]
        message = MsgData.model_validate(data)
        copy = Copy(
            user=record.key.decode(),
            message=message,
            operation_id=str(value.get("operationID", "")),
            seq=int(data.get("seq", 0)),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        push_value(copy, copy.seq)  # half a surrogate pair cannot be written again
        "".join(preview(message.contentType, message.content)).encode()
        numbers = (copy.seq, message.sendTime, message.sessionType, message.contentType)
        for number in numbers:
            number.to_bytes(8, signed=True)  # SQLite takes no larger one
        return copy
    except (
        ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        raise StrangeRecordError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _json(data: dict[str, object]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()
