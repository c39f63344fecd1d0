"""A real cluster, as a person uses it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from kafka.errors import KafkaError

from kafka_lab import BrokerLost, BrokerRegistered, IsrExpanded, Lab, LeaderChanged, Replay
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import ClosedError, ConfigurationError, FaultError, WaitTimeoutError
from kafka_lab.events import FaultEnded, FaultStarted, NodeExited, RecordRead

jvm = pytest.mark.jvm


@pytest.mark.parametrize("brokers", [0, 10, -1, 2.0, "3", True, None])
def test_a_number_of_brokers_that_makes_no_sense(brokers: object) -> None:
    with pytest.raises(ConfigurationError, match="1 to 9"):
        Lab(brokers=brokers)  # type: ignore[arg-type]


def test_an_unknown_profile_names_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="lab, fast, kafka-defaults, fragile"):
        Lab(profile="default")


def test_before_the_start_it_says_what_to_do() -> None:
    lab = Lab()
    assert lab.brokers == ("broker-1", "broker-2", "broker-3")
    with pytest.raises(ClosedError, match=r"call start\(\)"):
        _ = lab.bootstrap_servers
    with pytest.raises(ClosedError, match=r"call start\(\)"):
        lab.leader_of("chat", 0)
    with pytest.raises(ClosedError, match=r"call start\(\)"):
        lab.wait_for(BrokerLost)
    with pytest.raises(ClosedError, match=r"call start\(\)"):
        lab.order("chat")
    assert "not started" in repr(lab)
    assert "not started" in lab._repr_html_()
    lab.close()


@jvm
def test_everything_is_there(lab: Lab) -> None:
    assert len(lab.bootstrap_servers) == 3
    assert lab.controller() in lab.brokers
    assert sorted(lab.zookeeper().get_children("/brokers/ids")) == ["1", "2", "3"]
    for row in lab.nodes().rows:
        name, role, port, pid, state, _ = row
        process = psutil.Process(int(pid))
        assert role in name
        assert state.startswith("running")
        listening = [c.laddr.ip for c in process.net_connections("tcp") if c.status == "LISTEN"]
        assert listening
        assert all(ip in {"127.0.0.1", "::ffff:127.0.0.1"} for ip in listening)
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10):
            pass
    assert "<table>" in lab._repr_html_()


def described(lab: Lab, topic: str) -> dict[int, tuple[str | None, set[str]]]:
    """Leader and ISR of each partition, as Kafka's own tool has them from the brokers."""
    text = lab.tool("topics", "--describe", "--topic", topic)
    found = re.findall(r"Partition: (\d+)\s+Leader: (\S+)\s+Replicas: \S+\s+Isr: (\S*)", text)
    return {
        int(number): (
            None if leader == "none" else f"broker-{leader}",
            {f"broker-{name}" for name in isr.split(",")},
        )
        for number, leader, isr in found
    }


def known(lab: Lab, topic: str) -> dict[int, tuple[str | None, set[str]]]:
    return {
        number: (lab.leader_of(topic, number), set(lab.isr_of(topic, number)))
        for number in lab.state.topics[topic]
    }


@jvm
def test_kafkas_own_tool_says_the_same_before_and_after_a_kill(lab: Lab, topic: str) -> None:
    assert described(lab, topic) == known(lab, topic)
    victim = lab.leader_of(topic, 0)
    assert victim is not None
    lab.kill(victim)
    lab.wait_for(LeaderChanged, topic=topic, partition=0)
    lab.timeline.wait_until(
        lambda: all(victim not in isr for _, isr in known(lab, topic).values()) or None,
        timeout_s=30,
        expected="the ISRs without the victim",
    )
    assert described(lab, topic) == known(lab, topic)
    lab.restart(victim)
    lab.wait_for(IsrExpanded, topic=topic, partition=0)
    lab.timeline.wait_until(
        lambda: all(len(isr) == 3 for _, isr in known(lab, topic).values()) or None,
        timeout_s=30,
        expected="full ISRs",
    )
    assert described(lab, topic) == known(lab, topic)


@jvm
def test_what_a_kill_leaves_on_the_timeline(lab: Lab) -> None:
    node = lab.state.nodes["broker-2"]
    begin = len(lab.timeline)
    lab.kill("broker-2")
    assert not psutil.pid_exists(node.pid)
    lost = lab.wait_for(BrokerLost, node="broker-2")
    exited = lab.timeline.find(NodeExited, since=begin, node="broker-2")
    started = lab.timeline.find(FaultStarted, since=begin, node="broker-2")
    assert started
    assert exited
    assert started.at_s <= exited.at_s < lost.at_s
    assert exited.exit_code == -9
    assert exited.expected
    with pytest.raises(FaultError, match="down already"):
        lab.kill("broker-2")
    lab.restart("broker-2")
    assert lab.wait_for(BrokerRegistered, node="broker-2").seq > lost.seq
    assert lab.wait_for(FaultEnded, node="broker-2").fault == "kill"
    assert lab.state.nodes["broker-2"].port == node.port
    assert lab.state.nodes["broker-2"].pid != node.pid


