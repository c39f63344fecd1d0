"""The demonstration as a show: a full screen on a projector, an act at a time, when a key is pressed."""

from __future__ import annotations

import os
import random
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from kafka_lab.errors import KafkaLabError
from kafka_lab.events import LeaderChanged, NotificationStored
from kafka_lab.lab import Lab
from kafka_lab.ledger import Account
from kafka_lab.openim.office import Office
from kafka_lab.openim.records import MESSAGES_TOPIC
from kafka_lab.openim.service import OpenIM
from kafka_lab.progress import silent
from kafka_lab.showing import told_to
from kafka_lab.table import Table, plain
from kafka_lab.views.marks import Marks
from kafka_lab.views.terminal import screen

__all__ = ["Show"]

_PEOPLE = ("ada", "ben", "cleo", "dora")
_REFRESH_S = 0.25
_WAIT_S = 60.0
_PATIENCE_S = 15.0
_LAST, _SHOWN = 6, 8
_KEY_BYTES = 32
# What a terminal sends: space, return, right, page down (a presenter's remote); q, and escape alone.
_NEXT = frozenset({" ", "\r", "\n", "\x1b[C", "\x1b[6~"})
_END = frozenset({"q", "\x1b"})


@dataclass(frozen=True)
class Act:
    """One step of the show: what is said before it, and what happens when the key is pressed."""

    title: str
    question: str
    do: Callable[[], object]


