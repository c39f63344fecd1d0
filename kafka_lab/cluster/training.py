"""Ahead-of-time caches, with which the JVMs start in about half the time.

A JDK 25 can write what it learned in one run (JEP 483, JEP 514: ``-XX:AOTCacheOutput``) and begin the next
with it (``-XX:AOTCache``). The caches are made once, by running a small cluster, and kept in the user's
cache folder per Java, jars and options. Without them everything works as well, only slower.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from kafka_lab.cluster.config import profile
from kafka_lab.cluster.distribution import Distribution, cache_folder
from kafka_lab.cluster.local import JAVA_OPTIONS, LocalCluster
from kafka_lab.cluster.shape import shape
from kafka_lab.errors import KafkaLabError
from kafka_lab.progress import Report, silent
from kafka_lab.timeline import Timeline

__all__ = ["java_options"]

OLDEST_JAVA = 25
_KEPT = 2  # caches of other Javas, jars or options that stay: about 80 MB each
_WAIT_S = 60
_log = logging.getLogger(__name__)


def java_options(distribution: Distribution, report: Report = silent) -> Mapping[str, Sequence[str]]:
    """Return the options, by role, that let JVMs start from their caches; make the caches if need be.

    When they cannot be made, a warning is logged, the options are empty, and no further try is made (unless
    it was the disk that failed).
    """
    if distribution.java.version < OLDEST_JAVA:
        return {}
    key = hashlib.sha256(f"{distribution.fingerprint} {JAVA_OPTIONS}".encode()).hexdigest()[:16]
    folder = cache_folder() / "aot" / key
    if not folder.exists():
        report("Preparing a fast start (once)", 0, 0)
        _make(folder, distribution)
    options = {role: [f"-XX:AOTCache={path}"] for role, path in _files(folder).items() if path.exists()}
    return {"controller": options.get("broker", []), **options}  # a combined node was trained: it is both


def _files(folder: Path) -> dict[str, Path]:
    return {role: folder / f"{role}.aot" for role in ("zookeeper", "broker")}


def _make(folder: Path, distribution: Distribution) -> None:
    """Run a cluster that writes its caches; they appear in ``folder`` together, or it stays empty."""
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    try:
        try:
            _train(new, distribution)
        except (KafkaLabError, KafkaError) as error:
            _log.warning("the JVMs will start without caches: making them failed: %s", error)
            for path in new.iterdir():
                path.unlink()
        new.rename(folder)
        _remove_old(folder)
    except OSError as error:  # a full disk; or another process made it meanwhile
        _log.warning("the JVMs start without caches this time: %s", error)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _train(folder: Path, distribution: Distribution) -> None:
    """Let ZooKeeper and one broker do what they do in a lab, and stop in order: that writes the caches.

    Raises
    ------
    KafkaLabError
        The cluster did not start or did not work.
    """
    options = {role: [f"-XX:AOTCacheOutput={path}"] for role, path in _files(folder).items()}
    mode = "zookeeper" if distribution.kafka < "4" else "kraft"
    cluster = LocalCluster(
        Timeline(),
        distribution,
        shape=shape(brokers=1, mode=mode, kafka=distribution.kafka),
        profile=profile("lab"),
        java_options=options,
    )
    try:
        cluster.start(_WAIT_S)
        cluster.wait_until_answers("broker-1", _WAIT_S)
        _exchange_messages(cluster)
        for name in reversed(cluster.nodes):
            cluster.stop_node(name, timeout_s=_WAIT_S)
    finally:
        cluster.close()


def _exchange_messages(cluster: LocalCluster) -> None:
    settings = {"bootstrap_servers": cluster.bootstrap_servers, "reconnect_backoff_max_ms": 200}
    with KafkaAdminClient(**settings) as admin:
        admin.create_topics({"training": {"num_partitions": 1, "replication_factor": 1}})
    with KafkaProducer(**settings) as producer:
        producer.send("training", b"message").get(_WAIT_S)
    consumer = KafkaConsumer("training", group_id="training", auto_offset_reset="earliest", **settings)
    with consumer:
        consumer.poll(_WAIT_S * 1000)


def _remove_old(newest: Path) -> None:
    others = sorted(
        (path for path in newest.parent.iterdir() if path != newest and "making-" not in path.name),
        key=lambda path: path.stat().st_mtime,
    )
    for path in others[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
