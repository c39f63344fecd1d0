"""The acts of a lab that break its nodes and heal them; :class:`kafka_lab.Lab` has them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from kafka_lab.showing import visible

if TYPE_CHECKING:
    from kafka_lab.assembly import Assembly
    from kafka_lab.faults import Fault

__all__ = ["Breaking"]


class Breaking(ABC):
    """Breaks and heals nodes by name."""

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
            return running.faults.kill(node, skip_wait=skip_wait)

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
            return running.faults.stop(node)

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
            return running.faults.pause(node)

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
            running.faults.resume(node)

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
            running.faults.expire_session(broker)

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
            running.faults.restart(node)

    def heal_all(self) -> None:
        """Bring every node back, whatever was done to it, and return when every replica is in sync.

        Raises
        ------
        KafkaLabError
            Something did not come back; the error says what.
        """
        with self._acting() as running, visible("Healing everything") as report:
            running.faults.heal_all(report)
