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
NODE_ACTS = ("kill", "stop", "restart", "pause", "resume", "expire session", "fail disk", "repair disk")
LINK_ACTS = ("cut", "slow", "drop responses", "reset", "heal")


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

    def stop(self, node: str) -> object:
        """Let a node shut down in order."""

    def restart(self, node: str) -> object:
        """Start a node that is down."""

    def pause(self, node: str) -> object:
        """Freeze a node."""

    def resume(self, node: str) -> object:
        """Let a paused node go on."""

    def expire_session(self, broker: str) -> object:
        """End a broker's session with ZooKeeper."""

    def fail_disk(self, broker: str) -> object:
        """Let a broker's disk refuse writes."""

    def repair_disk(self, broker: str) -> object:
        """Undo that."""

    def cut(self, a: str, b: str) -> object:
        """Cut a link."""

    def slow(self, a: str, b: str, *, latency_ms: float) -> object:
        """Make a link slow."""

    def drop_responses(self, a: str, b: str) -> object:
        """Lose the answers on a link."""

    def reset(self, a: str, b: str) -> object:
        """Tear down the connections of a link, open and new ones."""

    def heal(self, a: str, b: str) -> object:
        """Make a link whole."""

    def heal_all(self) -> object:
        """Bring everything back."""

    def stream(self, topic: str, *, per_s: float) -> Stream:
        """Send messages from now on."""

    def together(self, *views: View) -> Together:
        """Return views under one slider."""


def why_not(act: str, peers: tuple[str, str], state: ClusterState, *, links: bool) -> str:
    """Return why an act is not possible now, or an empty text if it is.

    Examples
    --------
    >>> from kafka_lab.state import NodeState
    >>> state = ClusterState(nodes={"broker-1": NodeState("broker", pid=7, running=True)})
    >>> why_not("restart", ("broker-1", "broker-2"), state, links=False)
    'it runs'
    """
    if act in LINK_ACTS:
        return _why_no_link(act, peers, state, links=links)
    node = state.nodes.get(peers[0])
    if node is None:
        return "there is no such node"
    if not node.pid:
        return "its process is somebody else's"
    down = "" if node.running else "it is down"
    has_zookeeper = any(other.role == "zookeeper" for other in state.nodes.values())
    no_zookeeper = "" if has_zookeeper else "in KRaft there is no session"
    no_broker = "" if node.role == "broker" else "it is no broker"
    reasons = {
        "kill": down,
        "stop": down,
        "restart": "it runs" if node.running else "its disk is broken" if node.disk_failed else "",
        "pause": down or ("it is paused" if node.paused else ""),
        "resume": "" if node.paused else "it is not paused",
        "expire session": no_zookeeper or no_broker or ("" if node.registered else "it has no session"),
        "fail disk": no_broker or ("its disk is broken already" if node.disk_failed else down),
        "repair disk": "" if node.disk_failed else "its disk is not broken",
    }
    return reasons[act]


def _why_no_link(act: str, peers: tuple[str, str], state: ClusterState, *, links: bool) -> str:
    if not links:
        return "this lab has no links: make it with Lab(links=True)"
    if peers[0] == peers[1]:
        return "choose two different nodes"
    roles = [node.role if (node := state.nodes.get(name)) else "" for name in peers]
    if "broker" not in roles or "controller" in roles:
        return "there is no link between these two"
    if act == "drop responses" and roles[0] == "zookeeper":
        return "ZooKeeper asks brokers nothing: choose the broker first"
    broken = tuple(sorted(peers)) in state.links
    if act == "heal":
        return "" if broken else "nothing is broken between these two"
    return "it is broken already" if broken else ""


class Dashboard:
    """Buttons and pictures of one lab; shown in a notebook, it is live until the lab is closed.

    A button only asks: the acts are done one after the other in a thread, so that no cell waits for them.

    Parameters
    ----------
    lab : Controlled
        A running lab.
    *views : View
        What to show of it, from top to bottom.

    Raises
    ------
    ConfigurationError
        There is no view, or one is of another lab.
    """

    def __init__(self, lab: Controlled, *views: View) -> None:
        self._lab = lab
        self._together = lab.together(*views)
        if self._together.timeline is not lab.timeline:
            raise ConfigurationError(
                "a dashboard shows the lab that its buttons break: these are another's views"
            )
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
        narrow: dict[str, Any] = {"layout": w.Layout(width="220px"), "style": {"description_width": "44px"}}
        self._node = w.Dropdown(options=names, description="node", **narrow)
        self._peer = w.Dropdown(options=names, value=names[-1], description="and", **narrow)
        self._topic = w.Dropdown(options=self._topics(), description="topic", **narrow)
        self._buttons: dict[str, Any] = {}
        for name in (*NODE_ACTS, *LINK_ACTS, "heal all", "start stream", "stop stream"):
            button = w.Button(description=name, layout=w.Layout(width="auto"))
            button.on_click(partial(self._ask, name))
            self._buttons[name] = button
        for chosen in (self._node, self._peer, self._topic):
            chosen.observe(lambda _: self._refresh(), names="value")
        self._status = w.Label()
        rows = [
            (self._node, *NODE_ACTS),
            (self._peer, *LINK_ACTS, "heal all"),
            (self._topic, "start stream", "stop stream"),
        ]
        wrapped = w.Layout(flex_flow="row wrap", align_items="center")
        controls = [
            w.HBox([choice, *(self._buttons[name] for name in names)], layout=wrapped)
            for choice, *names in rows
        ]
        self._box = w.VBox([*controls, self._status, make(self._together)])
        self._refresh()

    def _topics(self) -> list[str]:
        return [topic for topic in sorted(self._lab.state.topics) if not topic.startswith("__")]

    def _ask(self, name: str, _button: object) -> None:
        """Ask for an act on what is chosen now; another choice may be made before it is done."""
        node, peer, topic = self._node.value, self._peer.value, self._topic.value
        how = {"latency_ms": _SLOW_MS} if name == "slow" else {}
        if name == "start stream":
            self._wanted.put((f"{name} to {topic}", partial(self._start_stream, topic)))
        elif name == "stop stream":
            self._wanted.put((name, self._stop_stream))
        elif name in NODE_ACTS:
            self._wanted.put((f"{name} {node}", partial(self._act, name, node)))
        elif name in LINK_ACTS:
            self._wanted.put((f"{name} {node} – {peer}", partial(self._act, name, node, peer, **how)))
        else:
            self._wanted.put((name, partial(self._act, name)))

    def _act(self, name: str, *ends: str, **how: float) -> None:
        getattr(self._lab, name.replace(" ", "_"))(*ends, **how)

    def _start_stream(self, topic: str | None) -> None:
        if topic is None:
            raise ConfigurationError("there is no topic yet: lab.create_topic(...) makes one")
        self._stream = self._lab.stream(topic, per_s=_PER_S)

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
