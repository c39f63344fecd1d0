"""The live widget, and the one thread that feeds all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kafka_lab.timeline import Timeline
from kafka_lab.views.marks import Marks
from kafka_lab.views.page import STATIC, module

if TYPE_CHECKING:
    from kafka_lab.views.view import Shown

__all__ = ["SceneWidget", "live", "make"]

_HZ = 20
_TICK_S = 1.0  # how often a picture moves on that changes as time goes by
_MARKS = 400  # moments that a slider can go to
_log = logging.getLogger(__name__)


class SceneWidget(anywidget.AnyWidget):
    """Draws scenes in the browser over a slider, and patches them when others come.

    Attributes
    ----------
    scenes : list of dict
        The pictures, from top to bottom.
    marks : list of [float, str]
        The moments that the slider can go to.
    moment : dict
        ``length_s`` of the timeline, whether it is ``live``, and the moment ``answered``, as it was asked.
    asked_s : float or None
        The moment that a person chose in the browser; None for the present one.
    """

    _esm = module("scene", "player", "widget")
    _css = STATIC / "scene.css"
    scenes: Any = traitlets.List().tag(sync=True)
    marks: Any = traitlets.List().tag(sync=True)
    moment = traitlets.Dict().tag(sync=True)
    asked_s = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self.found = Marks()


def make(shown: Shown) -> SceneWidget:
    """Return a widget that shows views and follows them from now on."""
    timeline = shown.timeline
    moment = timeline.moment(shown.at_s)
    widget = SceneWidget(
        scenes=[view.scene_of(moment).to_dict() for view in shown.views],
        moment=_told(timeline, shown.at_s),
        asked_s=shown.at_s,
    )
    widget.marks = _marks(widget, timeline)
    widget.observe(lambda _: _sender.add(shown, widget), names="asked_s")
    _sender.add(shown, widget)
    return widget


def live(shown: Shown) -> tuple[dict[str, Any], Callable[[], None]]:
    """Show views in a widget that follows them from now on.

    Returns
    -------
    dict
        Its MIME bundle.
    callable
        Lets it follow no longer.
    """
    widget = make(shown)
    made = widget._repr_mimebundle_()
    data: dict[str, Any] = made[0] if isinstance(made, tuple) else made or {}
    bundle = {kind: value for kind, value in data.items() if "widget" in kind}
    return bundle, lambda: _sender.drop(widget)


def _marks(widget: SceneWidget, timeline: Timeline) -> list[list[object]]:
    """Return the last moments to go to; each event is looked at once for each widget."""
    widget.found.follow(timeline)
    return [list(mark) for mark in widget.found.last(_MARKS)]


def _told(timeline: Timeline, answered: float | None) -> dict[str, object]:
    return {"length_s": timeline.moment().at_s, "live": not timeline.ended, "answered": answered}


class _Sender:
    """The only thread that writes to pictures, at most 20 times a second, the latest picture each time.

    It follows a timeline until that has ended and every widget shows what was asked of it, and ends itself
    when nothing is left to do; a person who chooses another moment starts it again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._asked = threading.Event()
        self._followed: dict[SceneWidget, Shown] = {}
        self._unfollow: dict[Timeline, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    def add(self, shown: Shown, widget: SceneWidget) -> None:
        """Follow views with a widget, or draw the moment that was just asked for."""
        timeline = shown.timeline
        with self._lock:
            self._followed[widget] = shown
            if timeline not in self._unfollow and not timeline.ended:
                self._unfollow[timeline] = timeline.follow(self._woken.set)
            self._asked.set()
            self._woken.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kafka-lab-views", daemon=True)
                self._thread.start()

    def drop(self, widget: SceneWidget) -> None:
        """Follow with a widget no longer: nobody looks at it, or it is frozen."""
        with self._lock:
            self._forget(widget)
            self._woken.set()

    def _forget(self, widget: SceneWidget) -> None:
        shown = self._followed.pop(widget, None)
        if shown and shown.timeline not in {other.timeline for other in self._followed.values()}:
            self._unfollow.pop(shown.timeline, lambda: None)()

    def _run(self) -> None:
        while True:
            grown = self._woken.wait(_TICK_S)
            self._woken.clear()
            begin = time.monotonic()
            with self._lock:
                followed = dict(self._followed)
            for widget, shown in followed.items():
                if grown or any(view.flows for view in shown.views):
                    self._update(widget, shown)
            with self._lock:
                if not self._followed:
                    self._thread = None
                    return
            # A picture that takes long to draw is drawn less often: at most a fifth of the time, unless a
            # person asks for another moment.
            self._asked.wait(max(1 / _HZ, 4 * (time.monotonic() - begin)))
            self._asked.clear()

    def _update(self, widget: SceneWidget, shown: Shown) -> None:
        timeline = shown.timeline
        ended = timeline.ended
        try:
            asked_s = widget.asked_s
            moment = timeline.moment(asked_s)
            if asked_s is None or widget.moment["answered"] != asked_s:
                widget.scenes = [view.scene_of(moment).to_dict() for view in shown.views]
            widget.marks = _marks(widget, timeline)
            widget.moment = _told(timeline, asked_s)
        except Exception:  # noqa: BLE001 - whatever it is, the other views go on
            _log.exception("a view could not be drawn; it is not followed any longer")
            self.drop(widget)
            return
        with self._lock:
            if ended and widget.asked_s == asked_s:
                self._forget(widget)


_sender = _Sender()
