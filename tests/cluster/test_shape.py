from __future__ import annotations

from typing import Any

import pytest

from kafka_lab.cluster.shape import shape
from kafka_lab.errors import ConfigurationError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"brokers": 0}, "brokers is 0; expected a whole number from 1 to 9"),
        ({"brokers": True}, "brokers is True"),
        ({"brokers": 3, "mode": "raft"}, "'raft'; choose one of: zookeeper, kraft"),
        ({"brokers": 3, "zookeepers": 2}, "zookeepers is 2; expected 1, 3, 5"),
        ({"brokers": 3, "controllers": 3}, "controllers are nodes of KRaft: give mode='kraft' too"),
        ({"brokers": 3, "mode": "kraft", "zookeepers": 1}, "KRaft has no ZooKeeper"),
        ({"brokers": 3, "mode": "kraft", "controllers": 2}, "controllers is 2; expected 0, 1, 3, 5"),
        ({"brokers": 3, "kafka": "4.1.0"}, "has no ZooKeeper mode .*: choose 3.7 to 3.9, or mode='kraft'"),
        ({"brokers": 3, "mode": "kraft", "kafka": "3.9.2"}, "the lab runs Kafka 4.0 and newer, not 3.9.2"),
        ({"brokers": 3, "kafka": "2.8.0"}, "Kafka 2.8.0 is too old for the lab"),
        ({"brokers": 3, "kafka": "latest"}, "kafka is 'latest'; expected a version such as"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        shape(**arguments)


def test_who_votes() -> None:
    assert shape(brokers=2).voters == ["zookeeper-1"]
    assert shape(brokers=2, zookeepers=3).voters == ["zookeeper-1", "zookeeper-2", "zookeeper-3"]
    assert shape(brokers=2, mode="kraft").voters == ["broker-1"]  # two voters would be worse than one
    assert shape(brokers=5, mode="kraft").voters == ["broker-1", "broker-2", "broker-3"]
    assert shape(brokers=1, mode="kraft", controllers=3).voters[0] == "controller-1"


def test_a_shape_says_what_it_is() -> None:
    assert str(shape(brokers=1, zookeepers=3)) == "3 ZooKeepers and 1 broker"
    assert str(shape(brokers=3, mode="kraft")) == "3 brokers"
    assert str(shape(brokers=3, mode="kraft", controllers=1)) == "KRaft controller and 3 brokers"
