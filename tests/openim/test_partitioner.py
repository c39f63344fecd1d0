from __future__ import annotations

import pytest

from kafka_lab.openim.partitioner import sarama_partition


@pytest.mark.parametrize(
    ("key", "of_3", "of_8"),
    [
        ("openIM123456", 2, 0),
        ("openIM654321", 0, 2),
        ("18712345678", 2, 1),
        ("u1", 0, 3),
        ("u2", 2, 6),
        ("u3", 1, 1),
        ("u4", 0, 4),
        ("g1", 0, 5),
        ("系统", 2, 3),
    ],
)
def test_the_partitions_that_sarama_picks(key: str, of_3: int, of_8: int) -> None:
    assert sarama_partition(key.encode(), 3) == of_3
    assert sarama_partition(key.encode(), 8) == of_8
