from __future__ import annotations

from pathlib import Path

from kafka_lab.cluster.config import direct_listener, profile
from kafka_lab.cluster.kraft import controller_properties, format_folder, new_id, quorum_settings


def of_broker(name: str, controller_port: int | None) -> dict[str, str]:
    return quorum_settings(
        node_id=2,
        voters={1: 20001, 2: 20002},
        listeners=direct_listener(20010),
        profile=profile(name),
        controller_port=controller_port,
    )


def test_a_combined_node_listens_as_both() -> None:
    settings = of_broker("lab", 20002)
    assert settings["process.roles"] == "broker,controller"
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:20010,CONTROLLER://127.0.0.1:20002"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20010"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:20001,2@127.0.0.1:20002"


def test_a_broker_alone_has_no_listener_of_a_controller() -> None:
    settings = of_broker("lab", None)
    assert settings["process.roles"] == "broker"
    assert "listeners" not in settings  # those of the broker stay


def test_kafkas_own_profile_leaves_kafkas_timeouts() -> None:
    assert "broker.session.timeout.ms" not in of_broker("kafka-defaults", None)
    assert of_broker("lab", None)["broker.session.timeout.ms"] == "2000"


def test_a_controller_gets_nothing_that_kafka_4_does_not_know() -> None:
    settings = controller_properties(
        node_id=9001, port=20001, data=Path("data"), voters={9001: 20001}, profile=profile("lab")
    )
    assert not {"controlled.shutdown.max.retries", "zookeeper.session.timeout.ms"} & set(settings)
    assert settings["min.insync.replicas"] == "2"


def test_a_formatted_folder_names_cluster_and_node(tmp_path: Path) -> None:
    cluster = new_id()
    format_folder(tmp_path, cluster_id=cluster, node_id=7)
    written = (tmp_path / "meta.properties").read_text()
    assert f"cluster.id={cluster}\n" in written
    assert "node.id=7\n" in written