class Show:
    """A lab, an office that notifies people, and what is done to them; the screen follows.

    Parameters
    ----------
    lab : Lab
        A running lab; it is left running, and whole if the show was not ended early.
    console : rich.console.Console
        Where to. If it is no terminal, the acts follow one another and each is a line.
    seed : int
        Of whose notifications are watched, and whose broker dies.

    Attributes
    ----------
    account : Account or None
        What was accepted, stored and lost, at the end.
    """

    def __init__(self, lab: Lab, console: Console, seed: int) -> None:
        self._lab = lab
        self._console = console
        self._person = random.Random(seed).choice(_PEOPLE)  # noqa: S311 - no secret
        self._openim: OpenIM | None = None
        self._office: Office | None = None
        self._victim = ""
        self._marks = Marks()
        self._act: Act | None = None
        self._doing = False
        self.account: Account | None = None

    def run(self) -> bool:
        """Play it; return False if it was ended early.

        Raises
        ------
        KafkaLabError
            Something did not happen in time.
        """
        acts = (
            Act("An office notifies its people", "Where do a notification's copies go?", self._open_office),
            Act(
                "The leader dies",
                "Who leads now? Does anybody miss a message, or get one twice?",
                self._kill_leader,
            ),
            Act("The broker comes back", "Does it lead again?", self._restart),
            Act("A worker dies", "Who stores what it had in its hands?", self._kill_worker),
            Act("The account", "Does it add up?", self._count),
        )
        try:
            with self._keys() as pressed, self._screen():
                for act in acts:
                    self._act = act
                    if not self._console.is_terminal:
                        self._console.print(f"{act.title}. {act.question}", markup=False)
                    if not self._wait_for_key(pressed):
                        return False
                    self._perform(act)
            return True
        finally:
            if self._office is not None:
                self._office.close()

    # The acts ------------------------------------------------------------------------------------

    def _open_office(self) -> None:
        self._openim = self._lab.openim()
        self._office = self._openim.office(*_PEOPLE, per_s=8)
        self._lab.timeline.wait_for(NotificationStored, user=self._person, timeout_s=_WAIT_S, since=0)

    def _kill_leader(self) -> None:
        lab = self._lab
        stored = lab.timeline.find(NotificationStored, user=self._person)
        assert stored is not None  # noqa: S101 - the act before waited for it
        self._victim = lab.leader_of(MESSAGES_TOPIC, stored.partition) or lab.brokers[0]
        begin = len(lab.timeline)
        lab.kill(self._victim)
        lab.timeline.wait_for(
            LeaderChanged, topic=MESSAGES_TOPIC, partition=stored.partition, since=begin, timeout_s=_WAIT_S
        )

    def _restart(self) -> None:
        self._lab.restart(self._victim)
        self._lab.heal_all()  # which waits until every ISR is full
        self._lab.elect_preferred(MESSAGES_TOPIC)

    def _kill_worker(self) -> None:
        openim = self._running
        openim.kill_worker(next(row[0] for row in openim.workers().rows if row[1] == "mongo"))
        openim.start_worker("mongo")

    def _count(self) -> None:
        assert self._office is not None  # noqa: S101 - the first act opens it
        self._office.close()
        self.account = self._running.account(wait_s=_WAIT_S)

    @property
    def _running(self) -> OpenIM:
        assert self._openim is not None  # noqa: S101 - the first act starts it
        return self._openim

    def _perform(self, act: Act) -> None:
        """Do an act while the screen goes on.

        Raises
        ------
        KafkaLabError
            It failed.
        """
        failed: list[Exception] = []

        def do() -> None:
            try:
                with told_to(silent):  # a progress bar would draw into the show
                    act.do()
            except Exception as error:  # noqa: BLE001 - raised below
                failed.append(error)

        self._doing = True
        thread = threading.Thread(target=do, name="kafka-lab-act", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_REFRESH_S)
                self._draw()
        finally:  # interrupted: what is being done ends before the lab is closed
            thread.join(_PATIENCE_S)
            self._doing = False
        if failed:
            raise KafkaLabError(f"{act.title}: {failed[0]}") from failed[0]

    # The screen ----------------------------------------------------------------------------------

    @contextmanager
    def _screen(self) -> Iterator[None]:
        self._live: Live | None = None
        if not self._console.is_terminal:
            yield
            return
        with Live(self._picture(), console=self._console, screen=True, auto_refresh=False) as self._live:
            yield
        self._live = None

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        lab = self._lab
        self._marks.follow(lab.timeline)
        whole = Layout()
        whole.split_column(Layout(self._head(), size=5), Layout(name="body"))
        whole["body"].split_row(Layout(name="left", ratio=3), Layout(name="right", ratio=2))
        now = lab.timeline.moment().at_s
        whole["left"].update(screen(lab.state, self._marks.last(_LAST), now, "the lab", (MESSAGES_TOPIC,)))
        whole["right"].split_column(
            Layout(self._inbox()), Layout(self._accounted(), size=14 if self._openim else 3)
        )
        return whole

    def _head(self) -> RenderableType:
        act = self._act
        title, question = (act.title, act.question) if act else ("", "")
        keys = "… watch" if self._doing else "space: go on    q: end"
        return Panel(Text.assemble((f"{question}\n", "bold"), (keys, "dim")), title=title, title_align="left")

    def _inbox(self) -> RenderableType:
        table = RichTable(title=f"The inbox of {self._person}", title_justify="left", expand=True)
        for name in ("seq", "from", "text"):
            table.add_column(name, overflow="ellipsis", no_wrap=True)
        if self._openim is not None:
            newest = self._openim.inbox.newest_seq(self._person)
            for message in self._openim.inbox.messages(self._person, after_seq=max(0, newest - _SHOWN)):
                table.add_row(str(message.seq), plain(message.nickname), Text(plain(message.text)))
        return table

    def _accounted(self) -> RenderableType:
        if self._openim is None:
            return Text("")
        found: Table = (self.account or self._openim.account()).table()
        table = RichTable(title="The account", title_justify="left", expand=True, show_header=False)
        for _ in found.columns:
            table.add_column(overflow="ellipsis", no_wrap=True)
        for row in found.rows:
            table.add_row(*row)
        return table

    # Keys ----------------------------------------------------------------------------------------

    @property
    def _paced(self) -> bool:
        """Whether there is somebody to press keys."""
        return self._console.is_terminal and sys.stdin.isatty()

    @contextmanager
    def _keys(self) -> Iterator[Callable[[], str]]:
        """Yield what returns a key that was pressed; without a terminal the show goes on alone."""
        if not self._paced:
            yield lambda: " "
            return
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            yield _pressed
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)

    def _wait_for_key(self, pressed: Callable[[], str]) -> bool:
        """Return True when the show is to go on, False when it is to end."""
        if self._paced:
            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was pressed during the last act was not meant
        while True:
            self._draw()
            key = pressed()
            if key in _NEXT:
                return True
            if key in _END:
                return False


def _pressed() -> str:
    """Return a key, if one is pressed soon."""
    ready, _, _ = select.select([sys.stdin], [], [], _REFRESH_S)
    return os.read(sys.stdin.fileno(), _KEY_BYTES).decode(errors="replace") if ready else ""
