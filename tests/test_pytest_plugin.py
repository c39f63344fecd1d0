"""The plugin in projects of its users, each in a pytest of its own."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kafka_lab.background import end
from kafka_lab.cluster.distribution import cache_folder
from kafka_lab.control import Owner

CACHE = str(cache_folder())
README = Path(__file__).parent.parent / "README.md"

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _cache(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it moves HOME
    """Let the projects use what this machine has downloaded."""
    monkeypatch.setenv("KAFKA_LAB_CACHE", CACHE)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the project's tests, without this project's own settings."""
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=240)


def test_a_project_that_does_not_use_it_pays_nothing() -> None:
    heavy = ["kafka", "kazoo", "networkx", "fastapi", "jupyterlab", "ipywidgets", "anywidget", "psutil"]
    code = f"import sys, kafka_lab.pytest_plugin; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_fixtures_and_options_are_there_without_a_conftest(pytester: pytest.Pytester) -> None:
    told = run(pytester, "--fixtures").stdout.str()
    for name in ("kafka_cluster", "kafka_cluster_factory", "kafka_topic", "kafka_faults"):
        assert name in told
    assert "@pytest.mark.kafka(brokers=3" in run(pytester, "--markers").stdout.str()
    assert "--kafka-record" in run(pytester, "--help").stdout.str()


def test_a_wrong_mark_says_what_is_right(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.kafka(brokers=0)
        def test_it(kafka_cluster): ...
    """)
    result = run(pytester)
    result.assert_outcomes(errors=1)
    assert "expected a whole number from 1 to 9" in result.stdout.str()


@pytest.mark.jvm
def test_the_example_of_the_readme_runs(pytester: pytest.Pytester) -> None:
    blocks = README.read_text(encoding="utf-8").split("```python\n")[1:]
    example = next(block for block in blocks if "kafka_faults" in block).split("```")[0]
    pytester.makepyfile(test_service=example)
    result = run(pytester)
    result.assert_outcomes(passed=example.count("def test_"))


@pytest.mark.jvm
def test_what_the_fixtures_promise(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from kafka import KafkaProducer
        from kafka_lab.events import TopicDeleted

        seen = []

        def test_a_topic_of_its_own(kafka_cluster, kafka_topic):
            with KafkaProducer(bootstrap_servers=kafka_cluster.bootstrap_servers) as producer:
                producer.send(kafka_topic, b"x").get(10)
            seen.append((kafka_cluster, kafka_topic))

        def test_the_same_cluster_without_the_topic(kafka_cluster):
            assert seen[0][0] is kafka_cluster
            assert kafka_cluster.wait_for(TopicDeleted, topic=seen[0][1], since=0)
            assert kafka_cluster.state.topics.keys() <= {"__consumer_offsets"}

        def test_a_topic_that_the_test_deletes_itself(kafka_cluster, kafka_topic):
            kafka_cluster.delete_topic(kafka_topic)

        @pytest.mark.kafka(brokers=1, profile="lab")
        def test_another_kind(kafka_cluster):
            assert kafka_cluster.brokers == ("broker-1",)

        def test_one_more(kafka_cluster_factory):
            assert kafka_cluster_factory(brokers=1).brokers == ("broker-1",)
            assert False, "on purpose, too"

        def test_a_broken_cluster_fails_loudly(kafka_faults, kafka_topic):
            kafka_faults.kill("broker-1", skip_wait=True)
            assert False, "on purpose"

        def test_it_is_whole_again(kafka_cluster):
            assert all(node.running for node in kafka_cluster.state.nodes.values())
    """)
    result = run(pytester, "--kafka-record", "timelines", "--kafka-brokers", "2")
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines([
        "*Kafka timeline*",
        "*FaultStarted broker-1*",
        "*Kafka logs*",
        "broker-2: *",
    ])
    recorded = [re.sub(".*py-|-call.*", "", path.name) for path in (pytester.path / "timelines").iterdir()]
    assert sorted(recorded) == ["test_a_broken_cluster_fails_loudly", "test_one_more"]


@pytest.mark.jvm
def test_the_other_clients_and_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import aiokafka
        import confluent_kafka
        import pytest

        @pytest.mark.asyncio
        async def test_aiokafka(kafka_cluster, kafka_topic):
            servers = ",".join(kafka_cluster.bootstrap_servers)
            async with aiokafka.AIOKafkaProducer(bootstrap_servers=servers) as producer:
                sent = await producer.send_and_wait(kafka_topic, b"x", partition=0)
            assert sent.offset == 0

        @pytest.mark.kafka(mode="kraft")
        def test_confluent(kafka_cluster, kafka_topic):
            servers = ",".join(kafka_cluster.bootstrap_servers)
            producer = confluent_kafka.Producer({"bootstrap.servers": servers})
            producer.produce(kafka_topic, b"x")
            assert producer.flush(20) == 0
            assert len(kafka_cluster.read(kafka_topic)) == 1
    """)
    run(pytester, "--kafka-brokers", "1").assert_outcomes(passed=2)


SPREAD = """
    import os
    import pytest

    @pytest.mark.parametrize("number", range(4))
    def test_it(kafka_cluster, kafka_topic, number):
        with kafka_cluster.producer() as producer:
            producer.send(kafka_topic, b"x").get(20)
        with open("clusters", "a") as file:
            print(kafka_cluster.data_folder("broker-1"), file=file)
"""


@pytest.mark.jvm
@pytest.mark.parametrize(
    ("options", "clusters"),
    [pytest.param((), 2, marks=pytest.mark.soak), (("--kafka-shared",), 1)],
    ids=["each", "shared"],
)
def test_workers_of_xdist(pytester: pytest.Pytester, options: tuple[str, ...], clusters: int) -> None:
    pytester.makepyfile(SPREAD)
    run(pytester, "-n", "2", "--kafka-brokers", "1", *options).assert_outcomes(passed=4)
    used = {Path(line) for line in (pytester.path / "clusters").read_text().splitlines()}
    assert len(used) == clusters
    deadline = time.monotonic() + 20
    while any(path.exists() for path in used) and time.monotonic() < deadline:  # shared: ends with the run
        select.select([], [], [], 0.1)
    assert not [path for path in used if path.exists()]


@pytest.mark.jvm
def test_a_kept_cluster_is_used_again_as_new(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SPREAD)
    try:
        for _ in range(2):
            run(pytester, "--kafka-keep", "--kafka-brokers", "1").assert_outcomes(passed=4)
    finally:
        folders = {Path(line).parent for line in (pytester.path / "clusters").read_text().splitlines()}
        for folder in folders:
            end(Owner(folder))
    assert len(folders) == 1
    assert not any(folder.exists() for folder in folders)
