"""The records of Kafka's own topics, ``__consumer_offsets`` and ``__transaction_state``, in readable words.

Their layouts are those of Kafka's message definitions, as 3.9 and 4.3 write them: OffsetCommitKey and -Value,
GroupMetadataKey and -Value, TransactionLogKey and -Value, ConsumerProtocolAssignment.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

__all__ = ["internal_row"]

_STATES = (
    "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
    "PrepareEpochFence",
)  # fmt: skip


def internal_row(topic: str, key: bytes | None, value: bytes | None) -> tuple[str, str, str] | None:
    """Return what a record of an internal topic is, of what, and what it says.

    Parameters
    ----------
    topic : str
        ``"__consumer_offsets"`` or ``"__transaction_state"``.
    key, value : bytes or None
        The record's; a value of None is a tombstone.

    Returns
    -------
    tuple of str, or None
        Such as ``("offset", "readers chat-0", "offset 17, ...")``; None for a record of another kind or
        version, or another topic.

    Examples
    --------
    >>> key = bytes.fromhex("0001 0007") + b"readers" + bytes.fromhex("0004") + b"chat" + bytes(4)
    >>> internal_row("__consumer_offsets", key, None)
    ('offset', 'readers chat-0', 'forgotten (tombstone)')
    """
    read = {"__consumer_offsets": _group_row, "__transaction_state": _transaction_row}.get(topic)
    if read is None or key is None:
        return None
    try:
        return read(_Reader(key), _Reader(value) if value is not None else None)
    except (struct.error, UnicodeDecodeError, _StrangeError, IndexError):
        return None


class _StrangeError(Exception):
    """A version or a value that is not known here."""


class _Reader:
    """Reads Kafka's types from bytes, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, kind: str) -> int:
        """Read a number of a struct format's kind."""
        (value,) = struct.unpack_from(f">{kind}", self._data, self._at)
        self._at += struct.calcsize(f">{kind}")
        return int(value)

    def take(self, count: int) -> bytes:
        """Read so many bytes.

        Raises
        ------
        _StrangeError
            There are not so many.
        """
        taken = self._data[self._at : self._at + count]
        if count < 0 or len(taken) < count:
            raise _StrangeError
        self._at += count
        return taken

    def text(self) -> str:
        """Read a text; one that is null is empty."""
        length = self.number("h")
        return "" if length == -1 else self.take(length).decode()

    def compact_text(self) -> str:
        """Read a text of a flexible version (KIP-482): its length and one more come first, as a varint."""
        length = self.varint()
        return self.take(length - 1).decode() if length else ""

    def varint(self) -> int:
        """Read an unsigned number of seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def bytes_(self) -> bytes:
        """Read bytes."""
        return self.take(self.number("i"))

    def many(self, read: Callable[[], Any]) -> list[Any]:
        """Read an array.

        Raises
        ------
        _StrangeError
            It has more elements than there are bytes.
        """
        return self._elements(self.number("i"), read)

    def compact_many(self, read: Callable[[], Any]) -> list[Any]:
        """Read an array of a flexible version.

        Raises
        ------
        _StrangeError
            It has more elements than there are bytes.
        """
        return self._elements(self.varint() - 1, read)

    def _elements(self, count: int, read: Callable[[], Any]) -> list[Any]:
        if count > len(self._data):
            raise _StrangeError
        return [read() for _ in range(max(0, count))]

    def skip_tagged(self) -> None:
        """Pass over the tagged fields at the end of a structure of a flexible version.

        Raises
        ------
        _StrangeError
            There are more than bytes.
        """
        for _ in range(min(self.varint(), len(self._data))):
            self.varint()
            self.take(self.varint())

    def version(self, newest: int) -> int:
        """Read a version.

        Raises
        ------
        _StrangeError
            It is not known here.
        """
        version = self.number("h")
        if not 0 <= version <= newest:
            raise _StrangeError
        return version


def _group_row(key: _Reader, value: _Reader | None) -> tuple[str, str, str]:
    kind = key.version(2)
    if kind == 2:
        group = key.text()
        return "group", group, _group(value) if value else "gone (tombstone)"
    whose = f"{key.text()} {key.text()}-{key.number('i')}"
    return "offset", whose, _offset(value) if value else "forgotten (tombstone)"


def _offset(value: _Reader) -> str:
    version = value.version(4)
    said = f"offset {value.number('q')}"
    if version >= 3:
        said += f", leader epoch {value.number('i')}"
    metadata = value.compact_text() if version >= 4 else value.text()
    return f"{said}, metadata {metadata!r}, committed at {value.number('q')}"


def _group(value: _Reader) -> str:
    version = value.version(3)
    protocol_type, generation, protocol, leader = value.text(), value.number("i"), value.text(), value.text()
    if version >= 2:
        value.number("q")  # since when

    def member() -> str:
        name = value.text()
        static = value.text() if version >= 3 else ""
        value.text(), value.text()  # clientId, clientHost
        if version >= 1:
            value.number("i")
        value.number("i")
        value.bytes_()
        given = _assignment(_Reader(data)) if (data := value.bytes_()) else "nothing"
        return f"{static or name}{' (leader)' if name == leader else ''}: {given}"

    members = value.many(member)
    if not members:
        return f"{protocol_type}, generation {generation}, no members"
    return f"{protocol_type}, generation {generation}, {protocol}; {'; '.join(members)}"


def _assignment(data: _Reader) -> str:
    data.number("h")
    topics = data.many(lambda: (data.text(), data.many(lambda: data.number("i"))))
    return ", ".join(f"{topic}-{number}" for topic, numbers in topics for number in numbers) or "nothing"


def _transaction_row(key: _Reader, value: _Reader | None) -> tuple[str, str, str]:
    key.version(0)
    name = key.text()
    if value is None:
        return "transaction", name, "gone (tombstone)"
    version = value.version(1)
    producer, epoch, _ = value.number("q"), value.number("h"), value.number("i")
    state = _STATES[value.number("b")]

    def flexible() -> tuple[str, list[int]]:
        topic = value.compact_text(), value.compact_many(lambda: value.number("i"))
        value.skip_tagged()
        return topic

    if version >= 1:  # with transaction.version 2 of Kafka 4 (KIP-890)
        topics = value.compact_many(flexible)
    else:
        topics = value.many(lambda: (value.text(), value.many(lambda: value.number("i"))))
    where = ", ".join(f"{topic}-{number}" for topic, numbers in topics for number in numbers)
    said = f"{state}, producer id {producer}, epoch {epoch}"
    return "transaction", name, f"{said}, partitions {where}" if where else said
