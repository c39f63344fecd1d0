"""How OpenIM's producer picks a partition: sarama's hash partitioner, not Kafka's own murmur2."""

from __future__ import annotations

from kafka.partitioner.abc import Partitioner

__all__ = ["SaramaHashPartitioner", "sarama_partition"]


def sarama_partition(key: bytes, partitions: int) -> int:
    """Return the partition of a key among ``partitions``, as sarama's default partitioner does.

    FNV-1a with 32 bits, read as a signed number, modulo the count, sign dropped.

    Examples
    --------
    >>> sarama_partition(b"18712345678", 8), sarama_partition("系统".encode(), 8)
    (1, 3)
    """
    digest = 0x811C9DC5
    for byte in key:
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    signed = digest - 0x1_0000_0000 if digest >= 0x8000_0000 else digest
    return abs(signed) % partitions  # Go's % keeps the sign of the dividend; so the same after abs


class SaramaHashPartitioner(Partitioner):  # type: ignore[misc] # kafka-python has no types
    """:func:`sarama_partition` for a kafka-python producer; every record must have a key."""

    def partition(  # noqa: D102
        self,
        topic: str,
        key: object,  # noqa: ARG002
        serialized_key: bytes,
        value: object,  # noqa: ARG002
        serialized_value: object,  # noqa: ARG002
        cluster: object,
    ) -> int:
        partitions = sorted(cluster.partitions_for_topic(topic))  # type: ignore[attr-defined]
        chosen: int = partitions[sarama_partition(bytes(serialized_key), len(partitions))]
        return chosen
