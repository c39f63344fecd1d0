"""What the recipients have: every message once per inbox, in the order of its seq."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka_lab.openim.content import OA_NOTIFICATION, TEXT
from kafka_lab.openim.message import NOTIFICATION, MsgData

__all__ = ["Inbox", "InboxMessage", "Stored"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    clientMsgID TEXT NOT NULL,
    conversationID TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (user, clientMsgID),
    UNIQUE (user, seq)
) STRICT
"""


@dataclass(frozen=True)
class Stored:
    """What became of one copy: its ``seq`` in the inbox, and whether the inbox had it already."""

    seq: int
    redelivered: bool


@dataclass(frozen=True)
class InboxMessage:
    """One message in one user's inbox.

    Attributes
    ----------
    seq : int
        Its number in this inbox, from 1.
    conversationID : str
        As OpenIM's clients build it: ``notification_`` and the sendID, or ``single_`` and the peer.
    message : MsgData
        The message as it travelled.
    """

    user: str
    seq: int
    conversationID: str  # noqa: N815 - OpenIM's spelling
    message: MsgData

    @property
    def content(self) -> dict[str, Any]:
        """The content as the sender gave it."""
        if self.message.contentType == TEXT:
            return {"text": self.message.content}
        content: dict[str, Any] = json.loads(self.message.content)
        return content

    @property
    def nickname(self) -> str:
        """The sender's name, shown with this message."""
        return self.message.senderNickname

    @property
    def title(self) -> str:
        """A notification's name; empty for a text message."""
        if self.message.contentType != OA_NOTIFICATION:
            return ""
        return str(self.content["notificationName"])

    @property
    def text(self) -> str:
        """The text."""
        return str(self.content["text"])


class Inbox:
    """A SQLite file with everybody's messages; may be used from several threads.

    Parameters
    ----------
    path : pathlib.Path
        The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def store(self, copies: Sequence[tuple[str, MsgData]]) -> list[Stored]:
        """Store copies, each a user and a message, all or none; a copy that is there already stays as it is.

        Raises
        ------
        sqlite3.Error
            Nothing was stored: the disk is full, or the file is locked.
        """
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                stored = [self._store(user, message) for user, message in copies]
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            return stored

    def _store(self, user: str, message: MsgData) -> Stored:
        there = self._database.execute(
            "SELECT seq FROM message WHERE user = ? AND clientMsgID = ?",
            (user, message.clientMsgID),
        ).fetchone()
        if there:
            return Stored(there[0], redelivered=True)
        (last,) = self._database.execute(
            "SELECT coalesce(max(seq), 0) FROM message WHERE user = ?", (user,)
        ).fetchone()
        self._database.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
            (
                user,
                last + 1,
                message.clientMsgID,
                conversation_id(user, message),
                message.model_dump_json(),
            ),
        )
        return Stored(last + 1, redelivered=False)

    def users(self) -> list[str]:
        """Return who has messages."""
        return [user for (user,) in self._select("SELECT DISTINCT user FROM message ORDER BY user")]

    def messages(self, user: str) -> list[InboxMessage]:
        """Return a user's messages in the order of their seq; none for an unknown user."""
        rows = self._select(
            "SELECT user, seq, conversationID, data FROM message WHERE user = ? ORDER BY seq", user
        )
        return [
            InboxMessage(user, seq, conversation, MsgData.model_validate_json(data))
            for user, seq, conversation, data in rows
        ]

    def __len__(self) -> int:
        ((count,),) = self._select("SELECT count(*) FROM message")
        return int(count)

    def _select(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()


def conversation_id(user: str, message: MsgData) -> str:
    """Return the conversation in which a user's client shows a message.

    All notifications of one sendID gather in one conversation.
    """
    if message.sessionType == NOTIFICATION:
        return f"notification_{message.sendID}"
    peer = message.recvID if user == message.sendID else message.sendID
    return f"single_{peer}"
