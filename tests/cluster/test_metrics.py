"""What brokers tell of themselves."""

from __future__ import annotations

import pytest
import yaml

from kafka_lab import IsrShrunk, Lab
from kafka_lab.errors import ConfigurationError, FaultError

pytestmark = pytest.mark.jvm


def test_a_brokers_metrics() -> None:
    with Lab(brokers=2, profile="fast", metrics=True) as lab:
        lab.create_topic("chat", partitions=1)
        with lab.producer() as producer:
            producer.send("chat", b"x").get(30)
        leader = lab.leader_of("chat", 0)
        assert leader
        told = lab.metrics(leader)
        assert told["UnderReplicatedPartitions"] == 0
        assert told["Produce.TotalTimeMs.Count"] >= 1
        assert told["Produce.TotalTimeMs.99thPercentile"] > 0
        folder = lab.data_folder(leader).parent
        (job,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
        assert {static["labels"]["node"] for static in job["static_configs"]} == set(lab.brokers)
        follower = next(name for name in lab.brokers if name != leader)
        lab.kill(follower)
        lab.wait_for(IsrShrunk, topic="chat", partition=0)
        assert lab.metrics(leader)["UnderReplicatedPartitions"] >= 1
        with pytest.raises(FaultError, match=f"{follower} does not tell its metrics"):
            lab.metrics(follower)
        with pytest.raises(ConfigurationError, match="no node with metrics 'zookeeper-1'; choose one of"):
            lab.metrics("zookeeper-1")


def test_a_lab_without_metrics_says_so(lab: Lab) -> None:
    with pytest.raises(ConfigurationError, match=r"make it with Lab\(metrics=True\)"):
        lab.metrics("broker-1")
