"""The nodes that keep a cluster's metadata: a ZooKeeper or an ensemble of them, or KRaft's controllers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from kafka_lab.cluster.config import HOST, Profile, zookeeper_properties, zookeeper_settings
from kafka_lab.cluster.kraft import (
    controller_properties,
    format_folder,
    new_id,
    quorum_settings,
    without_ended,
)
from kafka_lab.cluster.links import Links
from kafka_lab.cluster.shape import Shape
from kafka_lab.state import node_id

__all__ = ["Keepers", "Quorum", "ZooKeepers", "keepers_of"]


class Keepers(ABC):
    """Keeps the metadata of one cluster.

    Parameters
    ----------
    shape : Shape
        Which nodes there are.
    profile : Profile
        How soon failures are noticed.

    Attributes
    ----------
    role : str
        The role of its own nodes.
    names : list of str
        Its own nodes; none if brokers are the controllers too.
    ports : dict
        Where they, or the brokers that are controllers, are reached.
    """

    role: str

    def __init__(self, shape: Shape, profile: Profile) -> None:
        self.names = shape.keepers
        self.voters = shape.voters
        self.ports: dict[str, int] = {}
        self._profile = profile

    def choose_ports(self, free_port: Callable[[], int]) -> None:
        """Choose a port for each voter."""
        self.ports = {name: free_port() for name in self.voters}

    @abstractmethod
    def prepare(self, name: str, data: Path) -> Mapping[str, str]:
        """Write what one of its own nodes needs into its empty folder, and return its configuration."""

    @abstractmethod
    def admit(
        self, broker: str, data: Path, listeners: Mapping[str, str], links: Links | None
    ) -> Mapping[str, str]:
        """Write what a broker needs into its empty folder; return the settings that make it a member."""

    def broker_settings(self, profile: Profile) -> Profile:
        """Return a profile with the broker settings that this kind of cluster knows."""
        return profile


class ZooKeepers(Keepers):
    """One ZooKeeper, or an ensemble."""

    role = "zookeeper"

    def choose_ports(self, free_port: Callable[[], int]) -> None:
        """Choose a port for clients, and in an ensemble two more for its members."""
        super().choose_ports(free_port)
        self._peers = (
            {number: (free_port(), free_port()) for number, _ in enumerate(self.names, start=1)}
            if len(self.names) > 1
            else {}
        )

    @property
    def connect(self) -> str:
        """Where clients find it."""
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    def prepare(self, name: str, data: Path) -> Mapping[str, str]:
        """Write its ``myid``."""
        if self._peers:
            (data / "myid").write_text(f"{self.names.index(name) + 1}\n", encoding="utf-8")
        return zookeeper_properties(
            port=self.ports[name], data=data, profile=self._profile, peers=self._peers
        )

    def admit(
        self,
        broker: str,
        data: Path,  # noqa: ARG002
        listeners: Mapping[str, str],  # noqa: ARG002
        links: Links | None,
    ) -> Mapping[str, str]:
        """Tell the broker where ZooKeeper is: behind links of its own, if there are links."""
        connect = self.connect
        if links is not None:
            ports = [links.listen(broker, name, port) for name, port in self.ports.items()]
            connect = ",".join(f"{HOST}:{port}" for port in ports)
        return zookeeper_settings(broker_id=node_id(broker), connect=connect, profile=self._profile)


class Quorum(Keepers):
    """KRaft's controllers: nodes of their own, or the first brokers."""

    role = "controller"

    def __init__(self, shape: Shape, profile: Profile) -> None:
        super().__init__(shape, profile)
        self._cluster_id = new_id()

    def prepare(self, name: str, data: Path) -> Mapping[str, str]:
        """Format its folder."""
        format_folder(data, cluster_id=self._cluster_id, node_id=node_id(name))
        return controller_properties(
            node_id=node_id(name),
            port=self.ports[name],
            data=data,
            voters=self._voters,
            profile=self._profile,
        )

    def admit(
        self,
        broker: str,
        data: Path,
        listeners: Mapping[str, str],
        links: Links | None,  # noqa: ARG002 - what controllers say to each other goes directly
    ) -> Mapping[str, str]:
        """Format the broker's folder, and tell it where the quorum is."""
        format_folder(data, cluster_id=self._cluster_id, node_id=node_id(broker))
        return quorum_settings(
            node_id=node_id(broker),
            voters=self._voters,
            listeners=listeners,
            profile=self._profile,
            controller_port=self.ports.get(broker),
        )

    def broker_settings(self, profile: Profile) -> Profile:
        """Leave out what Kafka 4 does not know."""
        return profile.with_broker(without_ended(profile.broker))

    @property
    def _voters(self) -> dict[int, int]:
        return {node_id(name): port for name, port in self.ports.items()}


def keepers_of(shape: Shape, profile: Profile) -> ZooKeepers | Quorum:
    """Return what keeps the metadata of a cluster of this shape."""
    return ZooKeepers(shape, profile) if shape.mode == "zookeeper" else Quorum(shape, profile)
