"""A user's inbox as their chat client shows it: conversations, and the messages of the latest."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from kafka_lab import events as ev
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["inbox_graph", "inbox_scene"]

_LIST, _CHAT, _TOP, _ROW, _BUBBLE = 320, 440, 72, 62, 70
_MOST_CONVERSATIONS, _MOST_MESSAGES = 8, 7


def inbox_graph(events: Iterable[ev.Event], user: str) -> nx.MultiDiGraph:
    """Return what a user received, as a graph.

    Nodes are conversations (``kind`` ``"conversation"``, ``name``, the latest sender's) and messages
    by clientMsgID (``kind`` ``"message"``, ``seq``, ``nickname``, ``title``, ``text``, ``at_s``, ``mine``);
    edges lead from a conversation to its messages, in the order of their seq. All notifications of one
    account are one conversation, whatever names their senders show.
    """
    accepted: dict[str, ev.NotificationAccepted] = {}
    stored: dict[str, ev.NotificationStored] = {}
    for event in events:
        if isinstance(event, ev.NotificationAccepted):
            accepted[event.clientMsgID] = event
        elif isinstance(event, ev.NotificationStored) and event.user == user:
            stored.setdefault(event.clientMsgID, event)
    graph = nx.MultiDiGraph(user=user)
    for name, copy in sorted(stored.items(), key=lambda item: item[1].seq_in_inbox):
        message = accepted.get(name)
        if message is None:  # stored before its request was answered, or the answer was never known
            continue
        peers = [inbox for inbox in message.inboxes if inbox != user]
        mine = message.sendID == user
        peer = peers[0] if message.conversationType == "single" and mine and peers else message.sendID
        peer = message.groupID or peer
        conversation = f"{message.conversationType}_{peer}"
        graph.add_node(
            conversation, kind="conversation", name=peer if mine else message.senderNickname or peer
        )
        graph.add_node(
            name,
            kind="message",
            seq=copy.seq_in_inbox,
            nickname=message.senderNickname or message.sendID,
            title=message.title,
            text=message.text,
            at_s=copy.at_s,
            mine=mine,
        )
        graph.add_edge(conversation, name)
    return graph


def inbox_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of an :func:`inbox_graph`: the list, and the latest conversation beside it."""
    conversations = [node for node, data in graph.nodes(data=True) if data["kind"] == "conversation"]
    conversations.sort(key=lambda node: -max(_seqs(graph, node)))
    latest = list(graph.successors(conversations[0]))[-_MOST_MESSAGES:] if conversations else []
    rows = max(_ROW * min(_MOST_CONVERSATIONS, len(conversations)), _BUBBLE * len(latest), _ROW)
    scene = Scene(
        size=(_LIST + _CHAT + 40, _TOP + rows + 20),
        title=f"Inbox of {graph.graph['user']}",
        desc=_sentence(graph, conversations),
        table=_table(graph, conversations),
        layers=("frame", "conversations", "messages"),
    )
    divider = s.path(f"M{_LIST + 14} {_TOP - 8}V{_TOP + rows + 8}", stroke="#D1D5DB", stroke_width=1)
    scene.add_headline("frame", _LIST + _CHAT, divider)
    for row, node in enumerate(conversations[:_MOST_CONVERSATIONS]):
        _draw_conversation(scene, graph, node, _TOP + _ROW * row, selected=row == 0)
    for row, node in enumerate(latest):
        _draw_message(scene, node, graph.nodes[node], _TOP + _BUBBLE * row)
    if not conversations:
        hint = "nothing received yet"
        scene.items["hint"] = ("messages", s.label(16, _TOP + 24, hint, fill=s.GREY))
    return scene


def _seqs(graph: nx.MultiDiGraph, conversation: str) -> list[int]:
    return [graph.nodes[node]["seq"] for node in graph.successors(conversation)]


def _face(x: float, y: float, name: str) -> list[s.Element]:
    """Return a face: the sender's picture would be fetched from elsewhere, so a letter stands for it."""
    letter = next((character for character in name if character.isalnum()), "?").upper()
    colour = s.colour_of(f"face-{sum(map(ord, name)) % 9 + 1}")
    return [
        s.rounded(x, y, 36, 36, 18, fill=colour),
        s.label(x + 18, y + 24, letter, fill=s.WHITE, text_anchor="middle", font_size=16, font_weight=700),
    ]


def _draw_conversation(scene: Scene, graph: nx.MultiDiGraph, node: str, y: float, *, selected: bool) -> None:
    messages = [graph.nodes[message] for message in graph.successors(node)]
    last, name = messages[-1], graph.nodes[node]["name"]
    count = sum(not message["mine"] for message in messages)
    text = f"{last['title']}: {last['text']}".strip(": ")
    parts = [
        s.rounded(8, y, _LIST, _ROW - 6, 8, fill=s.PALE_BLUE if selected else s.WHITE),
        *_face(18, y + 10, name),
        s.label(64, y + 24, s.clipped(name, _LIST - 120, 13), font_weight=700, font_size=13),
        s.label(64, y + 43, s.clipped(text, _LIST - 80), fill=s.GREY),
    ]
    if count:
        parts += [
            s.rounded(_LIST - 32, y + 9, 32, 19, 9, fill=s.VERMILION),
            s.label(_LIST - 16, y + 23, str(count) if count < 1000 else "999+", fill=s.WHITE, font_size=11,
                    text_anchor="middle", font_weight=700),
        ]  # fmt: skip
    scene.add(node, "conversations", f"{node}, {name}, {count} received, last: {text}", parts, tabindex=0)


def _draw_message(scene: Scene, key: str, data: dict[str, object], y: float) -> None:
    x = _LIST + 30
    heading = f"{data['nickname']} · {data['title']}" if data["title"] else str(data["nickname"])
    fill = s.PALE_ORANGE if data["mine"] else s.PALE_GREY
    parts = [
        *_face(x, y + 6, str(data["nickname"])),
        s.rounded(x + 46, y, _CHAT - 56, _BUBBLE - 10, 10, fill=fill),
        s.label(x + 58, y + 22, s.clipped(heading, _CHAT - 130), font_weight=600),
        s.label(x + 58, y + 44, s.clipped(str(data["text"]), _CHAT - 80)),
        s.label(x + _CHAT - 20, y + 22, f"seq {data['seq']}", fill=s.GREY, font_size=11, text_anchor="end"),
    ]
    scene.add(f"message-{key}", "messages", f"seq {data['seq']}, {heading}: {data['text']}", parts)


def _sentence(graph: nx.MultiDiGraph, conversations: list[str]) -> str:
    messages = sum(len(_seqs(graph, node)) for node in conversations)
    return f"{messages} messages in {len(conversations)} conversations"


def _table(graph: nx.MultiDiGraph, conversations: list[str]) -> Table:
    rows: list[tuple[str, ...]] = []
    for node in conversations[:_MOST_CONVERSATIONS]:
        for message in list(graph.successors(node))[-_MOST_MESSAGES:]:
            data = graph.nodes[message]
            rows.append((node, str(data["seq"]), data["nickname"], data["title"], data["text"][:60]))
    return Table(("conversation", "seq", "from", "title", "text"), rows)
