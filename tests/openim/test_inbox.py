from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from kafka_lab.openim.inbox import Inbox, OfflinePush, Stored
from kafka_lab.openim.message import MsgData, SendMsgRequest, parse_request, to_message
from kafka_lab.openim.records import Copy

from .conftest import content, request


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    yield inbox
    inbox.close()


def message(**changes: object) -> MsgData:
    return to_message(parse_request(json.dumps(request(**changes)).encode(), SendMsgRequest))


def copy(user: str | None, message: MsgData, offset: int = 0) -> Copy:
    return Copy(user, message, "op", "ws2ms_chat", 0, offset)  # type: ignore[arg-type] # None is a mistake


def test_a_notification_shows_its_own_name_title_and_text(inbox: Inbox) -> None:
    inbox.store([copy("18712345678", message())])
    (stored,) = inbox.messages("18712345678")
    assert stored.seq == 1
    assert stored.conversationID == "notification_openIM123456"
    assert (stored.nickname, stored.title) == ("系统通知", "公文管理")
    assert stored.text == request()["content"]["text"]
    assert stored.content == request()["content"]


def test_a_text_message(inbox: Inbox) -> None:
    hello = message(contentType=101, content={"text": "hello"}, sessionType=1, sendID="openIM333")
    inbox.store([copy("18712345678", hello), copy("openIM333", hello)])
    (received,), (own,) = inbox.messages("18712345678"), inbox.messages("openIM333")
    assert (received.text, received.title) == ("hello", "")
    assert received.conversationID == "single_openIM333"
    assert own.conversationID == "single_18712345678"


def outcome(stored: Sequence[Stored]) -> list[tuple[int, bool]]:
    return [(each.seq, each.redelivered) for each in stored]


def test_redelivered_is_stored_once(inbox: Inbox) -> None:
    first, second = message(), message()
    stored = inbox.store([copy("ada", first), copy("ada", second), copy("ada", first)])
    assert outcome(stored) == [(1, False), (2, False), (1, True)]
    assert stored[0].message == stored[2].message
    assert json.loads(stored[1].message) == {**msgspec.to_builtins(second), "seq": 2}
    assert outcome(inbox.store([copy("ada", second)])) == [(2, True)]
    assert [stored.seq for stored in inbox.messages("ada")] == [1, 2]


def test_every_inbox_counts_for_itself(inbox: Inbox) -> None:
    inbox.store([copy("ada", message()), copy("grace", message()), copy("ada", message())])
    assert inbox.users() == ["ada", "grace"]
    assert [stored.seq for stored in inbox.messages("grace")] == [1]
    assert inbox.messages("nobody") == []
    assert len(inbox) == 3


def test_it_is_still_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for number in (1, 2):
        inbox = Inbox(tmp_path / "inbox.sqlite")
        assert outcome(inbox.store([copy("ada", message())])) == [(number, False)]
        inbox.close()


def test_all_of_a_batch_or_nothing(inbox: Inbox) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        inbox.store([copy("ada", message()), copy(None, message())])  # type: ignore[list-item]
    assert len(inbox) == 0
    inbox.store([copy("ada", message())])
    assert len(inbox) == 1


