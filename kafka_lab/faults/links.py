"""Breaking the network between brokers, ZooKeeper and clients."""

from __future__ import annotations

from kafka_lab.cluster.links import Breakage, Links, client
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.errors import ConfigurationError, FaultError, unknown
from kafka_lab.faults.fault import Fault, Register, link_of

__all__ = ["LinkFaults"]

_MOST_MS = 60_000


class LinkFaults:
    """What can be done to the links of a local cluster that has them.

    Parameters
    ----------
    cluster : LocalCluster
        Whose links.
    register : Register
        Where open faults are noted.
    """

    def __init__(self, cluster: LocalCluster, register: Register) -> None:
        self._cluster = cluster
        self._register = register

    def cut(self, a: str, b: str, *, one_way: bool) -> Fault:
        """Let nothing through, or nothing from ``a`` to ``b``."""
        return self._begin("cut one way" if one_way else "cut", a, b)

    def slow(self, a: str, b: str, latency_ms: float, jitter_ms: float) -> Fault:
        """Delay everything.

        Raises
        ------
        ConfigurationError
            A delay is out of range.
        """
        for name, value in {"latency_ms": latency_ms, "jitter_ms": jitter_ms}.items():
            if not isinstance(value, int | float) or not 0 <= value <= _MOST_MS:
                raise ConfigurationError(f"{name} is {value!r}; expected milliseconds from 0 to {_MOST_MS}")
        return self._begin("slow", a, b, latency_s=latency_ms / 1000, jitter_s=jitter_ms / 1000)

    def drop_responses(self, a: str, b: str) -> Fault:
        """Lose what ``b`` answers to ``a``.

        Raises
        ------
        ConfigurationError
            ``a`` never asks ``b`` anything.
        """
        asking, asked = self._cluster.nodes.get(a), self._cluster.nodes.get(b)
        if asked is None or (asking is not None and asking.role == "zookeeper"):
            raise ConfigurationError(f"{a} asks nothing of {b}: it is drop_responses(who asks, who answers)")
        return self._begin("drop_responses", a, b)

    def reset(self, a: str, b: str) -> Fault:
        """Tear down connections, open and new ones."""
        return self._begin("reset", a, b)

    def heal(self, a: str, b: str) -> None:
        """Make a link whole.

        Raises
        ------
        FaultError
            It is whole.
        """
        place = link_of(self._end(a), self._end(b))
        fault = self._register.at(place)
        if fault is None:
            raise FaultError(f"the {place} is not broken: there is nothing to heal")
        self._heal(fault)

    def heal_all(self) -> None:
        """Make every link whole."""
        for fault in self._register.open():
            if fault.peer is not None:
                self._heal(fault)

    def _begin(self, kind: str, a: str, b: str, *, latency_s: float = 0.0, jitter_s: float = 0.0) -> Fault:
        ends = self._end(a), self._end(b)
        self._check_connected(a, b)
        self._links().add(Breakage(kind, *ends, latency_s, jitter_s))
        fault = Fault(kind, ends[0], link_of(*ends), f"heal({a!r}, {b!r})", self._heal, ends[1])
        return self._register.begin(fault)

    def _heal(self, fault: Fault) -> None:
        if self._register.at(fault.place) is fault and fault.peer is not None:
            self._links().heal(fault.node, fault.peer)
            self._register.end(fault.place)

    def _links(self) -> Links:
        links = self._cluster.links
        if links is None:
            raise FaultError("this lab has no links that could be broken: make it with Lab(links=True)")
        return links

    def _end(self, name: str) -> str:
        """Return the name of an end, node or client.

        Raises
        ------
        ConfigurationError
            There is neither a node nor a client of that name.
        """
        if name in self._cluster.nodes:
            return name
        clients = self._links().clients
        if name not in clients:
            known = [*self._cluster.nodes, *sorted(clients)]
            raise ConfigurationError(
                unknown("node, and no client that has connected, with the name", name, known)
            )
        return client(name)

    def _check_connected(self, a: str, b: str) -> None:
        """Refuse a pair that never speaks to each other.

        Raises
        ------
        ConfigurationError
            It is such a pair.
        """
        roles = [node.role if (node := self._cluster.nodes.get(end)) else "client" for end in (a, b)]
        if a == b or "broker" not in roles or "controller" in roles:
            raise ConfigurationError(
                f"there is no link between {a} and {b}: links go between two brokers, a broker and "
                "ZooKeeper, a broker and a client"
            )
