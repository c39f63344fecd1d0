"""An office that never stops: notifications to a few people, to each one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Self

from kafka_lab.errors import ClosedError, NotificationError
from kafka_lab.threads import Threads

__all__ = ["Office"]


class Office:
    """Sends each person ``notice 1``, ``notice 2`` ... until it is closed; made by ``openim.office()``.

    A thread for each: who waits for a dead leader's successor does not keep the others waiting.

    Parameters
    ----------
    send : callable
        :meth:`OpenIM.send <kafka_lab.openim.service.OpenIM.send>`.
    people : sequence of str
        To whom.
    per_s : float
        How many a second to all together, at most: each waits for the answer to the one before.

    Attributes
    ----------
    answers : collections.Counter
        How many were ``"accepted"``, or failed, by the error's class.
    errors : list of str
        What it was told other than success.
    """

    def __init__(self, send: Callable[..., object], people: Sequence[str], per_s: float) -> None:
        self.answers: Counter[str] = Counter()
        self._send = send
        self._people = people
        self._per_s = per_s
        self.errors: list[str] = []
        self._threads = Threads()

    def start(self) -> None:
        """Begin."""
        self._threads.start({f"office-{person}": partial(self._notify, person) for person in self._people})

    def close(self) -> None:
        """End it after the notifications in hand."""
        self._threads.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        condition = "closed" if self._threads.closing.is_set() else f"{self._per_s:g} a second"
        said = (
            ", ".join(f"{number} {answer}" for answer, number in self.answers.items()) or "nothing sent yet"
        )
        return f"<Office for {', '.join(self._people)}: {condition}, {said}>"

    def _notify(self, person: str) -> None:
        every_s = len(self._people) / self._per_s
        for number in count(1):
            if self._threads.closing.wait(every_s):
                return
            try:
                self._send(person, f"notice {number}")
            except NotificationError as error:
                self.answers[type(error).__name__] += 1
                self.errors.append(f"{person}, notice {number}: {error}")
            except ClosedError:  # OpenIM was closed first
                return
            else:
                self.answers["accepted"] += 1
