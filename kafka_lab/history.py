"""The state of a cluster at any moment of its timeline, found fast enough to drag a slider along it."""

from __future__ import annotations

import threading

from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline

__all__ = ["History"]

_EVERY = 256  # events between two states that are kept: what one look back may have to fold again


class History:
    """The states of a timeline that may still grow; each event is folded once as it comes.

    States share what did not change, so that keeping one for every 256 events costs little.

    Parameters
    ----------
    timeline : Timeline
        Whose states.

    Examples
    --------
    >>> from kafka_lab.events import ControllerElected, ControllerLost
    >>> timeline = Timeline()
    >>> history = History(timeline)
    >>> for event in (ControllerElected("broker-1"), ControllerLost("broker-1")):
    ...     _ = timeline.append(event)
    >>> history.now().controller, history.after(1).controller
    (None, 'broker-1')
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._kept = [ClusterState()]  # the states after 0, 256, 512 ... events
        self._state = ClusterState()
        self._folded = 0

    def now(self) -> ClusterState:
        """Return the state after everything the timeline has now."""
        with self._lock:
            self._fold()
            return self._state

    def after(self, count: int) -> ClusterState:
        """Return the state after the first ``count`` events."""
        with self._lock:
            self._fold()
            if count >= self._folded:
                return self._state
            kept = count // _EVERY
            return ClusterState.after(self._timeline.since(kept * _EVERY, count), self._kept[kept])

    def _fold(self) -> None:
        """Fold what is new, up to each state that is kept."""
        while new := self._timeline.since(self._folded, len(self._kept) * _EVERY):
            self._state = ClusterState.after(new, self._state)
            self._folded += len(new)
            if self._folded == len(self._kept) * _EVERY:
                self._kept.append(self._state)
