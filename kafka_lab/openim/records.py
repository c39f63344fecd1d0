"""The topics of OpenIM's pipeline, the groups that read them, and what their records hold.

Names, keys and fields are those of OpenIM v2.1.0 (``config/config.yaml``, ``pkg/proto``), with JSON in
place of protobuf, so that a learner can read a record.
"""

from __future__ import annotations

from typing import Any

import msgspec

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
    "numbered",
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


class _MsgDataToMQ(msgspec.Struct, kw_only=True, gc=False):
    """The value of a record of ``ws2ms_chat``."""

    operationID: str = ""  # noqa: N815 - OpenIM's spelling
    msgData: MsgData  # noqa: N815


_READ = msgspec.json.Decoder(_MsgDataToMQ)


class Copy(msgspec.Struct, frozen=True, gc=False):
    """One copy of a message on its way to one inbox, and the record that carries it.

    Attributes
    ----------
    user : str
        Whose inbox: the record's key.
    message : MsgData
        The message.
    operation_id : str
        The request's trace ID.
    topic, partition, offset
        The record.
    """

    user: str
    message: MsgData
    operation_id: str
    topic: str
    partition: int
    offset: int


def message_value(operation_id: str, message: MsgData) -> bytes:
    """Return the value of a record of ``ws2ms_chat``: OpenIM's MsgDataToMQ."""
    return msgspec.json.encode(_MsgDataToMQ(operationID=operation_id, msgData=message))


def numbered(copy: Copy, seq: int) -> str:
    """Return a copy's message with its seq, as JSON: what its inbox has, and further records carry."""
    return msgspec.structs.replace(copy.message, seq=seq).to_json()


def push_value(copy: Copy, message: str) -> bytes:
    """Return the value of a record of ``ms2ps_chat`` or ``msg_to_mongo``: OpenIM's PushMsgDataToMQ.

    Parameters
    ----------
    copy : Copy
        Whose.
    message : str
        What :func:`numbered` says of it: the row in the inbox has the same text, which is made once.
    """
    operation_id, user = map(msgspec.json.encode, (copy.operation_id, copy.user))
    return b'{"operationID":%b,"msgData":%b,"pushToUserID":%b}' % (operation_id, message.encode(), user)


def copy_of(record: Any) -> Copy:  # noqa: ANN401 - kafka-python has no types
    """Return what a record of one of the topics holds.

    Raises
    ------
    StrangeRecordError
        It is not one of ours.
    """
    try:
        value = _READ.decode(record.value)
        copy = Copy(
            user=record.key.decode(),
            message=value.msgData,
            operation_id=value.operationID,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        # What a list shows of it is JSON in JSON: it may be none, or hold half a surrogate pair.
        "".join(preview(copy.message.contentType, copy.message.content)).encode()
        return copy
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StrangeRecordError(f"{type(error).__name__}: {str(error)[:200]}") from error
