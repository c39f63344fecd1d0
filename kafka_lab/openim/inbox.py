"""What the recipients have: every message once per inbox, in the order of its seq; in one SQLite file.

It stands for OpenIM's redis (the latest messages by seq), Mongo (the history) and MySQL (the chat log).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from kafka_lab.openim.conversation import (
    Conversation,
    InboxMessage,
    conversation_id,
    owner_of,
    super_group_conversation,
)
from kafka_lab.openim.message import MsgData
from kafka_lab.openim.records import Copy, numbered
from kafka_lab.openim.statements import chunks, find, insert, select_json

__all__ = [
    "SEQS",
    "Inbox",
    "OfflinePush",
    "Stored",
]

#: How a message gets its seq: in the transaction that stores it, or read before and written back after, as
#: OpenIM v2.1.0 does (``batch_insert_chat.go``): right only while one user is one partition and one worker.
SEQS = ("atomic", "get_set")
_BUSY_S = 0.5  # how long a locked file is waited for
_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    clientMsgID TEXT NOT NULL,
    conversationID TEXT NOT NULL,
    counts INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (user, clientMsgID),
    UNIQUE (user, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS counter (user TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS read_mark (
    user TEXT NOT NULL, conversationID TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (user, conversationID)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chat_log (
    serverMsgID TEXT PRIMARY KEY, sendID TEXT NOT NULL, recvID TEXT NOT NULL, sessionType INTEGER NOT NULL,
    contentType INTEGER NOT NULL, content TEXT NOT NULL, sendTime INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS history (
    user TEXT NOT NULL, seq INTEGER NOT NULL, clientMsgID TEXT NOT NULL, PRIMARY KEY (user, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pushed (
    user TEXT NOT NULL, clientMsgID TEXT NOT NULL, title TEXT, description TEXT, PRIMARY KEY (user,
    clientMsgID)
) STRICT, WITHOUT ROWID;
"""

# The counter can be behind what is stored: "get_set" may have written it backwards.
_LAST_SEQS = """SELECT json_group_array(json_array(user,
    max(seq, coalesce((SELECT max(seq) FROM message m WHERE m.user = c.user), 0))))
FROM counter c WHERE user IN"""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What became of one copy.

    Attributes
    ----------
    seq : int
        Its number in the inbox.
    message : str
        The message with it, as JSON.
    redelivered : bool
        The inbox had it already.
    """

    seq: int
    message: str
    redelivered: bool


class OfflinePush(msgspec.Struct, frozen=True, gc=False):
    """What a user's device was told of a message while nobody was online there."""

    user: str
    clientMsgID: str  # noqa: N815 - OpenIM's spelling
    title: str
    description: str


