"""Elections and moves: who leads, who keeps a copy, who is part of the cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from kafka_lab.asking import ask
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import ConfigurationError, FaultError, KafkaLabError, WaitTimeoutError, unknown
from kafka_lab.events import (
    BrokerRegistered,
    ElectionRequested,
    NodeRemoved,
    ReassignmentEnded,
    ReassignmentStarted,
)
from kafka_lab.history import History
from kafka_lab.progress import Report
from kafka_lab.state import ClusterState, node_id, node_name
from kafka_lab.timeline import Timeline

__all__ = ["Moves"]

_ELECT_S = 30.0
_MOVE_S = 120.0
_CONTROLLER_IDS = range(9001, 9010)
_MOST_BROKER_ID = 2**31 - 1
_PREFERRED, _UNCLEAN = 0, 1  # election types of KIP-460


class Moves:
    """Changes to a running cluster that are no faults.

    Parameters
    ----------
    timeline : Timeline
        Gets what was asked for; what the cluster does arrives there too.
    state : History
        The state of ``timeline``.
    new_admin : callable
        Returns a :class:`kafka.KafkaAdminClient` to use once.
    cluster : LocalCluster
        Gets and loses brokers.
    patience_s : float
        How long a broker may take to serve.
    """

    def __init__(
        self,
        timeline: Timeline,
        state: History,
        new_admin: Callable[[], KafkaAdminClient],
        cluster: LocalCluster,
        patience_s: float,
    ) -> None:
        self._timeline = timeline
        self._state = state
        self._new_admin = new_admin
        self._cluster = cluster
        self._patience_s = patience_s

    def elect_preferred(self, topic: str, partition: int | None) -> None:
        """Let the first replica of each partition lead, as :meth:`kafka_lab.Lab.elect_preferred` describes.

        Raises
        ------
        FaultError
            A first replica is not in sync.
        """
        state = self._state.now()
        chosen = (
            state.partitions_of(topic)
            if partition is None
            else {partition: state.partition_of(topic, partition)}
        )
        for number, p in chosen.items():
            if p.replicas[0] not in p.isr:
                raise FaultError(
                    f"{p.replicas[0]}, the preferred leader of {topic}-{number}, is not in sync: "
                    "it cannot be elected; heal_all() brings it back"
                )
        self._elect(topic, list(chosen), _PREFERRED, "preferred")
        self._wait(
            lambda state: all(state.topics[topic][n].leader == p.replicas[0] for n, p in chosen.items()),
            _ELECT_S,
            f"the preferred leaders of {topic}",
        )

    def elect_unclean(self, topic: str, partition: int) -> None:
        """Let any living replica lead, as :meth:`kafka_lab.Lab.elect_unclean` describes.

        Raises
        ------
        FaultError
            The partition has a leader, or no living replica.
        """
        p = self._state.now().partition_of(topic, partition)
        if p.leader is not None:
            raise FaultError(
                f"{topic}-{partition} is led by {p.leader}: an unclean election is for one without leader"
            )
        nodes = self._state.now().nodes
        if not any(nodes[name].registered for name in p.replicas):
            raise FaultError(f"no replica of {topic}-{partition} is alive: restart one of {p.replicas}")
        self._elect(topic, [partition], _UNCLEAN, "unclean")
        self._wait(
            lambda state: state.topics[topic][partition].leader is not None,
            _ELECT_S,
            f"a leader of {topic}-{partition}",
        )

    def reassign(self, topic: str, partition: int, replicas: Sequence[str], report: Report) -> None:
        """Move a partition to other brokers, as :meth:`kafka_lab.Lab.reassign` describes.

        Raises
        ------
        ConfigurationError
            There is no such topic, partition or broker.
        """
        self._state.now().partition_of(topic, partition)  # says so if there is none
        wanted = tuple(replicas)
        brokers = self._state.now().brokers
        for name in wanted:
            if name not in brokers:
                raise ConfigurationError(unknown("broker", name, brokers))
        if not wanted or len(set(wanted)) < len(wanted):
            raise ConfigurationError(f"replicas is {list(wanted)}; expected at least one broker, each once")
        self._reassign({(topic, partition): wanted}, report)

    def add_broker(self, broker: int | None) -> str:
        """Start one more broker, as :meth:`kafka_lab.Lab.add_broker` describes; return its name.

        Raises
        ------
        ConfigurationError
            The id is not valid or is taken.
        KafkaLabError
            The broker did not start; it is gone again.
        """
        ids = [node_id(name) for name in self._cluster.broker_names]
        chosen = max(ids) + 1 if broker is None else broker
        if type(chosen) is not int or not 0 <= chosen <= _MOST_BROKER_ID or chosen in _CONTROLLER_IDS:
            raise ConfigurationError(
                f"broker_id is {broker!r}; expected a number from 0 on; 9001 to 9009 are controllers'"
            )
        if chosen in ids:
            raise ConfigurationError(f"there is a broker with the id {chosen} already")
        name = node_name(chosen)
        begin = len(self._timeline)
        self._cluster.add_broker(name)
        try:
            self._cluster.start_node(name)
            self._cluster.wait_until_answers(name, self._patience_s)
            self._timeline.wait_for(BrokerRegistered, node=name, since=begin, timeout_s=self._patience_s)
        except BaseException:
            self._remove(name)
            raise
        return name

    def remove_broker(self, name: str, report: Report) -> None:
        """Move a broker's replicas away and stop it, as :meth:`kafka_lab.Lab.remove_broker` describes.

        Raises
        ------
        ConfigurationError
            It is no broker, or the others are too few for its replicas.
        """
        brokers = self._state.now().brokers
        if name not in brokers:
            raise ConfigurationError(unknown("broker", name, brokers))
        if self._cluster.mode == "kraft" and name in self._cluster.voters:
            raise ConfigurationError(
                f"{name} is one of the controllers ({', '.join(self._cluster.voters)}), whose number is "
                "fixed: remove another broker, or make the lab with controllers of their own"
            )
        moved = _without(self._state.now(), name)
        if moved:
            self._reassign(moved, report)
        report(f"Stopping {name}", 0, 0)
        self._cluster.stop_node(name)
        self._wait(
            lambda state: not state.nodes[name].registered, self._patience_s, f"the end of {name}'s session"
        )
        self._remove(name)

    def _elect(self, topic: str, partitions: list[int], election_type: int, kind: str) -> None:
        for partition in partitions:
            self._timeline.append(ElectionRequested(topic, partition, kind))
        ask(
            self._new_admin,
            lambda admin: admin.elect_leaders(election_type, {topic: partitions}),
            f"the {kind} election of {topic}",
        )

    def _reassign(self, moves: dict[tuple[str, int], tuple[str, ...]], report: Report) -> None:
        """Move partitions, and wait until their new replicas are in sync and the old ones gone.

        Raises
        ------
        KafkaLabError
            It did not come to its end, and was called off.
        """
        wanted = {TopicPartition(*where): list(map(node_id, names)) for where, names in moves.items()}
        for where, names in moves.items():
            self._timeline.append(ReassignmentStarted(*where, names))

        def alter(admin: KafkaAdminClient) -> None:
            _raise_first(admin.alter_partition_reassignments(wanted))

        def done(state: ClusterState) -> bool:
            finished = [
                where
                for where, names in moves.items()
                if (p := state.topics[where[0]][where[1]]).replicas == names and set(p.isr) == set(names)
            ]
            report("Moving partitions", len(finished), len(moves))
            return len(finished) == len(moves)

        try:
            ask(self._new_admin, alter, "the reassignment")
            self._wait(done, _MOVE_S, "the end of the reassignment")
        except BaseException:
            self._call_off(list(wanted))
            raise
        finally:
            for where in moves:
                state = self._state.now().topics[where[0]][where[1]]
                self._timeline.append(ReassignmentEnded(*where, state.replicas))

    def _call_off(self, partitions: list[TopicPartition]) -> None:
        """Undo what is still under way; what has ended needs no undoing.

        Raises
        ------
        WaitTimeoutError
            It cannot be undone: no broker answers.
        """

        def cancel(admin: KafkaAdminClient) -> None:
            under_way = admin.list_partition_reassignments()
            admin.alter_partition_reassignments({where: None for where in partitions if where in under_way})

        try:
            ask(self._new_admin, cancel, "calling the reassignment off")
        except KafkaLabError as error:
            raise WaitTimeoutError(
                "the end of the reassignment", waited_s=_MOVE_S, last_seen=f"it goes on: {error}"
            ) from error

    def _wait(self, check: Callable[[ClusterState], bool], timeout_s: float, expected: str) -> None:
        self._timeline.wait_until(
            lambda: check(self._state.now()) or None, timeout_s=timeout_s, expected=expected
        )

    def _remove(self, name: str) -> None:
        data = self._cluster.node(name).data
        self._cluster.remove_broker(name)
        shutil.rmtree(data, ignore_errors=True)
        self._timeline.append(NodeRemoved(name))


def _raise_first(answer: dict[TopicPartition, type[KafkaError] | KafkaError | None]) -> None:
    for error in answer.values():
        if error is not None:
            raise error


def _without(state: ClusterState, leaving: str) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return new replicas for each partition that a broker keeps: in its place the one with the fewest.

    Raises
    ------
    ConfigurationError
        There are not enough others.
    """
    staying = [name for name in state.brokers if name != leaving and state.nodes[name].registered]
    load = dict.fromkeys(staying, 0)
    for topic in state.topics.values():
        for partition in topic.values():
            for name in partition.replicas:
                if name in load:
                    load[name] += 1
    moves = {}
    for topic_name, topic in sorted(state.topics.items()):
        for number, partition in sorted(topic.items()):
            if leaving not in partition.replicas:
                continue
            free = [name for name in staying if name not in partition.replicas]
            if not free:
                raise ConfigurationError(
                    f"{topic_name}-{number} has {len(partition.replicas)} replicas: without {leaving} "
                    "there would be too few brokers for them; add_broker() first"
                )
            successor = min(free, key=lambda name: load[name])
            load[successor] += 1
            moves[topic_name, number] = tuple(
                successor if name == leaving else name for name in partition.replicas
            )
    return moves
