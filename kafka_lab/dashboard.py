"""The pictures of a running lab with buttons to break it, arranged for a projector."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kafka_lab.errors import ConfigurationError, KafkaLabError
from kafka_lab.showing import told_to
from kafka_lab.state import ClusterState
from kafka_lab.timeline import Timeline

if TYPE_CHECKING:
    from kafka_lab.stream import Stream
    from kafka_lab.views import Together, View

__all__ = ["Dashboard"]

_PER_S = 10.0
_SLOW_MS = 200.0
_REST = "Choose a node, then an act."


class Controlled(Protocol):
    """What the dashboard needs of a lab; :class:`kafka_lab.Lab` documents what each does."""

    timeline: Timeline

    @property
    def state(self) -> ClusterState:
        """The cluster at this moment."""

    @property
    def has_links(self) -> bool:
        """Whether connections can be cut."""

    def kill(self, node: str) -> object:
        """End a node at once."""

    def restart(self, node: str) -> object:
        """Start a node that is down."""

    def pause(self, node: str) -> object:
        """Freeze a node."""

    def resume(self, node: str) -> object:
        """Let a paused node go on."""

    def cut(self, a: str, b: str) -> object:
        """Cut a link."""

    def slow(self, a: str, b: str, *, latency_ms: float) -> object:
        """Make a link slow."""

    def heal(self, a: str, b: str) -> object:
        """Make a link whole."""

    def heal_all(self) -> object:
        """Bring everything back."""

    def stream(self, topic: str, *, per_s: float) -> Stream:
        """Send messages from now on."""

    def topology(self) -> View:
        """Return the picture of brokers and replicas."""

    def elections(self) -> View:
        """Return the time axis."""

    def groups(self) -> View:
        """Return the picture of consumer groups."""

    def together(self, *views: View) -> Together:
        """Return views under one slider."""


def why_not(act: str, peers: tuple[str, str], state: ClusterState, *, links: bool) -> str:
    """Return why an act is not possible now, or an empty text if it is.

    Examples
    --------
    >>> from kafka_lab.state import NodeState
    >>> state = ClusterState(nodes={"broker-1": NodeState("broker", running=True)})
    >>> why_not("restart", ("broker-1", "broker-2"), state, links=False)
    'it runs'
    """
    node = state.nodes.get(peers[0])
    if act in ("cut", "slow", "heal"):
        if not links:
            return "this lab has no links: make it with Lab(links=True)"
        if peers[0] == peers[1]:
            return "choose two different nodes"
        broken = tuple(sorted(peers)) in state.links
        if act == "heal":
            return "" if broken else "nothing is broken between these two"
        return "it is broken already" if broken else ""
    if node is None:
        return "there is no such node"
    reasons = {
        "kill": "it is down" if not node.running else "",
        "restart": "it runs" if node.running else "",
        "pause": "it is down" if not node.running else "it is paused" if node.paused else "",
        "resume": "" if node.paused else "it is not paused",
    }
    return reasons[act]


class Dashboard:
    """Buttons and pictures of one lab; shown in a notebook, it is live until the lab is closed.

    A button only asks: the acts are done one after the other in a thread, so that no cell waits for them.

    Parameters
    ----------
    lab : Controlled
        A running lab.
    """

    def __init__(self, lab: Controlled) -> None:
        self._lab = lab
        self._wanted: queue.SimpleQueue[tuple[str, Callable[[], object]] | None] = queue.SimpleQueue()
        self._doing = ""
        self._last = _REST
        self._stream: Stream | None = None
        self._cell_runs = True  # the one that shows this
        self._drawn = threading.RLock()  # a refresh moves choices, which asks for another one
        self._box: Any = None
        self._hooks = {
            "pre_run_cell": partial(self._on_cell, runs=True),
            "post_run_cell": partial(self._on_cell, runs=False),
        }

    def _ipython_display_(self) -> None:
        from IPython import get_ipython
        from IPython.display import display

        if self._box is not None:  # shown before: the same controls again
            display(self._box)  # type: ignore[no-untyped-call]
            return
        self._build()
        self._unfollow = self._lab.timeline.follow(lambda: self._wanted.put(None))
        threading.Thread(target=self._work, name="kafka-lab-dashboard", daemon=True).start()
        shell = get_ipython()
        for moment, call in self._hooks.items():
            shell.events.register(moment, call)
        display(self._box)  # type: ignore[no-untyped-call]

    def _build(self) -> None:
        """Make the widgets."""
        import ipywidgets as w

        from kafka_lab.views.widget import make

        names = list(self._lab.state.nodes)
        self._node = w.Dropdown(options=names, description="node")
        self._peer = w.Dropdown(options=names, value=names[-1], description="and")
        self._topic = w.Dropdown(options=self._topics(), description="topic")
        self._buttons: dict[str, Any] = {}
        acts: dict[str, Callable[[], object]] = {
            "kill": lambda: self._lab.kill(self._node.value),
            "restart": lambda: self._lab.restart(self._node.value),
            "pause": lambda: self._lab.pause(self._node.value),
            "resume": lambda: self._lab.resume(self._node.value),
            "cut": lambda: self._lab.cut(self._node.value, self._peer.value),
            "slow": lambda: self._lab.slow(self._node.value, self._peer.value, latency_ms=_SLOW_MS),
            "heal": lambda: self._lab.heal(self._node.value, self._peer.value),
            "heal all": self._lab.heal_all,
            "start stream": self._start_stream,
            "stop stream": self._stop_stream,
        }
        for name, act in acts.items():
            button = w.Button(description=name, layout=w.Layout(width="auto"))
            button.on_click(partial(self._ask, name, act))
            self._buttons[name] = button
        for chosen in (self._node, self._peer, self._topic):
            chosen.observe(lambda _: self._refresh(), names="value")
        self._status = w.Label()
        of = self._buttons
        self._box = w.VBox([
            w.HBox([self._node, of["kill"], of["restart"], of["pause"], of["resume"], of["heal all"]]),
            w.HBox([self._peer, of["cut"], of["slow"], of["heal"]]),
            w.HBox([self._topic, of["start stream"], of["stop stream"], self._status]),
            make(self._lab.together(self._lab.topology(), self._lab.elections(), self._lab.groups())),
        ])
        self._refresh()

    def _topics(self) -> list[str]:
        return [topic for topic in sorted(self._lab.state.topics) if not topic.startswith("__")]

    def _ask(self, name: str, act: Callable[[], object], _button: object) -> None:
        where = "" if name in ("heal all", "stop stream") else f" {self._node.value}"
        if name in ("cut", "slow", "heal"):
            where += f" – {self._peer.value}"
        if name == "start stream":
            where = f" to {self._topic.value}"
        self._wanted.put((name + where, act))

    def _start_stream(self) -> None:
        if self._topic.value is None:
            raise ConfigurationError("there is no topic yet: lab.create_topic(...) makes one")
        self._stream = self._lab.stream(self._topic.value, per_s=_PER_S)

    def _stop_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _on_cell(self, *_: object, runs: bool) -> None:
        self._cell_runs = runs
        if not self._lab.timeline.ended:
            self._wanted.put(None)

    def _work(self) -> None:
        from IPython import get_ipython

        self._live_until_the_end()
        for moment, call in self._hooks.items():
            get_ipython().events.unregister(moment, call)
        self._unfollow()
        self._stop_stream()
        self._last = "The lab is closed; the pictures can still be looked back at."
        self._refresh()

    def _live_until_the_end(self) -> None:
        """Do what was asked for, and draw the controls anew after each event; ends with the lab."""
        while not self._lab.timeline.ended:
            wanted = self._wanted.get()
            if wanted is not None:
                self._do(*wanted)
            elif self._wanted.empty():
                self._refresh()

    def _do(self, name: str, act: Callable[[], object]) -> None:
        self._doing = name
        self._refresh()
        try:
            with told_to(self._tell):
                act()
            self._last = f"✓ {name}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the buttons go on
            what = "" if isinstance(error, KafkaLabError) else f"{type(error).__name__}: "
            self._last = f"✕ {name}: {what}{(str(error).splitlines() or [''])[0]}"
        finally:
            self._doing = ""
            self._refresh()

    def _tell(self, step: str, done: int, total: int) -> None:
        share = f" {done}/{total}" if total else ""
        self._status.value = f"… {self._doing}: {step}{share}"

    def _refresh(self) -> None:
        """Say what is possible now, and of what is not, why."""
        with self._drawn:
            state, ended = self._lab.state, self._lab.timeline.ended
            for choice, options in (
                (self._node, tuple(state.nodes)),
                (self._peer, tuple(state.nodes)),
                (self._topic, tuple(self._topics())),
            ):
                _offer(choice, options)
            peers = (self._node.value, self._peer.value)
            for name, button in self._buttons.items():
                reason = self._reason(name, state, peers, ended=ended)
                button.disabled = bool(reason)
                button.tooltip = f"{name}: not possible, {reason}" if reason else name
            waiting = (
                " · a cell is running: clicks wait until it has ended"
                if self._cell_runs and not ended
                else ""
            )
            self._status.value = f"… {self._doing}" if self._doing else self._last + waiting

    def _reason(self, act: str, state: ClusterState, peers: tuple[str, str], *, ended: bool) -> str:
        if ended:
            return "the lab is closed"
        if self._doing:
            return f"busy: {self._doing}"
        if act == "heal all":
            return ""
        if act == "start stream":
            return "it runs" if self._stream else "" if self._topic.value else "there is no topic"
        if act == "stop stream":
            return "" if self._stream else "none runs"
        return why_not(act, peers, state, links=self._lab.has_links)


def _offer(choice: Any, options: tuple[str, ...]) -> None:  # noqa: ANN401 - an ipywidgets Dropdown
    """Let a person choose among these; what is chosen stays if it is among them."""
    if tuple(choice.options) != options:
        chosen = choice.value
        choice.options = options
        choice.value = chosen if chosen in options else next(iter(options), None)