class Inbox:
    """A SQLite file with everybody's messages; may be used from several threads.

    Parameters
    ----------
    path : pathlib.Path
        The file; made if it is not there.
    seq : str, default "atomic"
        One of :data:`SEQS`.
    groups : callable, optional
        Returns a user's groups; by default nobody has any.
    """

    def __init__(
        self,
        path: Path,
        *,
        seq: str = SEQS[0],
        groups: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        self._path = path
        self._groups = groups
        self._atomic = seq == SEQS[0]
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_BUSY_S)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the file for as long as the block lasts, as another program could: nothing is stored."""
        other = sqlite3.connect(self._path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()

    # What the workers write ----------------------------------------------------------------------

    def store(self, copies: Sequence[Copy]) -> list[Stored]:
        """Store copies, all or none, with the offsets after them; what is there already stays as it is.

        Raises
        ------
        sqlite3.Error
            Nothing was stored: the disk is full, or the file is locked.
        """
        read_before = {} if self._atomic else self._last_seqs({copy.user for copy in copies})
        with self._transaction() as database:
            last = (
                self._last_seqs_in(database, {copy.user for copy in copies}) if self._atomic else read_before
            )
            there = find(database, "message", "seq", [_key(copy) for copy in copies])
            stored, rows = [], []
            for copy in copies:
                key = _key(copy)
                if key in there:
                    stored.append(Stored(there[key], numbered(copy, there[key]), redelivered=True))
                    continue
                seq = last[copy.user] = last.get(copy.user, 0) + 1
                there[key] = seq
                stored.append(Stored(seq, numbered(copy, seq), redelivered=False))
                rows.append(_row(copy, stored[-1]))
            # Without atomic seqs two workers can allot one twice: the later message then replaces the other.
            how = "INSERT" if self._atomic else "INSERT OR REPLACE"
            insert(database, how, "message", rows)
            insert(database, "INSERT OR REPLACE", "counter", list(last.items()))
            self._note_progress(database, copies)
        return stored

    def keep_history(self, copies: Sequence[Copy]) -> None:
        """Keep which message has which seq for good, as Mongo does.

        Raises
        ------
        sqlite3.Error
            Nothing was stored.
        """
        rows = [(copy.user, copy.message.seq, copy.message.clientMsgID) for copy in copies]
        with self._transaction() as database:
            insert(database, "INSERT OR IGNORE", "history", rows)

    def keep_chat_log(self, copies: Sequence[Copy]) -> None:
        """Keep each message once, by its serverMsgID, as the MySQL chat log does.

        Raises
        ------
        sqlite3.Error
            Nothing was stored.
        """
        rows = [
            (m.serverMsgID, m.sendID, m.recvID, m.sessionType, m.contentType, m.content, m.sendTime)
            for m in (copy.message for copy in copies)
            if m.option("persistent")
        ]
        with self._transaction() as database:
            insert(database, "INSERT OR IGNORE", "chat_log", rows)

    def pushed(self, told: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return of pairs of user and clientMsgID those of which the user was told."""
        with self._lock:
            return set(find(self._database, "pushed", "0", told))

    def note_pushes(self, told: Mapping[tuple[str, str], OfflinePush | None]) -> None:
        """Note of pairs of user and clientMsgID that the user was told, and how, where nobody was online.

        Raises
        ------
        sqlite3.Error
            Nothing was noted.
        """
        rows = [
            (*key, offline.title, offline.description) if offline else (*key, None, None)
            for key, offline in told.items()
        ]
        with self._transaction() as database:
            insert(database, "INSERT OR IGNORE", "pushed", rows)

    # What clients ask ----------------------------------------------------------------------------

    def users(self) -> list[str]:
        """Return who has messages; a super group, whose inbox all its members read, is no user."""
        rows = self._select(
            "SELECT user FROM counter c WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.user = c.user "
            "AND m.conversationID = 'super_group_' || c.user) ORDER BY user"
        )
        return [user for (user,) in rows]

    def messages(self, user: str, *, after_seq: int = 0, most: int = -1) -> list[InboxMessage]:
        """Return a user's messages in the order of their seq; none for an unknown user.

        Parameters
        ----------
        user : str
            Whose; for a super group's messages, the group.
        after_seq : int, default 0
            Only those after it: what a client lacks that has been away.
        most : int, default -1
            How many at most; -1 for all.
        """
        rows = self._select(
            "SELECT user, seq, conversationID, data FROM message WHERE user = ? AND seq > ? "
            "ORDER BY seq LIMIT ?",
            user,
            after_seq,
            most,
        )
        return [_inbox_message(*row) for row in rows]

    def conversations(self, user: str) -> list[Conversation]:
        """Return a user's list of conversations, the one with the latest message first.

        Those of their super groups are in it: a super group's inbox is its own, and each member reads it.
        """
        found = self._conversations(user, user, of_group=False)
        for group in self._groups(user):
            found += self._conversations(user, group, of_group=True)
        return sorted(found, key=lambda each: each.latest.message.sendTime, reverse=True)

    def _conversations(self, user: str, owner: str, *, of_group: bool) -> list[Conversation]:
        """Return a user's conversations in one inbox; a user may be called like a super group."""
        rows = self._select(
            """
            SELECT m.user, m.seq, m.conversationID, m.data,
                   (SELECT coalesce(sum(n.counts), 0) FROM message n
                    WHERE n.user = m.user AND n.conversationID = m.conversationID
                      AND (NOT :of_group OR json_extract(n.data, '$.sendID') <> :reader)
                      AND n.seq > coalesce((SELECT seq FROM read_mark r WHERE r.user = :reader
                                            AND r.conversationID = m.conversationID), 0))
            FROM message m JOIN (SELECT conversationID, max(seq) AS latest FROM message WHERE user = :owner
                                 GROUP BY conversationID) c
                 ON m.conversationID = c.conversationID AND m.seq = c.latest
            WHERE m.user = :owner AND (m.conversationID = :group) = :of_group ORDER BY m.seq DESC
            """,
            reader=user,
            owner=owner,
            group=super_group_conversation(owner),
            of_group=of_group,
        )
        return [Conversation(row[2], _inbox_message(*row[:4]), row[4]) for row in rows]

    def mark_read(self, user: str, conversationID: str) -> None:  # noqa: N803 - OpenIM's spelling
        """Note that a user has read a conversation up to its latest message."""
        owner = owner_of(conversationID, user)
        with self._transaction() as database:
            database.execute(
                """INSERT OR REPLACE INTO read_mark SELECT ?, conversationID, max(seq) FROM message
                   WHERE user = ? AND conversationID = ? GROUP BY conversationID""",
                (user, owner, conversationID),
            )

    def read_marks(self, user: str) -> dict[str, int]:
        """Return up to which seq a user has read each conversation."""
        return dict(self._select("SELECT conversationID, seq FROM read_mark WHERE user = ?", user))

    def newest_seq(self, user: str) -> int:
        """Return the seq of a user's latest message; 0 without any."""
        ((seq,),) = self._select("SELECT coalesce(max(seq), 0) FROM message WHERE user = ?", user)
        return int(seq)

    def offline_pushes(self, user: str) -> list[OfflinePush]:
        """Return what a user's device was told while nobody was online there."""
        rows = self._select(
            "SELECT user, clientMsgID, title, description FROM pushed WHERE user = ? AND title IS NOT NULL",
            user,
        )
        return [OfflinePush(*row) for row in rows]

    def chat_log(self) -> int:
        """Return how many messages the chat log has."""
        ((count,),) = self._select("SELECT count(*) FROM chat_log")
        return int(count)

    def history(self, user: str) -> dict[int, str]:
        """Return the clientMsgID of each seq that the history has of a user."""
        return dict(self._select("SELECT seq, clientMsgID FROM history WHERE user = ?", user))

    def progress(self, topic: str) -> dict[int, int]:
        """Return the offset after the last record that was stored, by partition."""
        return dict(self._select("SELECT partition, next FROM progress WHERE topic = ?", topic))

    def __len__(self) -> int:
        ((count,),) = self._select("SELECT count(*) FROM message")
        return int(count)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise

    def _select(self, query: str, *values: object, **named: object) -> list[Any]:
        with self._lock:
            return self._database.execute(query, named or values).fetchall()

    def _last_seqs(self, users: set[str]) -> dict[str, int]:
        with self._lock:
            return self._last_seqs_in(self._database, users)

    @staticmethod
    def _last_seqs_in(database: sqlite3.Connection, users: set[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for some in chunks(list(users)):
            query = f"{_LAST_SEQS} ({', '.join('?' * len(some))})"
            found.update(select_json(database, query, some))
        return found

    @staticmethod
    def _note_progress(database: sqlite3.Connection, copies: Sequence[Copy]) -> None:
        ends: dict[tuple[str, int], int] = defaultdict(int)
        for copy in copies:
            where = (copy.topic, copy.partition)
            ends[where] = max(ends[where], copy.offset + 1)
        database.executemany(
            "INSERT INTO progress VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
            [(topic, partition, end) for (topic, partition), end in ends.items()],
        )


def _key(copy: Copy) -> tuple[str, str]:
    return copy.user, copy.message.clientMsgID


def _row(copy: Copy, stored: Stored) -> tuple[object, ...]:
    counts = copy.message.option("unreadCount") and copy.user != copy.message.sendID
    return (
        copy.user,
        stored.seq,
        copy.message.clientMsgID,
        conversation_id(copy.user, copy.message),
        int(counts),
        stored.message,
    )


def _inbox_message(user: str, seq: int, conversation: str, data: str) -> InboxMessage:
    return InboxMessage(user, seq, conversation, MsgData.from_json(data))
