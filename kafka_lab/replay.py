"""A recorded lesson, looked at without a cluster."""

from __future__ import annotations

from pathlib import Path

from kafka_lab.history import History
from kafka_lab.looking import Looking
from kafka_lab.timeline import Timeline

__all__ = ["Replay"]


class Replay(Looking):
    """Shows a recording in the pictures of a lab; nothing runs.

    Parameters
    ----------
    path : str or pathlib.Path
        What ``lab.record(path)``, ``timeline.save(path)`` or ``kafka-lab demo --record`` wrote.
    partial : bool, default False
        Leave out lines that cannot be read.

    Attributes
    ----------
    timeline : Timeline
        What happened.

    Raises
    ------
    TimelineError
        It is not a recording, or a line of it cannot be read.

    Examples
    --------
    ::

        lesson = Replay("lesson.jsonl")
        lesson.topology().at(12.5)
    """

    def __init__(self, path: str | Path, *, partial: bool = False) -> None:
        self.timeline = Timeline.load(path, partial=partial)
        self._state = History(self.timeline)

    @property
    def brokers(self) -> tuple[str, ...]:
        """The names of the brokers at the end."""
        return self.state.brokers

    def _check_started(self) -> None:
        """Say nothing: a recording is always there."""

    def _condition(self) -> str:
        return "running"

    def _log_file(self, node: str) -> str:  # noqa: ARG002
        return "(recorded)"
