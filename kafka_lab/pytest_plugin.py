"""pytest fixtures for tests that need a real Kafka cluster, and one that can be broken.

pytest finds this module by itself once kafka-lab is installed. Nothing is imported or started before a test
asks for a fixture.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kafka_lab.control import Owner
    from kafka_lab.lab import Lab

__all__ = ["kafka_cluster", "kafka_cluster_factory", "kafka_faults", "kafka_topic", "tell_if_it_fails"]

_MARK = (
    "kafka(brokers=3, mode='zookeeper', profile='fast', links=False, ...): the cluster that the test's "
    "kafka_cluster is, by kafka_lab.Lab's arguments"
)
_LAST_EVENTS = 20
_LAST_LINES = 5
#: A test's clusters, each with where its timeline was then.
_LABS: pytest.StashKey[list[tuple[Lab, int]]] = pytest.StashKey()


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
        "--kafka-keep",
        action="store_true",
        help="leave the clusters running, and use those that an earlier run left (kafka-lab down ends them)",
    )
    group.addoption(
        "--kafka-shared",
        action="store_true",
        help="with pytest-xdist: one cluster for all workers, instead of one each",
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
        self._keep: bool = config.getoption("--kafka-keep")
        worker = getattr(config, "workerinput", {}).get("workerid", "master")
        self._kept_for = None if config.getoption("--kafka-shared") else worker  # they do not share one
        self._shared_until = _controller_of(config) if config.getoption("--kafka-shared") else None
        self._defaults = {
            "brokers": config.getoption("--kafka-brokers"),
            "profile": config.getoption("--kafka-profile"),
            "links": False,
        }
        self._labs: dict[str, Lab] = {}
        self._open = ExitStack()

    def get(self, wanted: dict[str, object]) -> Lab:
        """Return the running lab of a kind, started at the first call."""
        settings = {**self._defaults, **wanted}
        kind = json.dumps(settings, sort_keys=True, default=repr)
        if kind not in self._labs:
            own = self._shared_until is None and not self._keep
            lab = _new_lab(settings).start() if own else self._in_background(settings)
            self._open.callback(lab.close)
            self._labs[kind] = lab
        return self._labs[kind]

    def _in_background(self, settings: dict[str, Any]) -> Lab:
        """Join a cluster of this kind that runs in the background, or start it there."""
        from kafka_lab.background import start
        from kafka_lab.cluster.distribution import cache_folder
        from kafka_lab.control import PROTOCOL, owners
        from kafka_lab.lab import Lab
        from kafka_lab.progress import silent

        wanted = {"settings": settings, "until": self._shared_until, "kept_for": self._kept_for}
        with (cache_folder() / "pytest.lock").open("w") as lock:  # of several workers one starts it
            fcntl.flock(lock, fcntl.LOCK_EX)
            wanted_now = {"up": wanted, "protocol": PROTOCOL}
            told = ((owner, owner.told()) for owner in owners())
            fitting = (owner for owner, now in told if wanted_now.items() <= now.items())
            kept = next(filter(self._take, fitting), None)
            owner = kept or start(settings, silent, until=self._shared_until, kept_for=self._kept_for)
            if kept is None:
                self._take(owner)
        lab = Lab.join(owner.name)
        if kept and self._shared_until is None:
            lab.reset()  # what the earlier run left
        return lab

    def _take(self, owner: Owner) -> bool:
        """Take a kept cluster for this session, and return False if another session has it just now."""
        if self._shared_until is not None:
            return True
        lock = self._open.enter_context((owner.folder / "pytest.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the end of the session
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Stop them all."""
        self._open.close()


def _controller_of(config: pytest.Config) -> int:
    """Return the process that started this run: under pytest-xdist the parent of its workers."""
    return os.getppid() if hasattr(config, "workerinput") else os.getpid()


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

    ``@pytest.mark.kafka(brokers=, mode=, profile=, links=)`` asks for one of another kind, the session's too.
    Any Kafka client can use it: ``kafka_cluster.bootstrap_servers``.
    """
    mark = request.node.get_closest_marker("kafka")
    lab = _kafka_clusters.get(dict(mark.kwargs) if mark else {})
    tell_if_it_fails(request.node, lab)
    return lab


@pytest.fixture
def kafka_cluster_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Lab]]:
    """Start other clusters, for this test alone: ``kafka_cluster_factory(brokers=1)``; closed after it."""
    with ExitStack() as opened:

        def start(**settings: Any) -> Lab:  # noqa: ANN401 - Lab's
            lab = opened.enter_context(_new_lab(settings))
            tell_if_it_fails(request.node, lab)
            return lab

        yield start


@pytest.fixture
def kafka_topic(kafka_cluster: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make a topic of three partitions on ``kafka_cluster``, named after the test and removed after it.

    The next test does not wait until the brokers are done with that; its topic has another name.
    """
    stem = re.sub(r"[^\w.-]+", "-", request.node.name, flags=re.ASCII)[:200]
    topics = kafka_cluster.state.topics
    name = next(name for n in range(len(topics) + 1) if (name := f"{stem}-{n}" if n else stem) not in topics)
    kafka_cluster.create_topic(name, partitions=3)
    yield name
    kafka_cluster.heal_all()  # a topic goes when all its replicas can
    if name in kafka_cluster.state.topics:  # the test did not delete it itself
        kafka_cluster.delete_topic(name, wait=False)


@pytest.fixture
def kafka_faults(kafka_cluster: Lab) -> Iterator[Lab]:
    """Yield ``kafka_cluster``, to be broken: after the test all is healed, or it fails."""
    yield kafka_cluster
    kafka_cluster.heal_all()


def tell_if_it_fails(test: pytest.Item, lab: Lab) -> None:
    """Let a test's report say what happens in a lab from now on, if it fails; for fixtures of your own.

    Parameters
    ----------
    test : pytest.Item
        ``request.node`` of a fixture of one test.
    lab : Lab
        A running lab.
    """
    test.stash.setdefault(_LABS, []).append((lab, len(lab.timeline)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the cluster did when a test fails."""
    report = yield
    if report.failed and _LABS in item.stash:
        folder = item.config.getoption("--kafka-record")
        labs = item.stash[_LABS]
        for number, (lab, begin) in enumerate(labs):
            report.sections.append(("Kafka timeline", _last_events(lab, begin)))
            report.sections.append(("Kafka logs", _last_lines(lab)))
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                name = re.sub(r"[^\w.-]+", "-", item.nodeid, flags=re.ASCII)
                lab.timeline.save(folder / f"{name}-{call.when}{f'-{number}' if number else ''}.jsonl")
    return report


def _last_events(lab: Lab, begin: int) -> str:
    from kafka_lab.events import HighWatermarkMoved, MetadataChanged, ReplicaDistanceChanged
    from kafka_lab.timeline import describe

    polled = (HighWatermarkMoved, MetadataChanged, ReplicaDistanceChanged)  # many, and they tell little
    events = [event for event in lab.timeline.since(begin) if not isinstance(event, polled)]
    return "\n".join(map(describe, events[-_LAST_EVENTS:])) or "nothing happened"


def _last_lines(lab: Lab) -> str:
    from kafka_lab.errors import KafkaLabError

    try:
        logs = {name: lab.log(name) for name in lab.state.nodes}
    except KafkaLabError as error:  # the test closed it, or its owner has ended
        return f"no logs: {error}"
    return "\n".join(
        f"{name}: {line}" for name, log in logs.items() for line in log.splitlines()[-_LAST_LINES:]
    )
