"""ZooKeeper's watches as events: registrations, the controller, topics, leaders and in-sync replicas.

The znodes are those of Kafka 3.9 in ZooKeeper mode: ``/brokers/ids``, ``/controller``, ``/controller_epoch``,
``/brokers/topics/T`` and ``/brokers/topics/T/partitions/P/state``. Two quick changes of one znode can be
seen as one; the leader epoch tells. What the znodes themselves hold is on the timeline too, but for Kafka's
own topics.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
from functools import partial
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import ZnodeStat
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.retry import KazooRetry

from kafka_lab.errors import ConfigurationError
from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    ControllerElected,
    ControllerLost,
    ReplicasAssigned,
    TopicCreated,
    TopicDeleted,
    ZnodeChanged,
    ZnodeDeleted,
    ZooKeeperLost,
    ZooKeeperSeen,
)
from kafka_lab.observe.changes import partition_changes
from kafka_lab.state import PartitionState, node_id, node_name
from kafka_lab.timeline import Timeline

__all__ = ["ZooKeeperWatch"]

_SESSION_S = 10.0
_RETRY = {"max_tries": -1, "delay": 0.05, "backoff": 1, "max_jitter": 0.0}
_BROKERS = "/brokers/ids"
_TOPICS = "/brokers/topics"

_INTERNAL = f"{_TOPICS}/__"
_DATA = 4000  # characters of a znode's data

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class ZooKeeperWatch:
    """Follows a Kafka cluster through its ZooKeeper.

    Parameters
    ----------
    timeline : Timeline
        Gets the events.
    zookeeper_connect : str
        Where ZooKeeper is, as ``host:port``, or several of these with commas. It must serve already.
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
        self._seen: set[str] = set()  # the znodes that are there

    def start(self, timeout_s: float, *, new: bool = True) -> None:
        """Connect and set the watches.

        Parameters
        ----------
        timeout_s : float
            How long ZooKeeper may take to answer, in seconds.
        new : bool
            The cluster is just starting: its first znodes may not be there yet.

        Raises
        ------
        kazoo.handlers.threading.KazooTimeoutError
            ZooKeeper did not answer in time.
        ConfigurationError
            It has no Kafka cluster.
        """
        self._client.add_listener(self._on_connection)
        self._client.start(timeout_s)
        # kazoo would wait at exit for a callback that waits for ZooKeeper: its threads are daemons anyway.
        atexit.unregister(self._client.handler.stop)
        for path in (_BROKERS, _TOPICS) if new else ():
            self._client.ensure_path(path)  # as a broker does when it starts
        if not new and self._client.exists(_BROKERS) is None:
            raise ConfigurationError(f"there is no {_BROKERS} in this ZooKeeper: is a chroot missing?")
        ChildrenWatch(self._client, _BROKERS, self._on_brokers)
        DataWatch(self._client, "/controller", self._on_controller)
        DataWatch(self._client, "/controller_epoch", partial(self._on_znode, "/controller_epoch"))
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
            now, contents = {}, {}
            for broker in ids:
                try:
                    data, stat = self._client.get(f"{_BROKERS}/{broker}")
                except NoNodeError:  # it went while we looked
                    continue
                name = node_name(int(broker))
                now[name], contents[name] = stat.czxid, (data, stat)
            for name, registered in self._brokers.items():
                if now.get(name) != registered:
                    self._timeline.append(BrokerLost(name))
            for name, registered in now.items():
                if self._brokers.get(name) != registered:
                    self._timeline.append(BrokerRegistered(name))
                    self._on_znode(f"{_BROKERS}/{node_id(name)}", *contents[name])
            for name in self._brokers.keys() - now.keys():
                self._on_znode(f"{_BROKERS}/{node_id(name)}", None, None)
            self._brokers = now

    def _on_controller(self, data: bytes | None, stat: ZnodeStat | None, _why: object) -> None:
        with self._lock:
            now = None if data is None else node_name(_decode(data)["brokerid"])
            if now == self._controller:
                self._on_znode("/controller", data, stat)  # it may have won anew, in another session
                return
            if self._controller is not None:
                self._timeline.append(ControllerLost(self._controller))
            if now is not None:
                self._timeline.append(ControllerElected(now))
            self._controller = now
            self._on_znode("/controller", data, stat)

    def _on_topics(self, topics: list[str]) -> None:
        with self._lock:
            for topic in sorted(self._topics - set(topics)):
                self._forget(topic)
            for topic in sorted(set(topics) - self._topics):
                self._topics.add(topic)
                self._timeline.append(TopicCreated(topic))
                DataWatch(self._client, f"{_TOPICS}/{topic}", partial(self._on_topic, topic))

    def _on_topic(self, topic: str, data: bytes | None, stat: ZnodeStat | None, _why: object) -> bool | None:
        with self._lock:
            # A topic of the same name that is made anew gets a watch of its own, from _on_topics.
            if topic not in self._topics:
                return False
            if data is None:
                self._forget(topic)
                return False
            for partition, replicas in sorted(_decode(data)["partitions"].items(), key=_by_number):
                self._on_replicas(topic, int(partition), tuple(map(node_name, replicas)))
            self._on_znode(f"{_TOPICS}/{topic}", data, stat)
            return None

    def _on_znode(self, path: str, data: bytes | None, stat: ZnodeStat | None, _why: object = None) -> None:
        """Note what a znode holds now, or that it is gone; one that was not there yet is no news."""
        with self._lock:
            if path.startswith(_INTERNAL):
                return
            if data is None or stat is None:
                if path in self._seen:
                    self._seen.discard(path)
                    self._timeline.append(ZnodeDeleted(path))
                return
            self._seen.add(path)
            session = f"{stat.ephemeralOwner:#x}" if stat.ephemeralOwner else ""
            self._timeline.append(ZnodeChanged(path, data.decode(errors="replace")[:_DATA], session))

    def _forget(self, topic: str) -> None:
        self._topics.discard(topic)
        self._partitions = {k: v for k, v in self._partitions.items() if k[0] != topic}
        self._last_leaders = {k: v for k, v in self._last_leaders.items() if k[0] != topic}
        self._timeline.append(TopicDeleted(topic))
        for path in sorted(path for path in self._seen if f"{path}/".startswith(f"{_TOPICS}/{topic}/")):
            self._on_znode(path, None, None)

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
        self, topic: str, partition: int, data: bytes | None, stat: ZnodeStat | None, _why: object
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
                None if state["leader"] < 0 else node_name(state["leader"]),
                state["leader_epoch"],
                tuple(map(node_name, state["isr"])),
            )
            self._partitions[topic, partition] = now
            self._report(topic, partition, before, now)
            self._on_znode(f"{_TOPICS}/{topic}/partitions/{partition}/state", data, stat)
            return None

    def _report(self, topic: str, partition: int, before: PartitionState, now: PartitionState) -> None:
        previous = self._last_leaders.get((topic, partition))
        if now.leader is not None:
            self._last_leaders[topic, partition] = now.leader
        for event in partition_changes(topic, partition, before, now, previous):
            self._timeline.append(event)


def _decode(data: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(data)
    return decoded


def _by_number(item: tuple[str, list[int]]) -> int:
    return int(item[0])
