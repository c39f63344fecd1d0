from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafka_lab.openim.inbox import Inbox, Stored
from kafka_lab.openim.message import MsgData, parse_request, to_message

from .conftest import content, request


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    yield inbox
    inbox.close()


def message(**changes: object) -> MsgData:
    return to_message(parse_request(json.dumps(request(**changes)).encode()))


def test_a_notification_shows_its_own_name_title_and_text(inbox: Inbox) -> None:
    inbox.store([("18712345678", message())])
    (stored,) = inbox.messages("18712345678")
    assert stored.seq == 1
    assert stored.conversationID == "notification_openIM123456"
    assert (stored.nickname, stored.title) == ("系统通知", "公文管理")
    assert stored.text == request()["content"]["text"]
    assert stored.content == request()["content"]


def test_a_text_message(inbox: Inbox) -> None:
    hello = message(contentType=101, content={"text": "hello"}, sessionType=1, sendID="openIM333")
    inbox.store([("18712345678", hello), ("openIM333", hello)])
    (received,), (own,) = inbox.messages("18712345678"), inbox.messages("openIM333")
    assert (received.text, received.title) == ("hello", "")
    assert received.conversationID == "single_openIM333"
    assert own.conversationID == "single_18712345678"


def test_redelivered_is_stored_once(inbox: Inbox) -> None:
    first, second = message(), message()
    assert inbox.store([("ada", first), ("ada", second), ("ada", first)]) == [
        Stored(1, redelivered=False),
        Stored(2, redelivered=False),
        Stored(1, redelivered=True),
    ]
    assert inbox.store([("ada", second)]) == [Stored(2, redelivered=True)]
    assert [stored.seq for stored in inbox.messages("ada")] == [1, 2]


def test_every_inbox_counts_for_itself(inbox: Inbox) -> None:
    inbox.store([("ada", message()), ("grace", message()), ("ada", message())])
    assert inbox.users() == ["ada", "grace"]
    assert [stored.seq for stored in inbox.messages("grace")] == [1]
    assert inbox.messages("nobody") == []
    assert len(inbox) == 3


def test_it_is_still_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for number in (1, 2):
        inbox = Inbox(tmp_path / "inbox.sqlite")
        assert inbox.store([("ada", message())]) == [Stored(number, redelivered=False)]
        inbox.close()


def test_all_of_a_batch_or_nothing(inbox: Inbox) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        inbox.store([("ada", message()), (None, message())])  # type: ignore[list-item]
    assert len(inbox) == 0
    inbox.store([("ada", message())])
    assert len(inbox) == 1


def test_several_threads_lose_nothing(inbox: Inbox) -> None:
    def store() -> None:
        for _ in range(20):
            inbox.store([("ada", message(content=content(text="x")))])

    threads = [threading.Thread(target=store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [stored.seq for stored in inbox.messages("ada")] == list(range(1, 81))
