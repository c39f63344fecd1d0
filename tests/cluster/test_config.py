from __future__ import annotations

from pathlib import Path

import pytest

from kafka_lab.cluster.config import (
    PROFILES,
    Profile,
    broker_properties,
    direct_listener,
    profile,
    to_text,
    zookeeper_properties,
    zookeeper_settings,
)
from kafka_lab.errors import ConfigurationError


def of_broker(brokers: int = 3, name: str = "lab") -> dict[str, str]:
    return broker_properties(
        listeners=direct_listener(20001),
        data=Path("data"),
        metadata=zookeeper_settings(broker_id=2, connect="127.0.0.1:20000", profile=profile(name)),
        brokers=brokers,
        profile=profile(name),
    )


@pytest.mark.parametrize("chosen", PROFILES.values(), ids=str)
def test_everything_listens_on_loopback_only(chosen: Profile) -> None:
    assert of_broker(name=chosen.name)["listeners"] == "PLAINTEXT://127.0.0.1:20001"
    zookeeper = zookeeper_properties(port=20000, data=Path("data"), profile=chosen)
    assert zookeeper["clientPortAddress"] == "127.0.0.1"
    assert zookeeper["admin.enableServer"] == "false"


def test_the_defaults_profile_overrides_none_of_kafkas_failure_settings() -> None:
    settings = of_broker(name="kafka-defaults")
    assert settings["zookeeper.session.timeout.ms"] == "18000"
    assert not {"replica.lag.time.max.ms", "replica.fetch.wait.max.ms", "min.insync.replicas"} & set(settings)


def test_a_slow_boot_does_not_end_a_broker() -> None:
    assert int(of_broker()["zookeeper.connection.timeout.ms"]) >= 30000


@pytest.mark.parametrize(
    ("brokers", "copies", "in_sync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (9, "3", "2")]
)
def test_replication_fits_the_number_of_brokers(brokers: int, copies: str, in_sync: str) -> None:
    settings = of_broker(brokers)
    assert settings["offsets.topic.replication.factor"] == copies
    assert settings["min.insync.replicas"] == in_sync


def test_an_unknown_profile_names_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="'fsat'; choose one of: lab, fast, kafka-defaults, fragile"):
        profile("fsat")


def test_any_setting_can_be_another() -> None:
    chosen = profile("lab").with_settings({"log.segment.bytes": "1048576", "min.insync.replicas": "3"})
    settings = broker_properties(
        listeners=direct_listener(20001),
        data=Path("data"),
        metadata={},
        brokers=3,
        profile=chosen,
    )
    assert settings["log.segment.bytes"] == "1048576"
    assert settings["min.insync.replicas"] == "3"
    assert settings["replica.lag.time.max.ms"] == "2000"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"listeners": "PLAINTEXT://0.0.0.0:9092"}, "lab's own"),
        ({"log.segment.bytes": 1}, "expected text"),
        ({"zookeeper.session.timeout.ms": "soon"}, "expected milliseconds"),
    ],
)
def test_a_setting_that_cannot_be(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        profile("lab").with_settings(settings)


def test_the_fragile_profile_can_lose_messages() -> None:
    settings = of_broker(name="fragile")
    assert settings["min.insync.replicas"] == "1"
    assert settings["unclean.leader.election.enable"] == "true"


def test_a_properties_file_keeps_what_java_would_read_otherwise() -> None:
    assert to_text({"log.dirs": "a\\b"}) == "log.dirs=a\\\\b\n"
    assert to_text({"log.dirs": "josé/🐭"}) == "log.dirs=jos\\u00e9/\\ud83d\\udc2d\n"
