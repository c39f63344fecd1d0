"""ZooKeeper's watches as events: registrations, the controller, topics, leaders and in-sync replicas.

The znodes are those of Kafka 3.9 in ZooKeeper mode: ``/brokers/ids``, ``/controller``,
``/brokers/topics/T`` and ``/brokers/topics/T/partitions/P/state``. Two quick changes of one znode can be
seen as one; the leader epoch tells.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
from functools import partial
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.protocol.states import ZnodeStat
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.retry import KazooRetry

from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    ControllerElected,
    ControllerLost,
    IsrExpanded,
    IsrShrunk,
    LeaderChanged,
    LeaderLost,
    ReplicasAssigned,
    TopicCreated,
    TopicDeleted,
    ZooKeeperLost,
    ZooKeeperSeen,
)
from kafka_lab.state import PartitionState, broker_name
from kafka_lab.timeline import Timeline

__all__ = ["ZooKeeperWatch"]

_SESSION_S = 10.0
_RETRY = {"max_tries": -1, "delay": 0.05, "backoff": 1, "max_jitter": 0.0}
_BROKERS = "/brokers/ids"
_TOPICS = "/brokers/topics"

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class ZooKeeperWatch:
    """Follows a Kafka cluster through its ZooKeeper.

    Parameters
    ----------
    timeline : Timeline
        Gets the events.
    zookeeper_connect : str
        Where ZooKeeper is, as ``host:port``. It must serve already.
    """

    def __init__(self, timeline: Timeline, zookeeper_connect: str) -> None:
        self._timeline = timeline
        self._closed = False
        self._client = KazooClient(
            zookeeper_connect,
            timeout=_SESSION_S,
            connection_retry=_RETRY,
            command_retry=KazooRetry(**_RETRY, interrupt=lambda: self._closed),
            logger=_log,
        )
        self._lock = threading.RLock()
        self._brokers: dict[str, int] = {}  # to the transaction that registered it
        self._controller: str | None = None
        self._topics: set[str] = set()
        self._partitions: dict[tuple[str, int], PartitionState] = {}
        self._last_leaders: dict[tuple[str, int], str] = {}

    def start(self, timeout_s: float) -> None:
        """Connect and set the watches.

        Raises
        ------
        kazoo.handlers.threading.KazooTimeoutError
            ZooKeeper did not answer in time.
        """
        self._client.add_listener(self._on_connection)
        self._client.start(timeout_s)
        # kazoo would wait at exit for a callback that waits for ZooKeeper: its threads are daemons anyway.
        atexit.unregister(self._client.handler.stop)
        for path in (_BROKERS, _TOPICS):
            self._client.ensure_path(path)  # as a broker does when it starts
        ChildrenWatch(self._client, _BROKERS, self._on_brokers)
        DataWatch(self._client, "/controller", self._on_controller)
        ChildrenWatch(self._client, _TOPICS, self._on_topics)

    def close(self) -> None:
        """End the session and the watches."""
        self._closed = True
        self._client.remove_listener(self._on_connection)
        self._client.stop()
        self._client.close()

    def _on_connection(self, state: str) -> None:
        if not self._closed:
            self._timeline.append(ZooKeeperSeen() if state == KazooState.CONNECTED else ZooKeeperLost())

    def _on_brokers(self, ids: list[str]) -> None:
        with self._lock:
            now = {}
            for broker in ids:
                stat = self._client.exists(f"{_BROKERS}/{broker}")
                if stat is not None:
                    now[broker_name(int(broker))] = stat.czxid
            for name, registered in self._brokers.items():
                if now.get(name) != registered:
                    self._timeline.append(BrokerLost(name))
            for name, registered in now.items():
                if self._brokers.get(name) != registered:
                    self._timeline.append(BrokerRegistered(name))
            self._brokers = now

    def _on_controller(self, data: bytes | None, _stat: ZnodeStat, _why: object) -> None:
        with self._lock:
            now = None if data is None else broker_name(_decode(data)["brokerid"])
            if now == self._controller:
                return
            if self._controller is not None:
                self._timeline.append(ControllerLost(self._controller))
            if now is not None:
                self._timeline.append(ControllerElected(now))
            self._controller = now

    def _on_topics(self, topics: list[str]) -> None:
        with self._lock:
            for topic in sorted(self._topics - set(topics)):
                self._topics.discard(topic)
                self._partitions = {k: v for k, v in self._partitions.items() if k[0] != topic}
                self._last_leaders = {k: v for k, v in self._last_leaders.items() if k[0] != topic}
                self._timeline.append(TopicDeleted(topic))
            for topic in sorted(set(topics) - self._topics):
                self._topics.add(topic)
                self._timeline.append(TopicCreated(topic))
                DataWatch(self._client, f"{_TOPICS}/{topic}", partial(self._on_topic, topic))

    def _on_topic(self, topic: str, data: bytes | None, _stat: ZnodeStat, _why: object) -> bool | None:
        with self._lock:
            if data is None:
                return False if topic not in self._topics else None
            for partition, replicas in sorted(_decode(data)["partitions"].items(), key=_by_number):
                self._on_replicas(topic, int(partition), tuple(map(broker_name, replicas)))
            return None

    def _on_replicas(self, topic: str, partition: int, replicas: tuple[str, ...]) -> None:
        before = self._partitions.get((topic, partition))
        if before is not None and before.replicas == replicas:
            return
        known = before or PartitionState()
        self._partitions[topic, partition] = PartitionState(
            replicas, known.leader, known.leader_epoch, known.isr
        )
        self._timeline.append(ReplicasAssigned(topic, partition, replicas))
        if before is None:
            path = f"{_TOPICS}/{topic}/partitions/{partition}/state"
            DataWatch(self._client, path, partial(self._on_partition, topic, partition))

    def _on_partition(
        self, topic: str, partition: int, data: bytes | None, _stat: ZnodeStat, _why: object
    ) -> bool | None:
        with self._lock:
            before = self._partitions.get((topic, partition))
            if before is None:
                return False  # the topic was deleted
            if data is None:
                return None  # the controller has not written it yet
            state = _decode(data)
            now = PartitionState(
                before.replicas,
                None if state["leader"] < 0 else broker_name(state["leader"]),
                state["leader_epoch"],
                tuple(map(broker_name, state["isr"])),
            )
            self._partitions[topic, partition] = now
            self._report(topic, partition, before, now)
            return None

    def _report(self, topic: str, partition: int, before: PartitionState, now: PartitionState) -> None:
        left = tuple(name for name in before.isr if name not in now.isr)
        joined = tuple(name for name in now.isr if name not in before.isr)
        elected_again = now.leader_epoch > before.leader_epoch and not (left or joined)
        previous = before.leader or self._last_leaders.get((topic, partition))
        if now.leader is None and before.leader is not None:
            self._timeline.append(LeaderLost(topic, partition, previous, now.leader_epoch))
        elif now.leader is not None and (now.leader != before.leader or elected_again):
            self._last_leaders[topic, partition] = now.leader
            self._timeline.append(LeaderChanged(topic, partition, now.leader, previous, now.leader_epoch))
        if left:
            self._timeline.append(IsrShrunk(topic, partition, now.isr, left, now.leader_epoch))
        if joined:
            self._timeline.append(IsrExpanded(topic, partition, now.isr, joined, now.leader_epoch))


def _decode(data: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(data)
    return decoded


def _by_number(item: tuple[str, list[int]]) -> int:
    return int(item[0])
