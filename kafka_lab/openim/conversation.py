"""A message as its recipient sees it: in a conversation, with a seq."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kafka_lab.openim.content import preview
from kafka_lab.openim.message import GROUP_CHAT, NOTIFICATION, SUPER_GROUP_CHAT, MsgData

__all__ = ["Conversation", "InboxMessage", "conversation_id", "owner_of", "super_group_conversation"]

_SUPER_GROUP = "super_group_"


@dataclass(frozen=True)
class InboxMessage:
    """One message in one user's inbox.

    Attributes
    ----------
    seq : int
        Its number in this inbox, from 1.
    conversationID : str
        As OpenIM's clients build it: ``notification_`` and the sendID, ``single_`` and the peer, ``group_``
        or ``super_group_`` and the group.
    message : MsgData
        The message as it travelled.
    """

    user: str
    seq: int
    conversationID: str  # noqa: N815 - OpenIM's spelling
    message: MsgData

    @property
    def content(self) -> dict[str, Any]:
        """The content as the sender gave it; of a text message ``{"text": ...}``."""
        try:
            content = json.loads(self.message.content)
        except ValueError:
            content = None
        return content if isinstance(content, dict) else {"text": self.message.content}

    @property
    def nickname(self) -> str:
        """The sender's name, shown with this message."""
        return self.message.senderNickname

    @property
    def title(self) -> str:
        """A notification's name; empty for other messages."""
        return preview(self.message.contentType, self.message.content)[0]

    @property
    def text(self) -> str:
        """What a list shows of it."""
        return preview(self.message.contentType, self.message.content)[1]


@dataclass(frozen=True)
class Conversation:
    """One entry of a user's list of conversations.

    Attributes
    ----------
    conversationID : str
        See :class:`InboxMessage`.
    latest : InboxMessage
        The last one.
    unread : int
        How many count as unread.
    """

    conversationID: str  # noqa: N815 - OpenIM's spelling
    latest: InboxMessage
    unread: int


def conversation_id(user: str, message: MsgData) -> str:
    """Return the conversation in which a user's client shows a message.

    All notifications of one sendID gather in one conversation.
    """
    if message.sessionType == NOTIFICATION:
        return f"notification_{message.sendID}"
    if message.sessionType == SUPER_GROUP_CHAT:
        return super_group_conversation(message.groupID)
    if message.sessionType == GROUP_CHAT:
        return f"group_{message.groupID}"
    peer = message.recvID if user == message.sendID else message.sendID
    return f"single_{peer}"


def super_group_conversation(group: str) -> str:
    """Return the conversation of a super group, whose inbox is its own, not its members'."""
    return _SUPER_GROUP + group


def owner_of(conversation: str, user: str) -> str:
    """Return whose inbox has a user's conversation: the super group's, or the user's own.

    Examples
    --------
    >>> owner_of("super_group_news", "ada"), owner_of("single_bob", "ada")
    ('news', 'ada')
    """
    group = conversation.removeprefix(_SUPER_GROUP)
    return user if group == conversation else group
