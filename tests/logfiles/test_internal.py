from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.logfiles import internal_row


@given(st.binary(max_size=60), st.one_of(st.none(), st.binary(max_size=80)))
def test_whatever_is_in_a_record_it_is_read_or_left_alone(key: bytes, value: bytes | None) -> None:
    for topic in ("__consumer_offsets", "__transaction_state", "chat"):
        row = internal_row(topic, key, value)
        assert row is None or all(isinstance(cell, str) for cell in row)


def test_an_offset_as_kafka_4_writes_it() -> None:
    key = bytes.fromhex("000100016700017400000000")
    value = bytes.fromhex(
        "000400000000000000010000000003616f000001a2130339ab01001000739481d00a470aacf7ea7086a7f924"
    )
    assert internal_row("__consumer_offsets", key, value) == (
        "offset", "g t-0", "offset 1, leader epoch 0, metadata 'ao', committed at 1795615308203",
    )  # fmt: skip


def test_another_topic_or_no_key_is_none_of_ours() -> None:
    assert internal_row("chat", b"\x00\x01", b"") is None
    assert internal_row("__consumer_offsets", None, b"") is None


def test_a_transaction_as_kafka_4_writes_it_with_transaction_version_2() -> None:
    key = bytes.fromhex("000000066c6564676572")
    value = bytes.fromhex(
        "0001000000000000000000000000ea600102076c656467657203000000010000000000000001a2169239d4000001a2169239d4"
        "0100080000000000000000"
    )
    assert internal_row("__transaction_state", key, value) == (
        "transaction", "ledger", "Ongoing, producer id 0, epoch 0, partitions ledger-1, ledger-0",
    )  # fmt: skip
