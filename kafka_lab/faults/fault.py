"""A fault, and the register of those that are not healed yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from kafka_lab.events import FaultEnded, FaultStarted
from kafka_lab.timeline import Timeline

__all__ = ["Fault", "Register", "disk_of", "link_of"]


def link_of(a: str, b: str) -> str:
    """Return the place that a link is, whichever end is named first.

    Examples
    --------
    >>> link_of("zookeeper-1", "broker-2")
    'link of broker-2 and zookeeper-1'
    """
    first, second = sorted((a, b))
    return f"link of {first} and {second}"


def disk_of(broker: str) -> str:
    """Return the place that a broker's disk is."""
    return f"disk of {broker}"


@dataclass(frozen=True, repr=False)
class Fault:
    """Something that was broken; in a ``with`` statement it is healed at the end.

    Attributes
    ----------
    kind : str
        How it is broken, such as ``"kill"`` or ``"cut"``.
    node, peer : str, str or None
        Which node; and for a link, what is at its other end.
    place : str
        What is broken, in words; one place has one fault at a time.
    cure : str
        The call that heals it.
    """

    kind: str
    node: str
    place: str
    cure: str
    _heal: Callable[[Fault], None]
    peer: str | None = None

    def heal(self) -> None:
        """Undo it; nothing happens if that was done already."""
        self._heal(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.place}; {self.cure} heals it>"


class Register:
    """The faults that are not healed yet, by place; what begins and ends goes on the timeline.

    Parameters
    ----------
    timeline : Timeline
        Gets FaultStarted and FaultEnded.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._open: dict[str, Fault] = {}

    def begin(self, fault: Fault) -> Fault:
        """Note a fault; one that was open at this place ends: who is killed is paused no longer."""
        self.end(fault.place)
        self._open[fault.place] = fault
        self._timeline.append(FaultStarted(fault.node, fault.kind, fault.peer))
        return fault

    def end(self, place: str) -> None:
        """Note that a place is whole again, if it was not."""
        fault = self._open.pop(place, None)
        if fault is not None:
            self._timeline.append(FaultEnded(fault.node, fault.kind, fault.peer))

    def at(self, place: str) -> Fault | None:
        """Return the open fault at a place."""
        return self._open.get(place)

    def open(self) -> list[Fault]:
        """Return all that are open."""
        return list(self._open.values())
