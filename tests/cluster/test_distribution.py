from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from jgo.maven import MavenContext

from kafka_lab.cluster import distribution
from kafka_lab.cluster.jars import ZOOKEEPER_VERSION, jars_of
from kafka_lab.errors import ConfigurationError, DistributionError

SMALL = "audience-annotations"


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jgo ask another registry."""
    real = distribution._registry

    def elsewhere(incoming: Path) -> MavenContext:
        context = real(incoming)
        context.remote_repos = {"test": url}
        return context

    monkeypatch.setattr(distribution, "_registry", elsewhere)


@pytest.fixture
def jar(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[tuple[Path, Path, list[str]]]:
    """A lock of one jar, a registry that has it, and an empty cache: (in registry, in cache, asked)."""
    (locked,) = [jar for jar in jars_of(ZOOKEEPER_VERSION, Path("locks")) if jar.artifact == SMALL]
    registry = cache.parent / "registry"
    (registry / locked.path).parent.mkdir(parents=True)
    (registry / locked.path).write_bytes(b"a small jar")
    locked = replace(locked, sha256=hashlib.sha256(b"a small jar").hexdigest())
    monkeypatch.setattr(distribution, "jars_of", lambda *_: [locked])
    with serving(registry) as (url, asked):
        point_to(url, monkeypatch)
        yield registry / locked.path, cache / "maven" / locked.path, asked


def test_every_jar_is_pinned() -> None:
    jars = jars_of(ZOOKEEPER_VERSION, Path("locks"))
    assert len(jars) > 50
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert {"kafka_2.13", "zookeeper", "kafka-tools"} <= {jar.artifact for jar in jars}


def test_jars_are_downloaded_once_with_progress(jar: tuple[Path, Path, list[str]]) -> None:
    _, cached, asked = jar
    steps: list[tuple[int, int]] = []
    found = distribution.prepare(lambda _, done, total: steps.append((done, total)))
    assert found.jars == (cached,)
    assert cached.read_bytes() == b"a small jar"
    assert steps == [(0, 1), (1, 1)]
    asked.clear()
    assert distribution.prepare() == found
    assert asked == []


def test_a_damaged_jar_in_the_cache_is_replaced(jar: tuple[Path, Path, list[str]]) -> None:
    _, cached, _ = jar
    distribution.prepare()
    cached.write_bytes(b"half a j")
    distribution.prepare()
    assert cached.read_bytes() == b"a small jar"


def test_a_wrong_jar_in_the_registry_is_not_used(jar: tuple[Path, Path, list[str]]) -> None:
    served, cached, _ = jar
    served.write_bytes(b"something else")
    with pytest.raises(DistributionError, match="SHA-256 differs"):
        distribution.prepare()
    assert not cached.exists()
    assert [path.name for path in cached.parents[6].iterdir()] == ["maven"]


def test_no_registry_says_how_to_work_offline(
    jar: tuple[Path, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(DistributionError, match="kafka-lab fetch") as caught:
        distribution.prepare()
    assert str(jar[1].parents[5]) in str(caught.value)


def test_a_full_disk_says_so(jar: tuple[Path, Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(DistributionError, match="no space left"):
        distribution.prepare()
    assert not jar[1].exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_LAB_CACHE", "/proc/kafka-lab")
    with pytest.raises(ConfigurationError, match="KAFKA_LAB_CACHE"):
        distribution.cache_folder()


def test_a_cache_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAFKA_LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigurationError, match="KAFKA_LAB_CACHE"):
        distribution.cache_folder()


@pytest.mark.parametrize("name", ["a,b", "a:b"])
def test_a_cache_whose_path_kafka_would_split(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("KAFKA_LAB_CACHE", str(tmp_path / name))
    with pytest.raises(ConfigurationError, match="separator"):
        distribution.cache_folder()
    assert not (tmp_path / name).exists()


def test_a_relative_cache_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_LAB_CACHE", "mine")
    assert distribution.cache_folder() == tmp_path / "mine"


def fake_java(tmp_path: Path, says: str) -> Path:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    java.chmod(0o755)
    return java


def test_a_system_java_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path, 'openjdk version "21.0.2" 2024-01-16')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert distribution._system_java() == distribution.Java(java, 21)


@pytest.mark.parametrize(
    ("says", "complaint"),
    [('java version "1.8.0_402"', "a Java 8; .* needs 17"), ("what?", "tells no version")],
)
def test_an_unfit_system_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, complaint: str
) -> None:
    fake_java(tmp_path, says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=complaint):
        distribution._system_java()


def test_no_java_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigurationError, match="set JAVA_HOME"):
        distribution._system_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="does not run"):
        distribution._system_java()
