from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError

from kafka_lab.events import NotificationStored
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.records import Copy
from kafka_lab.openim.stages import History
from kafka_lab.timeline import Timeline

from .test_inbox import message


class Producer:
    """Refuses what is handed on as often as it is told to."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def send_all(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> list[object]:  # noqa: ARG002
        if self.refusals:
            self.refusals -= 1
            raise KafkaTimeoutError
        return []


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    yield inbox
    inbox.close()


def test_what_is_tried_again_is_told_once_and_what_kafka_delivers_again_is_told_so(inbox: Inbox) -> None:
    timeline = Timeline()
    history = History(inbox, Producer(refusals=2), timeline, wait_s=1)  # type: ignore[arg-type]
    copies = [Copy("ada", message(), "op", "ws2ms_chat", 0, 7)]

    def told() -> list[bool]:
        return [event.redelivered for event in timeline if isinstance(event, NotificationStored)]

    for _ in range(2):
        with pytest.raises(KafkaError):
            history(copies)
    assert told() == [False]
    history(copies)
    assert told() == [False]
    history(copies)
    assert told() == [False, True]
