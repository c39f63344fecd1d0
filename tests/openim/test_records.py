from __future__ import annotations

import json
from types import SimpleNamespace

import msgspec

from kafka_lab.openim.message import SendMsgRequest, example_request, to_message
from kafka_lab.openim.records import PUSH_TOPIC, Copy, copy_of, message_value, numbered, push_value


def test_what_is_pushed_holds_the_message_with_its_seq_whatever_the_names() -> None:
    message = to_message(SendMsgRequest(**{**example_request(), "recvID": "名\"'\\\n</script>"}))
    copy = Copy(message.recvID, message, 'op"\\\u2028', "ws2ms_chat", 3, 7)
    value = push_value(copy, numbered(copy, 5))
    assert json.loads(value) == {
        "operationID": copy.operation_id,
        "msgData": {**msgspec.to_builtins(message), "seq": 5},
        "pushToUserID": copy.user,
    }
    record = SimpleNamespace(topic=PUSH_TOPIC, partition=1, offset=2, key=copy.user.encode(), value=value)
    assert copy_of(record).message == msgspec.structs.replace(message, seq=5)


def test_what_is_pushed_is_hardly_longer_than_what_was_accepted() -> None:
    message = to_message(SendMsgRequest(**{**example_request(), "recvID": "张三"}))
    copy = Copy(message.recvID, message, "操作" * 1000, "ws2ms_chat", 3, 7)
    accepted = message_value(copy.operation_id, message)
    pushed = push_value(copy, numbered(copy, 2**31))
    assert len(pushed) < len(accepted) + len(copy.user.encode()) + 50
