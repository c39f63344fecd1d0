"""Which jars a version of Kafka consists of: named with their SHA-256 in lock files.

The versions that the lab uses by itself have lock files inside this package. For any other, jgo resolves the
jars from Maven Central once, and their lock file is kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from kafka_lab.errors import ConfigurationError, DistributionError

__all__ = ["KRAFT_VERSION", "LOCKED", "ZOOKEEPER_VERSION", "Jar", "check_version", "jars_of", "sha256_of"]

ZOOKEEPER_VERSION = "3.9.2"
KRAFT_VERSION = "4.3.1"
LOCKED = (ZOOKEEPER_VERSION, KRAFT_VERSION)
_LOGGING = {
    3: "ch.qos.reload4j:reload4j:1.2.25+org.slf4j:slf4j-reload4j:1.7.36",
    4: "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
}
_TOOLS = """
[[dependencies]]
groupId = "org.apache.kafka"
artifactId = "kafka-tools"
version = "{version}"
packaging = "jar"
sha256 = "{sha256}"
"""
_OLDEST = (3, 7)  # earlier ones do not know the settings of the lab's profiles


@dataclass(frozen=True)
class Jar:
    """One file of the distribution, by its Maven coordinates and its checksum."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its path in a Maven repository, relative to the top."""
        return Path(
            *self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar"
        )


def check_version(version: str, mode: str) -> None:
    """Refuse a version of Kafka that has no such mode.

    ZooKeeper mode ended with Kafka 4.0 (KIP-833); here it means 3.7 to 3.9, and KRaft 4.0 and newer.

    Raises
    ------
    ConfigurationError
        It is no version, too old, or lacks the mode.

    Examples
    --------
    >>> check_version("3.9.2", "zookeeper")
    >>> check_version("4.3.1", "zookeeper")
    Traceback (most recent call last):
    ...
    kafka_lab.errors.ConfigurationError: Kafka 4.3.1 has no ZooKeeper mode ...
    """
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if found is None:
        raise ConfigurationError(f"kafka is {version!r}; expected a version such as {' or '.join(LOCKED)!r}")
    number = int(found[1]), int(found[2])
    if number < _OLDEST:
        raise ConfigurationError(f"Kafka {version} is too old for the lab; expected 3.7.0 or newer")
    if mode == "zookeeper" and number >= (4, 0):
        raise ConfigurationError(
            f"Kafka {version} has no ZooKeeper mode (4.0 removed it): choose 3.7 to 3.9, or mode='kraft'"
        )
    if mode == "kraft" and number < (4, 0):
        raise ConfigurationError(
            f"in mode 'kraft' the lab runs Kafka 4.0 and newer, not {version}: leave out kafka, or mode"
        )


def jars_of(version: str, locks: Path) -> list[Jar]:
    """Return what the version's lock file names; make one in the folder ``locks`` if there is none.

    Raises
    ------
    DistributionError
        There is no such version, or Maven Central is out of reach.
    """
    if version in LOCKED:
        text = (resources.files("kafka_lab") / "data" / f"kafka-{version}.lock.toml").read_text("utf-8")
    else:
        file = locks / f"kafka-{version}.lock.toml"
        if not file.exists():
            lock = _resolve(version)
            locks.mkdir(mode=0o700, exist_ok=True)
            new = file.with_suffix(f".{os.getpid()}")
            new.write_text(lock, encoding="utf-8")
            new.replace(file)  # whole, or not there
        text = file.read_text("utf-8")
    locked = tomllib.loads(text)["dependencies"]
    return [Jar(d["groupId"], d["artifactId"], d["version"], d["sha256"]) for d in locked]


def sha256_of(path: Path) -> str | None:
    """Return a file's SHA-256, or None if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _resolve(version: str) -> str:
    """Return a lock file for a version: its jars, a logger for them, and the command-line tools' one jar.

    Raises
    ------
    DistributionError
        It does not resolve.
    """
    from jgo.env import EnvironmentBuilder  # slow to import, and seldom needed
    from jgo.maven import MavenContext

    # Clients are named too: a bill of materials in a dependency's POM makes jgo 3.2 choose older ones.
    logging = _LOGGING[min(4, int(version.split(".")[0]))]
    wanted = f"org.apache.kafka:kafka_2.13:{version}+org.apache.kafka:kafka-clients:{version}+{logging}"
    with tempfile.TemporaryDirectory(prefix="kafka-lab-") as folder:
        try:
            central = MavenContext(repo_cache=Path(folder, "jars"), local_repos=[])
            environment = EnvironmentBuilder(central, Path(folder, "environments")).from_endpoint(wanted)
            lock = environment.lock_path.read_text("utf-8")
            tools = central.project("org.apache.kafka", "kafka-tools")
            digest = sha256_of(tools.at_version(version).artifact().resolve())
        except (OSError, RuntimeError, ValueError) as error:
            raise DistributionError(
                f"Kafka {version} cannot be had from Maven Central: {type(error).__name__}: {error}\n"
                f"Is there such a version, and a network? Without one only {' and '.join(LOCKED)} work."
            ) from error
    return lock + _TOOLS.format(version=version, sha256=digest)
