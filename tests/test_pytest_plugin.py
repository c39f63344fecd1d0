"""The plugin in projects of its users, each in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"

pytest_plugins = ["pytester"]


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

        seen = []

        def test_a_topic_of_its_own(kafka_cluster, kafka_topic):
            with KafkaProducer(bootstrap_servers=kafka_cluster.bootstrap_servers) as producer:
                producer.send(kafka_topic, b"x").get(10)
            seen.append((kafka_cluster, kafka_topic))

        def test_the_same_cluster_without_the_topic(kafka_cluster):
            assert seen[0][0] is kafka_cluster
            assert seen[0][1] not in kafka_cluster.state.topics

        @pytest.mark.kafka(brokers=1, profile="lab")
        def test_another_kind(kafka_cluster):
            assert kafka_cluster.brokers == ("broker-1",)

        def test_one_more(kafka_cluster_factory):
            assert kafka_cluster_factory(brokers=1).brokers == ("broker-1",)

        def test_a_broken_cluster_fails_loudly(kafka_faults, kafka_topic):
            kafka_faults.kill("broker-1", skip_wait=True)
            assert False, "on purpose"

        def test_it_is_whole_again(kafka_cluster):
            assert all(node.running for node in kafka_cluster.state.nodes.values())
    """)
    result = run(pytester, "--kafka-record", "timelines", "--kafka-brokers", "2")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines([
        "*Kafka timeline*",
        "*FaultStarted broker-1*",
        "*Kafka logs*",
        "broker-2: *",
    ])
    (recorded,) = (pytester.path / "timelines").iterdir()
    assert "test_a_broken_cluster_fails_loudly" in recorded.name
