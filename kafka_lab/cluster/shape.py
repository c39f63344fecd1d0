"""What a cluster consists of: its mode, its version, and how many nodes of each role."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_lab.cluster.jars import KRAFT_VERSION, ZOOKEEPER_VERSION, check_version
from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.state import node_name

__all__ = ["MODES", "Shape", "shape"]

MODES = ("zookeeper", "kraft")
_MOST_BROKERS = 9
_ENSEMBLES = (1, 3, 5)
_QUORUMS = (0, 1, 3, 5)
_COMBINED = 3  # brokers that are controllers too, at most


@dataclass(frozen=True)
class Shape:
    """A cluster's mode and numbers; :func:`shape` makes one that is valid.

    Attributes
    ----------
    mode : str
        ``"zookeeper"`` or ``"kraft"``.
    kafka : str
        Kafka's version.
    brokers, zookeepers, controllers : int
        How many nodes of each role. In KRaft without controllers of their own, brokers are controllers too.
    """

    mode: str
    kafka: str
    brokers: int
    zookeepers: int = 0
    controllers: int = 0

    @property
    def broker_names(self) -> list[str]:
        """The brokers' names at the start."""
        return [node_name(number) for number in range(1, self.brokers + 1)]

    @property
    def keepers(self) -> list[str]:
        """The names of the nodes that keep the metadata and are no brokers: ZooKeepers or controllers."""
        role, count = (
            ("zookeeper", self.zookeepers) if self.mode == "zookeeper" else ("controller", self.controllers)
        )
        return [f"{role}-{number}" for number in range(1, count + 1)]

    @property
    def voters(self) -> list[str]:
        """The names of the nodes of which a majority must live: without it nobody elects leaders."""
        return self.keepers or self.broker_names[: _COMBINED if self.brokers >= _COMBINED else 1]

    def __str__(self) -> str:
        words = {"zookeeper": "ZooKeeper", "controller": "KRaft controller"}
        role = self.keepers[0].split("-")[0] if self.keepers else ""
        count = len(self.keepers)
        first = (
            f"{'' if count == 1 else f'{count} '}{words[role]}{'' if count == 1 else 's'} and "
            if role
            else ""
        )
        return f"{first}{self.brokers} broker{'' if self.brokers == 1 else 's'}"


def shape(
    *,
    brokers: int,
    mode: str = "zookeeper",
    kafka: str | None = None,
    zookeepers: int | None = None,
    controllers: int | None = None,
) -> Shape:
    """Return a cluster's shape.

    Raises
    ------
    ConfigurationError
        A number is out of range, there is no such mode, or the version has no such mode.

    Examples
    --------
    >>> str(shape(brokers=3))
    'ZooKeeper and 3 brokers'
    >>> shape(brokers=3, mode="kraft").voters
    ['broker-1', 'broker-2', 'broker-3']
    """
    if type(brokers) is not int or not 1 <= brokers <= _MOST_BROKERS:
        raise ConfigurationError(f"brokers is {brokers!r}; expected a whole number from 1 to {_MOST_BROKERS}")
    if mode not in MODES:
        raise ConfigurationError(unknown("mode", mode, MODES))
    if mode == "zookeeper":
        if controllers is not None:
            raise ConfigurationError(
                "controllers are nodes of KRaft: give mode='kraft' too, or leave them out"
            )
        _check("zookeepers", zookeepers, _ENSEMBLES)
        version = kafka or ZOOKEEPER_VERSION
        check_version(version, mode)
        return Shape(mode, version, brokers, zookeepers=1 if zookeepers is None else zookeepers)
    if zookeepers is not None:
        raise ConfigurationError("KRaft has no ZooKeeper: leave zookeepers out, or mode='kraft'")
    _check("controllers", controllers, _QUORUMS)
    version = kafka or KRAFT_VERSION
    check_version(version, mode)
    return Shape(mode, version, brokers, controllers=controllers or 0)


def _check(name: str, value: int | None, choices: tuple[int, ...]) -> None:
    if value is not None and (type(value) is not int or value not in choices):
        raise ConfigurationError(f"{name} is {value!r}; expected {', '.join(map(str, choices))}")