def test_several_threads_lose_nothing(inbox: Inbox) -> None:
    def store() -> None:
        for _ in range(20):
            inbox.store([copy("ada", message(content=content(text="x")))])

    threads = [threading.Thread(target=store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [stored.seq for stored in inbox.messages("ada")] == list(range(1, 81))


def test_the_list_of_conversations_counts_what_is_unread(inbox: Inbox) -> None:
    office, hr = message(sendID="office"), message(sendID="hr")
    inbox.store([copy("ada", office), copy("ada", hr), copy("ada", message(sendID="office"))])
    first, second = inbox.conversations("ada")
    assert (first.conversationID, first.unread, first.latest.seq) == ("notification_office", 2, 3)
    assert (second.conversationID, second.unread) == ("notification_hr", 1)
    inbox.mark_read("ada", "notification_office")
    assert [entry.unread for entry in inbox.conversations("ada")] == [0, 1]
    inbox.store([copy("ada", message(sendID="office"))])
    assert inbox.conversations("ada")[0].unread == 1
    assert inbox.conversations("nobody") == []


def test_ones_own_message_is_not_unread(inbox: Inbox) -> None:
    inbox.store([copy("openIM123456", message())])
    assert inbox.conversations("openIM123456")[0].unread == 0


def test_groups_are_conversations(inbox: Inbox) -> None:
    text = {"contentType": 101, "content": {"text": "hello"}, "groupID": "g1"}
    inbox.store([copy("ada", message(sessionType=2, **text)), copy("g1", message(sessionType=3, **text))])
    assert inbox.messages("ada")[0].conversationID == "group_g1"
    assert inbox.messages("g1")[0].conversationID == "super_group_g1"


def test_offsets_are_stored_with_the_messages(inbox: Inbox) -> None:
    inbox.store([copy("ada", message(), offset=7), copy("ben", message(), offset=5)])
    assert inbox.progress("ws2ms_chat") == {0: 8}
    inbox.store([copy("ada", message(), offset=6)])
    assert inbox.progress("ws2ms_chat") == {0: 8}


def test_seqs_that_are_read_and_written_apart_collide(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox.sqlite", seq="get_set")
    first, second = message(), message()
    read = inbox._last_seqs

    def meanwhile(users: set[str]) -> dict[str, int]:
        found = read(users)
        inbox._last_seqs = read  # type: ignore[method-assign]
        inbox.store([copy("ada", first)])  # the other worker
        return found

    inbox._last_seqs = meanwhile  # type: ignore[method-assign]
    assert outcome(inbox.store([copy("ada", second)])) == [(1, False)]
    assert [stored.message.clientMsgID for stored in inbox.messages("ada")] == [second.clientMsgID]
    inbox.close()


def test_a_client_asks_for_what_it_lacks(inbox: Inbox) -> None:
    inbox.store([copy("ada", message()) for _ in range(5)])
    assert [stored.seq for stored in inbox.messages("ada", after_seq=2, most=2)] == [3, 4]


def test_chat_log_history_and_pushes_are_kept_once(inbox: Inbox) -> None:
    sent = message()
    unlogged = message(isOnlineOnly=True)
    inbox.keep_chat_log([copy("ada", sent), copy("ben", sent), copy("ada", unlogged)])
    assert inbox.chat_log() == 1
    numbered = copy("ada", msgspec.structs.replace(sent, seq=4))
    inbox.keep_history([numbered])
    inbox.keep_history([numbered])
    assert inbox.history("ada") == {4: sent.clientMsgID}
    keys = [("ada", "m1"), ("ben", "m1"), ("ada", "m2")]
    assert inbox.pushed(keys) == set()
    inbox.note_pushes({keys[0]: OfflinePush("ada", "m1", "title", "text")})
    inbox.note_pushes({keys[0]: None, keys[1]: None})
    assert inbox.pushed(keys) == set(keys[:2])
    assert inbox.offline_pushes("ada") == [OfflinePush("ada", "m1", "title", "text")]
    assert inbox.offline_pushes("ben") == []


def test_a_locked_file_is_said_soon(inbox: Inbox) -> None:
    with inbox.locked(), pytest.raises(sqlite3.OperationalError, match="locked"):
        inbox.store([copy("ada", message())])
    assert inbox.store([copy("ada", message())])


def test_large_batches(inbox: Inbox) -> None:
    copies = [copy(f"user-{number % 700}", message()) for number in range(1500)]
    assert sum(not stored.redelivered for stored in inbox.store(copies)) == 1500
    assert all(stored.redelivered for stored in inbox.store(copies))
    assert len(inbox) == 1500
    assert len(inbox.users()) == 700


def test_a_super_group_is_no_user(inbox: Inbox) -> None:
    text = {"contentType": 101, "content": {"text": "hello"}, "groupID": "g1", "sessionType": 3}
    inbox.store([copy("g1", message(**text)), copy("ada", message())])
    assert inbox.users() == ["ada"]


def test_a_members_conversations_have_the_super_groups(tmp_path: Path) -> None:
    groups = {"ada": ["g1", "g2"], "g1": []}
    inbox = Inbox(tmp_path / "inbox.sqlite", groups=lambda user: groups.get(user, ()))
    text = {"contentType": 101, "content": {"text": "hello"}, "groupID": "g1", "sessionType": 3}
    theirs = msgspec.structs.replace(message(**text, sendID="ben"), sendTime=2)
    own = msgspec.structs.replace(message(**text, sendID="ada"), sendTime=1)
    inbox.store([copy("g1", theirs), copy("g1", own), copy("ada", message())])
    notices, group = inbox.conversations("ada")
    assert (notices.conversationID, notices.unread) == ("notification_openIM123456", 1)
    assert (group.conversationID, group.latest.seq, group.unread) == ("super_group_g1", 2, 1)
    inbox.mark_read("ada", "super_group_g1")
    assert [each.unread for each in inbox.conversations("ada")] == [1, 0]
    assert inbox.conversations("ben") == []
    assert inbox.conversations("g1") == []  # a user who is called like the group
    inbox.close()


def test_atomic_seqs_go_on_where_others_went_backwards(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    inbox.store([copy("ada", message()) for _ in range(3)])
    with inbox._transaction() as database:
        database.execute("UPDATE counter SET seq = 1 WHERE user = 'ada'")
    assert outcome(inbox.store([copy("ada", message())])) == [(4, False)]
    inbox.close()


def test_a_batch_costs_the_same_however_much_there_is(inbox: Inbox) -> None:
    """Counted in steps of SQLite's own machine, which are the same on every computer."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 10

    def costs(first: int) -> int:
        nonlocal steps
        steps = 0
        batch = [copy(f"user-{first + each}", message(), first + each) for each in range(50)]
        inbox.store(batch)
        inbox.note_pushes({(each.user, each.message.clientMsgID): None for each in batch})
        assert inbox.pushed([("user-0", batch[0].message.clientMsgID)]) or first
        return steps

    inbox._database.set_progress_handler(step, 10)
    empty = costs(0)
    for first in range(50, 3000, 50):
        full = costs(first)
    assert 0 < full < 2 * empty


def test_a_batch_is_few_statements(inbox: Inbox) -> None:
    """At each of them another thread may take the interpreter, and keep it for milliseconds."""
    statements: list[str] = []
    inbox._database.set_trace_callback(statements.append)
    inbox.store([copy(f"user-{each}", message(), each) for each in range(400)])
    assert 0 < len(statements) < 10


def test_any_text_is_found_again(inbox: Inbox) -> None:
    strange = 'a\0b"\\\u2028</x> \U0001f600'
    first, second = message(), message()
    inbox.store([copy(strange, first)])
    assert outcome(inbox.store([copy(strange, second), copy(strange, first)])) == [(2, False), (1, True)]
