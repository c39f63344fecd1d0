"""The live widget, and the one thread that feeds all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kafka_lab.timeline import Timeline
from kafka_lab.views.scene import Scene

if TYPE_CHECKING:
    from kafka_lab.views.view import View

__all__ = ["SceneWidget", "live"]

_STATIC = Path(__file__).parent / "static"
_HZ = 20
_log = logging.getLogger(__name__)


class SceneWidget(anywidget.AnyWidget):
    """Draws a scene in the browser and patches it when another one comes."""

    _esm = _STATIC / "scene.js"
    _css = _STATIC / "scene.css"
    scene = traitlets.Dict().tag(sync=True)


def live(view: View, scene: Scene) -> dict[str, Any]:
    """Return the MIME bundle of a widget that shows a view and follows it from now on."""
    widget = SceneWidget(scene=scene.to_dict())
    _sender.add(view, widget)
    made = widget._repr_mimebundle_()
    data: dict[str, Any] = made[0] if isinstance(made, tuple) else made or {}
    return {kind: value for kind, value in data.items() if "widget" in kind}


class _Sender:
    """The only thread that writes to widgets, at most 20 times a second, the latest picture each time.

    It follows a view until the view's timeline has ended, and ends itself when there is none left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grown = threading.Event()
        self._followed: dict[SceneWidget, View] = {}
        self._unfollow: dict[Timeline, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    def add(self, view: View, widget: SceneWidget) -> None:
        """Follow a view with a widget."""
        if view.timeline.ended:
            return
        with self._lock:
            self._followed[widget] = view
            if view.timeline not in self._unfollow:
                self._unfollow[view.timeline] = view.timeline.follow(self._grown.set)
            self._grown.set()  # what happened between drawing and following
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kafka-lab-views", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._grown.wait()
            self._grown.clear()
            begin = time.monotonic()
            with self._lock:
                followed = dict(self._followed)
            for widget, view in followed.items():
                self._update(widget, view)
            with self._lock:
                if not self._followed:
                    self._thread = None
                    return
            # A picture that takes long to draw is drawn less often: at most a fifth of the time.
            pause.wait(max(1 / _HZ, 4 * (time.monotonic() - begin)))

    def _update(self, widget: SceneWidget, view: View) -> None:
        ended = view.timeline.ended
        try:
            widget.scene = view.scene().to_dict()
        except Exception:  # noqa: BLE001 - whatever it is, the other views go on
            _log.exception("a view could not be drawn; it is not followed any longer")
            ended = True
        if ended:
            with self._lock:
                self._followed.pop(widget, None)
                if view.timeline not in {other.timeline for other in self._followed.values()}:
                    self._unfollow.pop(view.timeline, lambda: None)()


_sender = _Sender()
