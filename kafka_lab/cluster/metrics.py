"""Brokers' own metrics: Prometheus's JMX exporter in each JVM, read over loopback."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from kafka_lab.cluster.config import HOST
from kafka_lab.cluster.distribution import cache_folder, fetch_jar
from kafka_lab.cluster.jars import Jar
from kafka_lab.errors import FaultError
from kafka_lab.progress import Report

__all__ = ["Exporter", "read"]

_AGENT = Jar(
    "io.prometheus.jmx",
    "jmx_prometheus_javaagent",
    "1.0.1",
    "7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1",
)
_TIMEOUT_S = 5.0
_MOST_BYTES = 8 * 2**20
_CONFIG = "metrics.yaml"
# MBean names: "Monitoring" in Kafka's documentation.
_RULES = """\
startDelaySeconds: 0
includeObjectNames:
  - "kafka.server:type=ReplicaManager,*"
  - "kafka.server:type=BrokerTopicMetrics,*"
  - "kafka.server:type=KafkaRequestHandlerPool,*"
  - "kafka.controller:*"
  - "kafka.network:type=RequestMetrics,name=TotalTimeMs,*"
rules:
  - pattern: 'kafka.\\w+<type=\\w+, name=(\\w+), request=(\\w+)><>(Count|Mean|9[59]thPercentile|Max)'
    name: kafka_request
    labels: {metric: "$2.$1.$3"}
  - pattern: 'kafka.\\w+<type=\\w+, name=(\\w+)><>(Value)'
    name: kafka_gauge
    labels: {metric: "$1"}
  - pattern: 'kafka.\\w+<type=\\w+, name=(\\w+)><>(Count|Mean|OneMinuteRate|95thPercentile|Max)'
    name: kafka_meter
    labels: {metric: "$1.$2"}
"""
_SCRAPE = """\
scrape_configs:
  - job_name: kafka_lab
    scrape_interval: 5s
    static_configs:
"""


class Exporter:
    """Puts the exporter into JVMs, and says where each is read.

    Parameters
    ----------
    report : callable
        Hears of the download, which happens once.

    Raises
    ------
    DistributionError
        The exporter's jar cannot be had.
    """

    def __init__(self, report: Report) -> None:
        self._jar = fetch_jar(_AGENT, cache_folder() / "maven", report)
        self.ports: dict[str, int] = {}

    def options(self, name: str, port: int, folder: Path) -> list[str]:
        """Return the JVM's option for a node that is to be read on ``port``."""
        config = folder / _CONFIG
        if not config.exists():
            config.write_text(_RULES, encoding="utf-8")
        self.ports[name] = port
        self._write_scrape_config(folder)
        return [f"-javaagent:{self._jar}={HOST}:{port}:{config}"]

    def forget(self, name: str, folder: Path) -> None:
        """Forget a node that is gone."""
        if self.ports.pop(name, None) is not None:
            self._write_scrape_config(folder)

    def _write_scrape_config(self, folder: Path) -> None:
        targets = "".join(
            f'      - {{targets: ["{HOST}:{port}"], labels: {{node: {name}}}}}\n'
            for name, port in self.ports.items()
        )
        (folder / "prometheus.yml").write_text(_SCRAPE + targets, encoding="utf-8")


def read(node: str, port: int) -> Mapping[str, float]:
    """Return a node's metrics by the names of Kafka's documentation.

    Raises
    ------
    FaultError
        It does not answer: it is down or paused.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read(_MOST_BYTES).decode()
    except OSError as error:
        raise FaultError(f"{node} does not tell its metrics ({error}): is it down or paused?") from error
    finally:
        connection.close()
    return {
        sample.labels["metric"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("kafka_") and "metric" in sample.labels
    }
