from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.events import Event, RecordAcknowledged, RecordRead
from kafka_lab.views.order import MOST_DRAWN, inversions, order_graph, order_scene
from kafka_lab.views.scene import to_svg


def sent(number: int, partition: int, offset: int, key: str | None = None, sender: str = "anna") -> Event:
    return RecordAcknowledged("talk", partition, offset, sender, number, key, f"line {number}")


def read(partition: int, offset: int, reader: str = "reader") -> Event:
    return RecordRead("talk", partition, offset, reader)


ACROSS = [sent(0, 1, 0), sent(1, 0, 0), sent(2, 1, 1)]


def test_read_partition_by_partition_a_stream_goes_backwards() -> None:
    graph = order_graph([*ACROSS, read(0, 0), read(1, 0), read(1, 1)], "talk")
    assert inversions(graph) == 1
    assert graph.edges[(1, 0), (0, 0), 0] == {"kind": "stream", "inverted": True}
    assert "met 1 of 2 steps backwards" in order_scene(graph).desc


def test_read_in_the_order_of_sending() -> None:
    assert inversions(order_graph([*ACROSS, read(1, 0), read(0, 0), read(1, 1)], "talk")) == 0


def test_unread_there_is_no_inversion_to_see() -> None:
    graph = order_graph(ACROSS, "talk")
    assert inversions(graph) == 0
    assert "nobody has read" in order_scene(graph).desc


def test_a_key_makes_one_stream_of_two_senders() -> None:
    events = [sent(0, 0, 0, key="chat"), sent(1, 0, 1, key="chat", sender="ben")]
    graph = order_graph(events, "talk")
    assert [data["stream"] for _, data in graph.nodes(data=True)] == ["chat", "chat"]
    assert [data["number"] for _, data in graph.nodes(data=True)] == [1, 2]


def test_the_last_reader_counts_and_its_first_look() -> None:
    events = [*ACROSS, read(0, 0, "old"), read(1, 0, "old"), *(read(*p, "new") for p in [(1, 0), (0, 0)])]
    graph = order_graph([*events, read(1, 0, "new")], "talk")
    assert graph.graph["reader"] == "new"
    assert graph.nodes[1, 0]["position"] == 1
    assert graph.nodes[0, 0]["position"] == 2
    assert graph.nodes[1, 1]["position"] is None


def test_other_topics_are_not_mixed_in() -> None:
    assert len(order_graph(ACROSS, "another")) == 0
    assert "lab.producer()" in to_svg(order_scene(order_graph([], "another")))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.randoms())
def test_a_reader_of_whole_partitions_never_sees_a_partition_backwards(partitions, random) -> None:  # type: ignore[no-untyped-def]
    offsets: dict[int, int] = {}
    events: list[Event] = []
    for number, partition in enumerate(partitions):
        offsets[partition] = offsets.get(partition, -1) + 1
        events.append(sent(number, partition, offsets[partition]))
    order = list(offsets)
    random.shuffle(order)
    events += [read(p, offset) for p in order for offset in range(offsets[p] + 1)]
    graph = order_graph(events, "talk")
    for before, after, kind in graph.edges(data="kind"):
        if kind == "partition":
            assert graph.nodes[before]["position"] < graph.nodes[after]["position"]
    assert len(graph) == len(partitions)
    assert (inversions(graph) == 0) == (partitions == sorted(partitions, key=order.index))
    ET.fromstring(to_svg(order_scene(graph)))


def test_many_messages_are_counted_in_columns() -> None:
    events: list[Event] = [sent(number, number % 2, number // 2) for number in range(2000)]
    # Partition 0 first, all of it: half of the steps go back to partition 0.
    events += [read(partition, offset) for partition in (0, 1) for offset in range(1000)]
    graph = order_graph(events, "talk")
    scene = order_scene(graph)
    assert "2000 messages" in scene.desc
    assert "counted in 40 columns" in scene.desc
    assert scene.items["0#0"][1][1]["aria-label"] == "50 messages of partition 0"
    assert "0#20" not in scene.items
    assert scene.items["1#20"][1][1]["aria-label"] == "50 messages of partition 1"
    assert scene.items["inversions"][1][1]["aria-label"] == f"{inversions(graph)} inversions"
    assert inversions(graph) > 900
    assert scene.table.rows[0][:3] == ("0", "1000", "1000")
    assert len(scene.items) < 100
    ET.fromstring(to_svg(scene))


def test_the_most_messages_that_are_drawn_one_by_one() -> None:
    scene = order_scene(order_graph([sent(number, 0, number) for number in range(MOST_DRAWN)], "talk"))
    assert sum(layer == "messages" and "@" in key for key, (layer, _) in scene.items.items()) == MOST_DRAWN


def test_control_characters_are_no_xml_and_are_replaced() -> None:
    strange = RecordAcknowledged("talk", 0, 0, "anna", 0, "\x02key", "bin\x00\x01\ud800")
    ET.fromstring(to_svg(order_scene(order_graph([strange], "talk"))))


def test_message_text_is_text() -> None:
    evil = RecordAcknowledged("talk", 0, 0, "anna", 0, None, '<img src=x onerror="alert(1)">')
    assert "<img" not in to_svg(order_scene(order_graph([evil], "talk")))