@jvm
def test_restarting_at_once_waits_for_the_old_session(lab: Lab) -> None:
    lab.kill("broker-3")
    lab.restart("broker-3")
    assert lab.state.nodes["broker-3"].registered


@jvm
def test_messages_survive_a_kill_of_their_leader(lab: Lab, topic: str) -> None:
    producer = lab.producer()
    for number in range(30):
        producer.send(topic, str(number).encode()).get(30)
    victim = lab.leader_of(topic, 0)
    assert victim
    lab.kill(victim)
    for number in range(30, 60):
        producer.send(topic, str(number).encode()).get(30)
    values = [int(record.value) for record in lab.read(topic)]
    assert sorted(values) == list(range(60))


@jvm
def test_zookeeper_can_be_killed_and_comes_back(lab: Lab, topic: str) -> None:
    lab.kill("zookeeper-1")
    lab.restart("zookeeper-1")
    victim = lab.leader_of(topic, 0)
    assert victim
    lab.kill(victim)
    assert lab.wait_for(LeaderChanged, topic=topic, partition=0).previous == victim


@jvm
def test_a_broker_killed_from_outside_is_noticed(lab: Lab) -> None:
    begin = len(lab.timeline)
    psutil.Process(lab.state.nodes["broker-1"].pid).kill()
    exited = lab.wait_for(NodeExited, node="broker-1", since=begin)
    assert not exited.expected
    assert exited.exit_code == -9
    lab.restart("broker-1")


@jvm
def test_unknown_names_name_the_valid_ones(lab: Lab, topic: str) -> None:
    for act in (lab.kill, lab.restart, lab.data_folder):
        with pytest.raises(ConfigurationError, match="zookeeper-1, broker-1, broker-2, broker-3"):
            act("broker-4")
    with pytest.raises(ConfigurationError, match=topic):
        lab.leader_of("no-such-topic", 0)
    with pytest.raises(ConfigurationError, match="0, 1, 2"):
        lab.isr_of(topic, 3)
    with pytest.raises(ConfigurationError, match=topic):
        lab.read("no-such-topic")
    with pytest.raises(ConfigurationError, match="consumer-groups"):
        lab.tool("consumer-group")
    with pytest.raises(ConfigurationError, match="kafka-topics refused"):
        lab.tool("topics", "--no-such-option")
    with pytest.raises(FaultError, match="nothing to restart"):
        lab.restart("broker-1")


