"""How often to look: often while things happen, seldom while they do not, and never for most of the time."""

from __future__ import annotations

import threading
import time

from kafka_lab.events import (
    BrokerLost,
    BrokerRegistered,
    FaultEnded,
    FaultStarted,
    IsrExpanded,
    IsrShrunk,
    LeaderChanged,
    LeaderLost,
    TopicCreated,
)
from kafka_lab.timeline import Timeline

__all__ = ["Pace", "Steady"]

_LEAST_S, _MOST_S = 0.2, 2.0
_SHARE = 0.1  # of the time that looking may take
_LONGEST_S = 5.0  # a pause, however long looking took
_STIRS = frozenset((
    BrokerLost,
    BrokerRegistered,
    FaultEnded,
    FaultStarted,
    IsrExpanded,
    IsrShrunk,
    LeaderChanged,
    LeaderLost,
    TopicCreated,
))


class Pace:
    """The pauses between looks at a cluster, which end early when the timeline shows that something happened.

    Parameters
    ----------
    timeline : Timeline
        Whose events end a pause.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._seen = len(timeline)
        self._lock = threading.Lock()
        self._stir = threading.Event()
        self._interval_s = _LEAST_S
        self._begin_s = time.monotonic()
        self._unfollow = timeline.follow(self._on_event)

    def pause(self, *, changed: bool) -> None:
        """Wait until it is time to look again.

        Parameters
        ----------
        changed : bool
            The last look saw something new: the pause is short. Else each is twice as long as the one before.
        """
        took_s = time.monotonic() - self._begin_s
        self._interval_s = _LEAST_S if changed else min(2 * self._interval_s, _MOST_S)
        if self._stir.wait(max(self._interval_s, min(took_s / _SHARE, _LONGEST_S))):
            self._interval_s = _LEAST_S
        self._stir.clear()
        self._begin_s = time.monotonic()

    def close(self) -> None:
        """End the pause, and follow the timeline no longer."""
        self._unfollow()
        self._stir.set()

    def _on_event(self) -> None:
        with self._lock:  # events come from several threads
            new = self._timeline.since(self._seen)
            self._seen += len(new)
        if not _STIRS.isdisjoint(map(type, new)):
            self._stir.set()


class Steady:
    """Pauses of one length, for what must be seen soon whether or not something seems to happen.

    Parameters
    ----------
    interval_s : float
        From the end of a look to the next, in seconds.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._closed = threading.Event()

    def pause(self, *, changed: bool) -> None:  # noqa: ARG002
        """Wait until it is time to look again."""
        self._closed.wait(self._interval_s)

    def close(self) -> None:
        """End the pause."""
        self._closed.set()
