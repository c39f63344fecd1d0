"""A cluster whose processes are somebody else's: of a test environment, or of another program's lab."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka_lab.cluster.distribution import prepare
from kafka_lab.cluster.process import last_words
from kafka_lab.errors import ConfigurationError, unknown

__all__ = ["RemoteCluster", "RemoteNode"]


@dataclass(frozen=True)
class RemoteNode:
    """A node of another program's lab on this machine.

    Attributes
    ----------
    data, log_path : pathlib.Path
        The folder with its data, and the file that it logs to.
    """

    data: Path
    log_path: Path

    def log_text(self) -> str:
        """Return the last 16 KiB that it wrote."""
        return last_words(self.log_path)


class RemoteCluster:
    """Where such a cluster is, and what can be done without owning its processes.

    Parameters
    ----------
    bootstrap_servers : sequence of str
        Where clients find the brokers.
    zookeeper_connect : str or None
        Where clients find ZooKeeper, if that is known.
    mode : str
        ``"zookeeper"`` or ``"kraft"``.
    known : mapping, optional
        Its nodes, if they are on this machine.
    owner : str
        Whose it is, for errors.
    ours : bool
        It is a lab, and may be broken and emptied.
    """

    def __init__(
        self,
        bootstrap_servers: Sequence[str],
        zookeeper_connect: str | None,
        *,
        mode: str,
        owner: str,
        ours: bool,
        known: Callable[[], Mapping[str, RemoteNode]] = dict,
    ) -> None:
        self.bootstrap_servers = list(bootstrap_servers)
        self._given = tuple(bootstrap_servers)
        self.zookeeper_connect = zookeeper_connect
        self.mode = mode
        self.ours = ours
        self._owner = owner
        self._known = known
        self._folder: Path | None = None

    def learn(self, servers: Sequence[str]) -> None:
        """Take note of where its brokers are now: the servers that were given may go."""
        self.bootstrap_servers = list(dict.fromkeys([*servers, *self._given]))

    @property
    def nodes(self) -> Mapping[str, RemoteNode]:
        """What is known of its nodes."""
        return self._known()

    def node(self, name: str) -> RemoteNode:
        """Return a node that is on this machine.

        Raises
        ------
        ConfigurationError
            There is none of that name, or it is not known where it is.
        """
        known = self._known()
        if not known:
            raise ConfigurationError(f"{name} is {self._owner}: its files are not within reach")
        if name not in known:
            raise ConfigurationError(unknown("node", name, known))
        return known[name]

    @property
    def folder(self) -> Path:
        """A private folder for what the lab itself writes."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="kafka-lab-"))
        return self._folder

    def java(self, role: str) -> list[str]:  # noqa: ARG002 - only tools are run here
        """Return a command line up to the main class of one of Kafka's tools."""
        distribution = prepare()
        return [str(distribution.java.path), "-cp", distribution.class_path]

    def close(self) -> None:
        """Remove the folder; the cluster goes on."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
