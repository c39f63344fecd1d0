"""One notification's way: from the HTTP request through Kafka's partitions to the inboxes."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from kafka_lab import events as ev
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["route_graph", "route_scene"]

_BOX, _HIGH, _GAP, _LEFT, _TOP, _ROW = 212, 62, 46, 20, 104, 86
_MOST_COPIES = 12


def route_graph(events: Iterable[ev.Event], message: str | None = None) -> nx.MultiDiGraph:
    """Return a notification's way as a graph.

    Nodes are the ``"request"``, and for each copy ``("record", user)`` with ``topic``, ``partition`` and
    ``offset``, ``("inbox", user)`` with ``seq``, and ``("push", user)`` with ``how`` and the ``topic``,
    ``partition`` and ``offset`` that asked for it, each with ``at_s``; edges lead along the way. A copy that
    no inbox has yet ends at its record, whose place is not known yet. ``graph.graph`` has ``message`` (its
    clientMsgID; None if none was asked for and there was none yet), ``answer`` (``"accepted"``,
    ``"refused"``, ``"unknown"``, or ``"none"`` yet) and ``text``.

    Parameters
    ----------
    events : iterable of Event
        What happened.
    message : str, optional
        The clientMsgID; by default the latest notification's.
    """
    answer: ev.NotificationAccepted | ev.NotificationRefused | ev.NotificationUnknown | None = None
    stored: dict[str, dict[str, ev.NotificationStored]] = {}
    acknowledged: dict[tuple[str, int, int], float] = {}
    pushed: dict[str, dict[str, ev.NotificationPushed]] = {}
    for event in events:
        match event:
            case ev.NotificationAccepted() | ev.NotificationRefused() | ev.NotificationUnknown():
                if message in (None, event.clientMsgID):
                    answer = event
            case ev.NotificationStored():
                stored.setdefault(event.clientMsgID, {}).setdefault(event.user, event)
            case ev.RecordAcknowledged():
                acknowledged[event.topic, event.partition, event.offset] = event.at_s
            case ev.NotificationPushed():
                pushed.setdefault(event.clientMsgID, {}).setdefault(event.user, event)
    graph = nx.MultiDiGraph(message=message, answer="none", text="")
    if answer is None:
        return graph
    accepted = answer if isinstance(answer, ev.NotificationAccepted) else None
    kinds = {ev.NotificationAccepted: "accepted", ev.NotificationRefused: "refused"}
    graph.graph.update(
        message=answer.clientMsgID,
        answer=kinds.get(type(answer), "unknown"),
        text=f"{accepted.title}: {accepted.text}".strip(": ") if accepted else getattr(answer, "reason", ""),
    )
    begin_s = accepted.received_s if accepted else answer.at_s
    graph.add_node("request", kind="request", at_s=begin_s, answered_s=answer.at_s)
    copies = stored.get(answer.clientMsgID, {})
    for user in dict.fromkeys([*(accepted.inboxes if accepted else ()), *copies]):
        _add_copy(graph, user, copies.get(user), acknowledged)
        push = pushed.get(answer.clientMsgID, {}).get(user)
        if push is not None:
            graph.add_node(
                ("push", user), kind="push", at_s=push.at_s, how=push.how,
                topic=push.topic, partition=push.partition, offset=push.offset,
            )  # fmt: skip
            before = ("inbox", user) if ("inbox", user) in graph else ("record", user)  # it was online only
            graph.add_edge(before, ("push", user))
    return graph


def _add_copy(
    graph: nx.MultiDiGraph,
    user: str,
    copy: ev.NotificationStored | None,
    acknowledged: dict[tuple[str, int, int], float],
) -> None:
    record, inbox = ("record", user), ("inbox", user)
    if copy is None:
        graph.add_node(record, kind="record", at_s=None, topic=None)
        graph.add_edge("request", record)
        return
    where = (copy.topic, copy.partition, copy.offset)
    graph.add_node(
        record, kind="record", at_s=acknowledged.get(where),
        topic=copy.topic, partition=copy.partition, offset=copy.offset,
    )  # fmt: skip
    graph.add_node(inbox, kind="inbox", at_s=copy.at_s, seq=copy.seq_in_inbox)
    graph.add_edge("request", record)
    graph.add_edge(record, inbox)


def route_scene(graph: nx.MultiDiGraph) -> Scene:
    """Return the picture of a :func:`route_graph`; times count from the request's arrival."""
    users = [node[1] for node, data in graph.nodes(data=True) if data["kind"] == "record"]
    drawn = users[:_MOST_COPIES]
    width = 2 * _LEFT + 4 * _BOX + 3 * _GAP
    scene = Scene(
        size=(width, _TOP + _ROW * max(1, len(drawn)) + 6),
        title="Route of a notification",
        desc=_sentence(graph, users),
        table=_table(graph, users),
        layers=("ways", "stations"),
    )
    columns = [_LEFT + number * (_BOX + _GAP) for number in range(4)]
    stations = ("HTTP request", "record, by its key", "inbox, by group mongo", "device, by group push")
    headings = [
        s.label(x, _TOP - 16, text, fill=s.GREY, font_weight=600)
        for x, text in zip(columns, stations, strict=True)
    ]
    scene.add_headline("stations", width - 32, *headings)
    if "request" not in graph:
        asked = graph.graph["message"]
        hint = f"{asked} was not sent yet" if asked else "lab.openim().send(...) sends one"
        scene.items["hint"] = ("stations", s.label(16, _TOP + 30, hint, fill=s.GREY))
        return scene
    begin_s = graph.nodes["request"]["at_s"]
    answered = f"answered {graph.graph['answer']} after {_ms(graph.nodes['request']['answered_s'] - begin_s)}"
    good = graph.graph["answer"] == "accepted"
    lines = ["POST /manager/send_msg", answered]
    _draw_station(scene, "request", columns[0], _TOP, lines, good=good)
    for row, user in enumerate(drawn):
        y = _TOP + _ROW * row
        record = graph.nodes["record", user]
        way = [
            f"M{columns[0] + _BOX} {_TOP + _HIGH / 2}",
            f"H{columns[0] + _BOX + _GAP / 2}",
            f"V{y + _HIGH / 2}",
        ]
        _draw_way(scene, f"to-record-{user}", "".join(way), columns[1], y)
        stored, pushed = ("inbox", user) in graph, ("push", user) in graph
        if stored:
            when = "" if record["at_s"] is None else f", ack after {_ms(record['at_s'] - begin_s)}"
            lines = [_place(record), f"key {user}{when}"]
        else:
            lines = [f"key {user}", "not stored" if pushed else "not stored yet"]
        _draw_station(scene, f"record-{user}", columns[1], y, lines, good=stored or pushed)
        if stored:
            inbox = graph.nodes["inbox", user]
            _draw_way(scene, f"to-inbox-{user}", f"M{columns[1] + _BOX} {y + _HIGH / 2}", columns[2], y)
            lines = [f"{user}: seq {inbox['seq']}", f"stored after {_ms(inbox['at_s'] - begin_s)}"]
            _draw_station(scene, f"inbox-{user}", columns[2], y, lines, good=True)
        if pushed:
            push = graph.nodes["push", user]
            begin = f"M{columns[2 if stored else 1] + _BOX} {y + _HIGH / 2}"
            _draw_way(scene, f"to-push-{user}", begin, columns[3], y)
            lines = [f"{push['how']} push after {_ms(push['at_s'] - begin_s)}", _place(push)]
            _draw_station(scene, f"push-{user}", columns[3], y, lines, good=True)
    return scene


