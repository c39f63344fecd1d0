"""Putting a running lab together: processes, watches, clients, faults; and taking it apart again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from kafka_lab.clients import Clients
from kafka_lab.closing import Closers
from kafka_lab.cluster.config import HOST, Profile
from kafka_lab.cluster.distribution import Distribution
from kafka_lab.cluster.local import PORT_TAKEN, LocalCluster
from kafka_lab.cluster.metrics import Exporter
from kafka_lab.cluster.room import check_room
from kafka_lab.cluster.shape import Shape
from kafka_lab.cluster.training import java_options
from kafka_lab.errors import NodeStartError, WaitTimeoutError
from kafka_lab.faults import Faults
from kafka_lab.history import History
from kafka_lab.moves import Moves
from kafka_lab.observe.group_poll import GroupPoll
from kafka_lab.observe.metadata_poll import MetadataPoll
from kafka_lab.observe.quorum_poll import QuorumPoll
from kafka_lab.observe.zk_watch import ZooKeeperWatch
from kafka_lab.progress import Report
from kafka_lab.state import OFFSETS_TOPIC
from kafka_lab.timeline import Timeline
from kafka_lab.topics import Topics

__all__ = ["Assembly", "assemble"]

_START_S = 60.0
_POLL_S = 0.02
_TRIES = 3
#: What is no fault of the configuration: another program took a port between choosing and binding it; or the
#: machine was so busy that a starting broker could not keep its session.
_PASSING = (PORT_TAKEN, "SessionExpiredException")
_PROBE = "kafka-lab-ready"


@dataclass(frozen=True)
class Assembly:
    """The parts of a running lab."""

    cluster: Any  # a LocalCluster, or a RemoteCluster if it is somebody else's
    clients: Clients
    topics: Topics
    moves: Moves
    faults: Faults
    closers: Closers


def assemble(
    timeline: Timeline,
    state: History,
    *,
    shape: Shape,
    profile: Profile,
    links: bool,
    metrics: bool,
    distribution: Distribution,
    report: Report,
) -> Assembly:
    """Start a cluster and everything that watches and uses it; return when it is ready.

    Ready means: every broker is registered and answers, there is a controller, the metadata
    list all brokers, and a message was acknowledged by all in-sync replicas. A start that fails leaves no
    process, and of its files only the logs that its error names.

    Raises
    ------
    NodeStartError
        A node exited, or was not ready in time.
    """
    check_room(len(shape.keepers) + shape.brokers)
    options = java_options(distribution, report)
    exporter = Exporter(report) if metrics else None
    tries_left = _TRIES
    while True:
        tries_left -= 1
        cluster = LocalCluster(
            timeline,
            distribution,
            shape=shape,
            profile=profile,
            java_options=options,
            linked=links,
            exporter=exporter,
        )
        closers = Closers()
        try:
            return _start(timeline, state, cluster, profile, closers, report)
        except BaseException as error:
            passing = isinstance(error, NodeStartError) and any(why in error.log_tail for why in _PASSING)
            again = passing and tries_left > 0
            try:
                closers.close("a lab that did not start")
            finally:
                cluster.close(keep_logs=isinstance(error, NodeStartError) and not again)
            if not again:
                raise


def _start(
    timeline: Timeline,
    state: History,
    cluster: LocalCluster,
    profile: Profile,
    closers: Closers,
    report: Report,
) -> Assembly:
    brokers = cluster.broker_names
    begin = len(timeline)
    report(f"Starting {cluster.shape}", 0, len(brokers))
    cluster.start(_START_S)
    _watch(timeline, state, cluster, closers)

    def registered() -> bool | None:
        cluster.check_running(*cluster.nodes)
        now = state.now()
        there = [name for name in brokers if now.nodes[name].registered]
        report("Waiting for the brokers to register", len(there), len(brokers))
        return True if there == brokers and now.controller else None

    timeline.wait_until(registered, timeout_s=_START_S, expected="all brokers registered", since=begin)
    for name in brokers:
        cluster.wait_until_answers(name, _START_S)
    report("Waiting for the first acknowledgement by all replicas", 0, 0)
    clients = Clients(
        timeline, lambda: cluster.bootstrap_servers, lambda: cluster.nodes, _delivery_timeout_ms(profile)
    )
    closers.add(clients.close)
    with clients.admin() as admin:
        _wait_until_acknowledged(admin, len(brokers))
    for poll in (MetadataPoll(timeline, state, HOST), GroupPoll(timeline, state, clients.polling_admin)):
        closers.add(poll.close)
        poll.start()
    patience_s = _START_S + profile.session_timeout_ms / 1000
    return Assembly(
        cluster=cluster,
        clients=clients,
        topics=Topics(timeline, state, clients.admin),
        moves=Moves(timeline, state, clients.admin, cluster, patience_s),
        faults=Faults(timeline, cluster, state, patience_s),
        closers=closers,
    )


def _watch(timeline: Timeline, state: History, cluster: LocalCluster, closers: Closers) -> None:
    if cluster.zookeeper_connect is None:
        poll = QuorumPoll(timeline, state, HOST)
        closers.add(poll.close)
        poll.start()
    else:
        watch = ZooKeeperWatch(timeline, cluster.zookeeper_connect)
        closers.add(watch.close)
        watch.start(_START_S)


def _wait_until_acknowledged(admin: KafkaAdminClient, brokers: int) -> None:
    """Wait until the metadata list all brokers and the whole path of an acks=all write works.

    The write is an offset commit: the group coordinator appends it to ``__consumer_offsets`` and answers
    when all in-sync replicas have it (``offsets.commit.required.acks`` is -1). So no topic of ours is left
    behind.

    Raises
    ------
    WaitTimeoutError
        It did not work in time; the error names Kafka's last answer.
    """
    deadline = time.monotonic() + _START_S
    pause = threading.Event()
    offsets = {TopicPartition(OFFSETS_TOPIC, 0): OffsetAndMetadata(0, "", -1)}
    while True:
        try:
            listed = len(admin.describe_cluster()["brokers"])
            if listed == brokers:
                admin.alter_group_offsets(_PROBE, offsets)
                admin.delete_groups([_PROBE])
                return
            answer = f"{listed} brokers in the metadata"
        except KafkaError as error:
            answer = repr(error)
        if time.monotonic() > deadline:
            raise WaitTimeoutError("an acknowledgement by all replicas", waited_s=_START_S, last_seen=answer)
        pause.wait(_POLL_S)


def _delivery_timeout_ms(profile: Profile) -> int:
    """Return how long a producer tries: longer than a failover takes under this profile."""
    return 3 * profile.session_timeout_ms + 6000
