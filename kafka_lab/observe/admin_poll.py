"""A cluster that somebody else runs, seen by asking its brokers as any client may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import IncompatibleBrokerVersion, UnsupportedVersionError

from kafka_lab.events import Event, NodeStarted
from kafka_lab.history import History
from kafka_lab.observe.changes import Look, changes, topics_of
from kafka_lab.observe.direct import name_of
from kafka_lab.observe.pace import Steady
from kafka_lab.observe.poll import Poll
from kafka_lab.state import node_name
from kafka_lab.timeline import Timeline

__all__ = ["AdminPoll", "mode_of"]

_EVERY_S = 0.5


class AdminPoll(Poll):
    """Follows a cluster through kafka-python's admin client, so with TLS and SASL if need be.

    Parameters
    ----------
    timeline : Timeline
        Gets the events.
    state : History
        The state of ``timeline``.
    new_admin : callable
        Returns an admin client that gives up soon.
    mode : str
        The cluster's, see :func:`mode_of`.
    only_ports : bool
        Report where brokers are, and nothing else: ZooKeeper tells the rest.
    learn : callable
        Is given the addresses of the brokers that are there, at each look.
    """

    name = "admin"

    def __init__(
        self,
        timeline: Timeline,
        state: History,
        new_admin: Callable[[], KafkaAdminClient],
        *,
        mode: str,
        only_ports: bool,
        learn: Callable[[list[str]], object],
    ) -> None:
        super().__init__(timeline, state, Steady(_EVERY_S))
        self._new_admin = new_admin
        self._mode = mode
        self._only_ports = only_ports
        self._learn = learn
        self._admin: KafkaAdminClient | None = None

    def look(self) -> bool:
        """Report what is new; while nobody answers, nothing is."""
        try:
            if self._admin is None:
                self._admin = self._new_admin()
            return self.report(self._events(self._admin))
        except Exception:  # noqa: BLE001 - kafka-python raises many kinds while brokers die
            self._close_admin()
            return False

    def close(self) -> None:
        """End, and close the client."""
        super().close()
        self._close_admin()

    def _close_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _events(self, admin: KafkaAdminClient) -> Iterator[Event]:
        described = admin.describe_cluster()
        known = self._state.now().nodes
        there = list(filter(_is_there, described["brokers"]))
        if there:
            self._learn([f"{broker['host']}:{broker['port']}" for broker in there])
        for broker in there:
            name = node_name(broker["broker_id"])
            if name not in known or not known[name].port:
                yield NodeStarted(name, "broker", broker["port"], 0)
        if not self._only_ports:
            yield from changes(self._state.now(), self._look(admin, described))

    def _look(self, admin: KafkaAdminClient, described: dict[str, Any]) -> Look:
        controller, epoch = described["controller_id"], -1
        if self._mode == "kraft":
            quorum = admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
            controller, epoch = quorum["leader_id"], quorum["leader_epoch"]
        return Look(
            frozenset(node_name(broker["broker_id"]) for broker in filter(_is_there, described["brokers"])),
            name_of(controller),
            epoch,
            topics_of(admin.describe_topics()),
        )


def _is_there(broker: dict[str, Any]) -> bool:
    return not broker.get("is_fenced")  # which only a KRaft cluster tells (KIP-1073)


def mode_of(admin: KafkaAdminClient) -> str:
    """Return a cluster's mode: only KRaft has a quorum to describe."""
    try:
        admin.describe_metadata_quorum()
    except (IncompatibleBrokerVersion, UnsupportedVersionError):
        return "zookeeper"
    return "kraft"