def _draw_way(scene: Scene, key: str, begin: str, x: float, y: float) -> None:
    line = s.path(f"{begin}H{x - 7}", stroke=s.BLUE, stroke_width=2)
    scene.items[key] = ("ways", ["g", {}, [line, s.arrow(x, y + _HIGH / 2, "right", s.BLUE)]])


def _draw_station(scene: Scene, key: str, x: float, y: float, lines: list[str], *, good: bool) -> None:
    look = (s.PALE_BLUE, s.BLUE, "none") if good else (s.PALE_VERMILION, s.VERMILION, "5 4")
    parts = [
        s.rounded(
            x, y, _BOX, _HIGH, 8, fill=look[0], stroke=look[1], stroke_width=1.8, stroke_dasharray=look[2]
        ),
        s.label(x + 12, y + 25, s.clipped(lines[0], _BOX - 24), font_weight=600),
        s.label(x + 12, y + 46, s.clipped(lines[1], _BOX - 24)),
    ]
    scene.add(key, "stations", ", ".join(lines), parts, tabindex=0)


def _place(record: dict[str, object]) -> str:
    return f"{record['topic']}-{record['partition']} @ {record['offset']}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _sentence(graph: nx.MultiDiGraph, users: list[str]) -> str:
    if "request" not in graph:
        return "no such notification yet" if graph.graph["message"] else "no notification yet"
    arrived = sum(("inbox", user) in graph for user in users)
    return f"{graph.graph['answer']}, {arrived} of {len(users)} copies stored. {graph.graph['text']}"


def _table(graph: nx.MultiDiGraph, users: list[str]) -> Table:
    rows: list[tuple[str, ...]] = []
    for user in users:
        begin_s = graph.nodes["request"]["at_s"]
        record, inbox = graph.nodes["record", user], graph.nodes.get(("inbox", user))
        push = graph.nodes.get(("push", user))
        known = record["topic"] is not None
        rows.append((
            user,
            _place(record) if known else "-",
            "-" if record["at_s"] is None else _ms(record["at_s"] - begin_s),
            "-" if inbox is None else str(inbox["seq"]),
            "-" if inbox is None else _ms(inbox["at_s"] - begin_s),
            "-" if push is None else f"{_ms(push['at_s'] - begin_s)}, {push['how']}, {_place(push)}",
        ))
    header = ("user", "record", "acknowledged after", "seq", "stored after", "pushed after")
    return Table(header, rows)
