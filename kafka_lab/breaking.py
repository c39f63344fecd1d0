"""The acts of a lab that break its nodes and heal them; :class:`kafka_lab.Lab` has them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, overload

from kafka_lab.errors import ConfigurationError
from kafka_lab.showing import visible

if TYPE_CHECKING:
    from kafka_lab.assembly import Assembly
    from kafka_lab.faults import Fault

__all__ = ["Breaking"]


class Breaking(ABC):
    """Breaks and heals nodes, and the links between them, by name."""

    @abstractmethod
    def clear(self) -> None:
        """Heal everything, and delete all topics and consumer groups."""

    @abstractmethod
    def _acting(self) -> AbstractContextManager[Assembly]:
        """Yield the running parts for an act, which is noted when it was done."""

    def kill(self, node: str, *, skip_wait: bool = False) -> Fault:
        """End a node with SIGKILL, as a power cut would; :meth:`restart` undoes it.

        What the cluster does about it comes later: wait for it with :meth:`wait_for`.

        Parameters
        ----------
        node : str
            Such as ``"broker-2"``, ``lab.leader_of("chat", 0)`` or ``lab.controller()``.
        skip_wait : bool, default False
            End the broker's ZooKeeper session by hand too, instead of waiting for it to expire: the
            cluster reacts at once. The timeline says that this was done (``expire_session``).

        Returns
        -------
        Fault
            Heals itself at the end of a ``with`` statement.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is down already.
        """
        with self._acting() as running:
            return running.faults.nodes.kill(node, skip_wait=skip_wait)

    def stop(self, node: str) -> Fault:
        """End a node in order (SIGTERM): a broker hands its leaders over first; :meth:`restart` undoes it.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is down already.
        """
        with self._acting() as running:
            return running.faults.nodes.stop(node)

    def pause(self, node: str) -> Fault:
        """Freeze a node (SIGSTOP): it is there, its connections stay, but it does nothing.

        :meth:`resume` undoes it. A broker that is frozen for longer than its session is dead for the others,
        and does not know it when it goes on.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is down or paused already.
        """
        with self._acting() as running:
            return running.faults.nodes.pause(node)

    def resume(self, node: str) -> None:
        """Let a paused node go on (SIGCONT).

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is not paused.
        """
        with self._acting() as running:
            running.faults.nodes.resume(node)

    def expire_session(self, broker: str) -> None:
        """End a broker's ZooKeeper session while the broker lives; it registers again by itself.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is no broker or has no session, or ZooKeeper does not answer.
        """
        with self._acting() as running:
            running.faults.nodes.expire_session(broker)

    def restart(self, node: str) -> None:
        """Start a node that is down, with its port and its data; return when it serves again.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is not down, or it is a broker and ZooKeeper is.
        NodeStartError, WaitTimeoutError
            It did not come back; it is down as before.
        """
        with self._acting() as running, visible(f"Restarting {node}"):
            running.faults.nodes.restart(node)

    def cut(self, a: str, b: str, *, one_way: bool = False) -> Fault:
        """Cut the link between two ends: nothing arrives, as with a broken cable. :meth:`heal` undoes it.

        The lab must have links: ``Lab(links=True)``. What was sent meanwhile arrives after the healing, as
        TCP would send it again, unless the sender has given up.

        Parameters
        ----------
        a, b : str
            Two brokers, a broker and ZooKeeper, or a client (by its ``client_id``) and a broker.
        one_way : bool, default False
            Hold back only what ``a`` sends to ``b``: its requests, and its answers to ``b``.

        Returns
        -------
        Fault
            Heals itself at the end of a ``with`` statement.

        Raises
        ------
        ConfigurationError
            There is no such node or client, or no link between these two.
        FaultError
            The lab has no links, or this one is broken already.
        """
        with self._acting() as running:
            return running.faults.links.cut(a, b, one_way=one_way)

    def slow(self, a: str, b: str, *, latency_ms: float, jitter_ms: float = 0.0) -> Fault:
        """Delay everything between two ends, without lowering the throughput; :meth:`heal` undoes it.

        Parameters
        ----------
        a, b : str
            As for :meth:`cut`.
        latency_ms, jitter_ms : float
            How long each way takes, in milliseconds, and how much more or less at random. The order stays.

        Raises
        ------
        ConfigurationError
            There is no such node, client or link, or a delay is out of range (0 to 60000).
        FaultError
            The lab has no links, or this one is broken already.
        """
        with self._acting() as running:
            return running.faults.links.slow(a, b, latency_ms, jitter_ms)

    def drop_responses(self, a: str, b: str) -> Fault:
        """Lose the answers: what ``a`` asks reaches ``b``, which does it, but ``a`` never hears of it.

        :meth:`heal` undoes it; a connection that lost an answer is then torn down.

        Parameters
        ----------
        a, b : str
            As for :meth:`cut`; ``a`` is who asks.

        Raises
        ------
        ConfigurationError
            There is no such node, client or link.
        FaultError
            The lab has no links, or this one is broken already.
        """
        with self._acting() as running:
            return running.faults.links.drop_responses(a, b)

    @overload
    def reset(self) -> None: ...

    @overload
    def reset(self, a: str, b: str) -> Fault: ...

    def reset(self, a: str | None = None, b: str | None = None) -> Fault | None:
        """Tear down the connections between two ends (TCP reset), open and new ones; :meth:`heal` undoes it.

        Without arguments the whole lab is reset, see :meth:`clear`.

        Parameters
        ----------
        a, b : str
            As for :meth:`cut`.

        Raises
        ------
        ConfigurationError
            There is no such node, client or link.
        FaultError
            The lab has no links, or this one is broken already.
        """
        if a is None or b is None:
            if (a, b) != (None, None):
                raise ConfigurationError(f"reset({a!r}, {b!r}) names one end; expected two, or none")
            self.clear()
            return None
        with self._acting() as running:
            return running.faults.links.reset(a, b)

    def heal(self, a: str, b: str) -> None:
        """Make the link between two ends whole again, whatever was done to it.

        Raises
        ------
        ConfigurationError
            There is no such node or client.
        FaultError
            It is whole.
        """
        with self._acting() as running:
            running.faults.links.heal(a, b)

    def fail_disk(self, broker: str) -> Fault:
        """Make a broker's log folder refuse writes; :meth:`repair_disk` undoes it.

        The broker has no other log folder, so it shuts down when it notices, at its next checkpoint or
        segment: wait for its ``NodeExited``, which can take five seconds.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            It is no broker, is down, or its disk is broken already.
        """
        with self._acting() as running:
            return running.faults.disks.fail(broker)

    def repair_disk(self, broker: str) -> None:
        """Let a broker's log folder take writes again, with all that was in it, and restart the broker.

        Raises
        ------
        ConfigurationError
            There is no such node.
        FaultError
            The disk is not broken.
        NodeStartError, WaitTimeoutError
            The broker did not come back; its disk is whole.
        """
        with self._acting() as running, visible(f"Restarting {broker}"):
            running.faults.disks.repair(broker)

    def heal_all(self) -> None:
        """Heal every link, disk and node, and return when every replica is in sync.

        Raises
        ------
        KafkaLabError
            Something did not come back; the error says what.
        """
        with self._acting() as running, visible("Healing everything") as report:
            running.faults.heal_all(report)