@jvm
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"topic": ""}, "topic is ''"),
        ({"topic": "a/b"}, "letters, digits"),
        ({"topic": ".."}, "letters, digits"),
        ({"topic": "a" * 250}, "1 to 249"),
        ({"topic": "__consumer_offsets"}, "already"),
        ({"topic": "new", "partitions": 0}, "partitions is 0"),
        ({"topic": "new", "replication_factor": 4}, "1 to 3"),
        ({"topic": "new", "config": {"no.such.key": "1"}}, "no.such.key"),
        ({"topic": "new", "config": {"min.insync.replicas": "many"}}, "min.insync.replicas"),
    ],
)
def test_a_topic_that_cannot_be(lab: Lab, arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        lab.create_topic(**arguments)  # type: ignore[arg-type]
    assert "new" not in lab.state.topics


@jvm
def test_a_refused_act_hides_nothing(lab: Lab, topic: str) -> None:
    lab.kill("broker-1", skip_wait=True)
    with pytest.raises(ConfigurationError, match="already"):
        lab.create_topic(topic)
    with pytest.raises(FaultError, match="down already"):
        lab.kill("broker-1")
    assert lab.wait_for(BrokerLost, node="broker-1", timeout_s=1)


@jvm
def test_a_misspelt_topic_is_no_new_topic(lab: Lab, topic: str) -> None:
    with pytest.raises(ConfigurationError, match=topic):
        lab.order("typo")
    with pytest.raises(KafkaError):
        lab.producer(max_block_ms=500).send("typo", b"x").get(5)
    assert "typo" not in lab.state.topics


@jvm
def test_openim_is_one_for_all_threads() -> None:
    with Lab(brokers=1) as lab, ThreadPoolExecutor(4) as pool:
        assert len({id(openim) for openim in pool.map(lambda _: lab.openim(), range(4))}) == 1


@jvm
def test_without_zookeeper_its_client_says_so(lab: Lab) -> None:
    lab.kill("zookeeper-1")
    with pytest.raises(WaitTimeoutError, match="ZooKeeper"):
        lab.zookeeper()


@jvm
def test_a_client_that_never_finishes_its_request_does_not_hold_the_lab_open() -> None:
    with Lab(brokers=1) as lab:
        host, port = lab.openim().url.removeprefix("http://").split(":")
        link = socket.create_connection((host, int(port)), timeout=30)
        link.sendall(b"POST /manager/send_msg HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        begin = time.monotonic()
    assert time.monotonic() - begin < 20
    link.close()


@jvm
def test_an_interrupted_close_can_be_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(brokers=1).start()
    pids = [node.pid for node in lab.state.nodes.values()]
    folder = lab.data_folder("broker-1").parent

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalCluster, "stop_node", interrupt)
        with pytest.raises(KeyboardInterrupt):
            lab.close()
    lab.close()
    assert not any(map(psutil.pid_exists, pids))
    assert not folder.exists()


@jvm
def test_a_program_that_ends_without_closing_ends(tmp_path: Path) -> None:
    """Even when ZooKeeper is dead, for which kazoo would wait."""
    program = tmp_path / "program.py"
    program.write_text(
        "from kafka_lab import Lab\n"
        "lab = Lab(brokers=1).start()\n"
        "lab.openim()\n"
        "print(*[node.pid for node in lab.state.nodes.values()])\n"
        "lab.kill('zookeeper-1')\n"
        "lab.kill('broker-1')\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120, check=True)
    assert not any(psutil.pid_exists(int(pid)) for pid in done.stdout.split())


@jvm
def test_waiting_in_vain_tells_what_happened_instead(lab: Lab, topic: str) -> None:
    with pytest.raises(WaitTimeoutError, match=topic):
        lab.wait_for(BrokerLost, node="broker-1", timeout_s=0.1)


@jvm
def test_a_consumer_group_reads_what_a_producer_sent(lab: Lab, topic: str) -> None:
    lab.producer(client_id="anna").send(topic, b"value", key=b"key").get(30)
    consumer = lab.consumer(topic, group_id="readers", client_id="ben")
    record = next(iter(consumer))
    consumer.commit()
    consumer.close()
    assert (record.key, record.value) == (b"key", b"value")
    assert lab.timeline.find(RecordRead, topic=topic, reader="ben") is not None
    groups = lab.tool("consumer-groups", "--describe", "--group", "readers")
    assert topic in groups
    graph = lab.order(topic).graph()
    assert [data["stream"] for _, data in graph.nodes(data=True)] == ["key"]


@jvm
def test_the_kafka_defaults_profile_and_a_single_broker() -> None:
    begin = time.monotonic()
    with Lab(brokers=1, profile="kafka-defaults") as lab:
        lab.create_topic("chat")
        assert lab.leader_of("chat", 0) == "broker-1"
        lab.producer().send("chat", b"alone").get(30)
        assert [record.value for record in lab.read("chat")] == [b"alone"]
        pids = [node.pid for node in lab.state.nodes.values()]
        folder = lab.data_folder("broker-1").parent
    assert not any(map(psutil.pid_exists, pids))
    assert not folder.exists()
    assert "closed" in repr(lab)
    assert len(lab.topology().graph()) > 0
    with pytest.raises(ClosedError, match="make a new one"):
        lab.start()
    with pytest.raises(ClosedError, match="closed"):
        lab.producer()
    assert lab.timeline.now_s() <= time.monotonic() - begin


@jvm
def test_closing_twice_and_closing_what_is_half_dead() -> None:
    lab = Lab(brokers=2).start()
    pids = [node.pid for node in lab.state.nodes.values()]
    lab.openim().send("ada", "hello")
    lab.kill("zookeeper-1")
    lab.kill("broker-1")
    lab.close()
    lab.close()
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_recording_on_a_full_disk_is_said_and_keeps_no_cluster() -> None:
    lab = Lab(brokers=1, profile="fast").start()
    lab.record("/dev/full")
    folder = lab.data_folder("broker-1").parent
    pids = [node.pid for node in lab.state.nodes.values()]
    with pytest.raises(ExceptionGroup) as caught:
        lab.close()
    assert caught.group_contains(OSError, match="No space left")
    assert not any(map(psutil.pid_exists, pids))
    assert not folder.exists()
    lab.close()


def test_a_recording_goes_on_until_the_end(tmp_path: Path) -> None:
    with Lab(brokers=1, profile="fast") as lab:
        lab.record(tmp_path / "lesson.jsonl")
        with pytest.raises(ConfigurationError, match="being recorded already"):
            lab.record(tmp_path / "other.jsonl")
        lab.create_topic("chat")
    assert list(Replay(tmp_path / "lesson.jsonl").timeline) == list(lab.timeline)
    lab.stop_recording()
