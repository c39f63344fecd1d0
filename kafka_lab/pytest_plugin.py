"""pytest fixtures for tests that need a real Kafka cluster, and one that can be broken.

pytest finds this module by itself once kafka-lab is installed. Nothing is imported or started before a test
asks for a fixture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kafka_lab.lab import Lab

__all__ = ["kafka_cluster", "kafka_cluster_factory", "kafka_faults", "kafka_topic"]

_MARK = "kafka(brokers=3, profile='fast', links=False): the cluster that the test's kafka_cluster is"
_LAST_EVENTS = 20
_LAST_LINES = 5
_LAB: pytest.StashKey[tuple[Lab, int]] = (
    pytest.StashKey()
)  # a test's cluster, and where its timeline was then


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("kafka", "real Kafka clusters (kafka-lab)")
    group.addoption("--kafka-brokers", type=int, default=3, help="brokers of kafka_cluster (default: 3)")
    group.addoption(
        "--kafka-profile",
        default="fast",
        help="how fast kafka_cluster notices failures: fast (default), lab, kafka-defaults, fragile",
    )
    group.addoption(
        "--kafka-record", type=Path, metavar="DIR", help="write the timeline of each failing test to DIR"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", _MARK)


class _Clusters:
    """The clusters of a session, one for each kind that is asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self._defaults = {
            "brokers": config.getoption("--kafka-brokers"),
            "profile": config.getoption("--kafka-profile"),
            "links": False,
        }
        self._labs: dict[tuple[tuple[str, object], ...], Lab] = {}
        self._open = ExitStack()

    def get(self, wanted: dict[str, object]) -> Lab:
        """Return the running lab of a kind, started at the first call."""
        settings = {**self._defaults, **wanted}
        kind = tuple(sorted(settings.items()))
        if kind not in self._labs:
            self._labs[kind] = self._open.enter_context(_new_lab(settings))
        return self._labs[kind]

    def close(self) -> None:
        """Stop them all."""
        self._open.close()


def _new_lab(settings: dict[str, Any]) -> Lab:
    from kafka_lab.lab import Lab

    return Lab(**settings)


@pytest.fixture(scope="session")
def _kafka_clusters(pytestconfig: pytest.Config) -> Iterator[_Clusters]:
    clusters = _Clusters(pytestconfig)
    yield clusters
    clusters.close()


@pytest.fixture
def kafka_cluster(request: pytest.FixtureRequest, _kafka_clusters: _Clusters) -> Lab:
    """Return the session's running cluster, a :class:`kafka_lab.Lab`.

    ``@pytest.mark.kafka(brokers=, profile=, links=)`` asks for one of another kind, the session's too. Any
    Kafka client can use it: ``kafka_cluster.bootstrap_servers``.
    """
    mark = request.node.get_closest_marker("kafka")
    lab = _kafka_clusters.get(dict(mark.kwargs) if mark else {})
    request.node.stash[_LAB] = (lab, len(lab.timeline))
    return lab


@pytest.fixture
def kafka_cluster_factory() -> Iterator[Callable[..., Lab]]:
    """Start other clusters, for this test alone: ``kafka_cluster_factory(brokers=1)``; closed after it."""
    with ExitStack() as opened:
        yield lambda **settings: opened.enter_context(_new_lab(settings))


@pytest.fixture
def kafka_topic(kafka_cluster: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make a topic of three partitions on ``kafka_cluster``, named after the test and removed after it."""
    stem = re.sub(r"[^\w.-]+", "-", request.node.name, flags=re.ASCII)[:200]
    topics = kafka_cluster.state.topics
    name = next(name for n in range(len(topics) + 1) if (name := f"{stem}-{n}" if n else stem) not in topics)
    kafka_cluster.create_topic(name, partitions=3)
    yield name
    kafka_cluster.heal_all()  # a topic goes when all its replicas can
    kafka_cluster.delete_topic(name)


@pytest.fixture
def kafka_faults(kafka_cluster: Lab) -> Iterator[Lab]:
    """Yield ``kafka_cluster``, to be broken: after the test all is healed, or it fails."""
    yield kafka_cluster
    kafka_cluster.heal_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the cluster did when a test fails."""
    report = yield
    if report.failed and _LAB in item.stash:
        lab, begin = item.stash[_LAB]
        report.sections.append(("Kafka timeline", _last_events(lab, begin)))
        report.sections.append(("Kafka logs", _last_lines(lab)))
        folder = item.config.getoption("--kafka-record")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^\w.-]+", "-", item.nodeid, flags=re.ASCII)
            lab.timeline.save(folder / f"{name}-{call.when}.jsonl")
    return report


def _last_events(lab: Lab, begin: int) -> str:
    from kafka_lab.timeline import describe

    return "\n".join(map(describe, lab.timeline.since(begin)[-_LAST_EVENTS:])) or "nothing happened"


def _last_lines(lab: Lab) -> str:
    return "\n".join(
        f"{name}: {line}" for name in lab.state.nodes for line in lab.log(name).splitlines()[-_LAST_LINES:]
    )
