"""Looking at a cluster again and again, in a thread of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from kafka_lab.events import Event
from kafka_lab.history import History
from kafka_lab.observe.pace import Pace, Steady
from kafka_lab.threads import Threads
from kafka_lab.timeline import Timeline

__all__ = ["Poll"]


class Poll(ABC):
    """Asks a cluster what its watches do not tell, and appends what is news to the state.

    Parameters
    ----------
    timeline : Timeline
        Gets what is new.
    state : History
        The state of ``timeline``.
    pace : Pace or Steady, optional
        When to look; by default seldom, and often while things happen.
    """

    name: str  # of the thread

    def __init__(self, timeline: Timeline, state: History, pace: Pace | Steady | None = None) -> None:
        self._timeline = timeline
        self._state = state
        self._pace = pace or Pace(timeline)
        self._threads = Threads()

    @abstractmethod
    def look(self) -> bool:
        """Report what is new, and tell whether there was anything."""

    def report(self, events: Iterable[Event]) -> bool:
        """Append those of the events that are news, and tell whether there were any."""
        changed = False
        for event in events:
            if self._state.now().is_changed_by(event):
                self._timeline.append(event)
                changed = True
        return changed

    def start(self) -> None:
        """Begin."""
        self._threads.start({self.name: self._look_again_and_again})

    def close(self) -> None:
        """End."""
        self._threads.closing.set()
        self._pace.close()
        self._threads.close()

    def _look_again_and_again(self) -> None:
        while not self._threads.closing.is_set():
            self._pace.pause(changed=self.look())
