"""An office that never stops: notifications to a few people, one after the other, in a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count

from kafka_lab.errors import ClosedError, NotificationError
from kafka_lab.threads import Threads

__all__ = ["Office"]


class Office:
    """Sends ``notice 1``, ``notice 2`` ... to people in turn until it is closed; made by ``openim.office()``.

    Parameters
    ----------
    send : callable
        :meth:`OpenIM.send <kafka_lab.openim.service.OpenIM.send>`.
    people : sequence of str
        To whom.
    per_s : float
        How many a second, at most: each waits for its answer.

    Attributes
    ----------
    answers : collections.Counter
        How many were ``"accepted"``, or failed, by the error's class.
    """

    def __init__(self, send: Callable[..., object], people: Sequence[str], per_s: float) -> None:
        self.answers: Counter[str] = Counter()
        self._send = send
        self._people = people
        self._every_s = 1 / per_s
        self._threads = Threads()

    def start(self) -> None:
        """Begin, in a thread."""
        self._threads.start({"office": self._work})

    def close(self) -> None:
        """End it after the notification in hand."""
        self._threads.close()

    def __repr__(self) -> str:
        condition = "closed" if self._threads.closing.is_set() else f"{1 / self._every_s:g} a second"
        said = (
            ", ".join(f"{number} {answer}" for answer, number in self.answers.items()) or "nothing sent yet"
        )
        return f"<Office for {', '.join(self._people)}: {condition}, {said}>"

    def _work(self) -> None:
        for number in count(1):
            if self._threads.closing.wait(self._every_s):
                return
            person = self._people[number % len(self._people)]
            try:
                self._send(person, f"notice {number}")
            except NotificationError as error:
                self.answers[type(error).__name__] += 1
            except ClosedError:  # OpenIM was closed first
                return
            else:
                self.answers["accepted"] += 1
