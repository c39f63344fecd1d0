"""A picture of a timeline at a moment, or of the present one: live where a notebook can do that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import networkx as nx

from kafka_lab import cells
from kafka_lab.errors import ConfigurationError
from kafka_lab.table import plain
from kafka_lab.timeline import Moment, Timeline
from kafka_lab.views.scene import Scene, to_html, to_svg

__all__ = ["Figure", "Shown", "Together", "View"]


class Figure:
    """A still picture: what a saved notebook shows, in JupyterLab without a kernel and anywhere else.

    Parameters
    ----------
    scenes : sequence of Scene
        One below the other.
    caption : str
        What to see in it.
    """

    def __init__(self, scenes: tuple[Scene, ...], caption: str) -> None:
        self.scenes = scenes
        self.caption = caption

    def to_html(self) -> str:
        """Return it as HTML, with an alternative text and a table for each picture."""
        said = f"<p><strong>{escape(self.caption)}</strong></p>" if self.caption else ""
        return said + "".join(map(to_html, self.scenes))

    def __repr__(self) -> str:
        texts = [
            f"{plain(scene.title)}. {plain(scene.desc)}.\n{scene.table.to_text()}" for scene in self.scenes
        ]
        return "\n\n".join([plain(self.caption), *texts] if self.caption else texts)

    def bundle(self) -> dict[str, Any]:
        """Return it in the kinds of data that readers of notebooks know."""
        bundle = {"text/plain": repr(self), "text/html": self.to_html()}
        if len(self.scenes) == 1:
            bundle["image/svg+xml"] = to_svg(self.scenes[0])
        return bundle

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return self.bundle()


class Shown(ABC):
    """What one or several views have in common.

    In JupyterLab it shows itself as a live widget with a slider over the timeline, and as a still picture for
    every other reader of the notebook; ``print(view)`` gives a table.
    """

    def __init__(self) -> None:
        self._display_id: str | None = None
        self._let_go: Callable[[], None] = lambda: None

    @property
    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """The views that are shown, in order."""

    @property
    @abstractmethod
    def at_s(self) -> float | None:
        """The moment that is shown, in seconds of the timeline's clock; None for the present one."""

    @abstractmethod
    def at(self, at_s: float) -> Self:
        """Return the same as it was at a moment, in seconds of the timeline's clock.

        Raises
        ------
        ConfigurationError
            It is before the beginning.
        """

    @property
    def timeline(self) -> Timeline:
        """What is shown."""
        return self.views[0].timeline

    def snapshot(self, caption: str = "") -> Figure:
        """Return what is shown now as a still picture, which stays in the notebook."""
        return Figure(tuple(view.scene() for view in self.views), caption)

    def freeze(self, caption: str = "") -> None:
        """Replace the live picture, where it was shown last, by a still one of this moment.

        Raises
        ------
        ConfigurationError
            It was not shown yet.
        """
        if self._display_id is None:
            raise ConfigurationError("nothing to freeze: this view was not shown in a notebook yet")
        from IPython.display import update_display

        self._let_go()
        bundle = self.snapshot(caption).bundle()
        update_display(bundle, raw=True, display_id=self._display_id)  # type: ignore[no-untyped-call]

    def to_html(self) -> str:
        """Return the pictures as HTML, with an alternative text and a table for each."""
        return self.snapshot().to_html()

    def to_text(self) -> str:
        """Return what is shown as tables of text."""
        return repr(self.snapshot())

    def __repr__(self) -> str:
        return self.to_text()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = self.snapshot().bundle()
        self._let_go()  # of a picture that was shown before
        if cells.in_kernel():
            from kafka_lab.views.widget import live

            widget, self._let_go = live(self)
            bundle.update(widget)
            cells.replace(self._let_go)
        self._display_id = uuid4().hex
        display(bundle, raw=True, display_id=self._display_id)  # type: ignore[no-untyped-call]


class View(Shown):
    """One kind of picture of one timeline.

    Parameters
    ----------
    timeline : Timeline
        What is shown.
    draw_graph : callable
        Returns the networkx graph of a moment.
    draw_scene : callable
        Returns the picture of such a graph.
    at_s : float, optional
        Which moment, in seconds; by default the present one, whenever it is looked at.
    flows : bool, default False
        It changes as time goes by, even if nothing happens.
    """

    def __init__(
        self,
        timeline: Timeline,
        draw_graph: Callable[[Moment], nx.MultiDiGraph],
        draw_scene: Callable[[nx.MultiDiGraph], Scene],
        *,
        at_s: float | None = None,
        flows: bool = False,
    ) -> None:
        super().__init__()
        self._timeline = timeline
        self._draw_graph = draw_graph
        self._draw_scene = draw_scene
        self._at_s = at_s
        self.flows = flows

    @property
    def timeline(self) -> Timeline:
        """What is shown."""
        return self._timeline

    @property
    def views(self) -> tuple[View, ...]:
        """The view itself."""
        return (self,)

    @property
    def at_s(self) -> float | None:
        """The moment that is shown, in seconds of the timeline's clock; None for the present one."""
        return self._at_s

    def at(self, at_s: float) -> View:
        """Return this view as it was at a moment, in seconds of the timeline's clock.

        Raises
        ------
        ConfigurationError
            It is before the beginning.
        """
        if at_s < 0:
            raise ConfigurationError(f"{at_s} s is before the timeline's beginning; expected 0 or more")
        return View(self._timeline, self._draw_graph, self._draw_scene, at_s=at_s, flows=self.flows)

    def graph(self) -> nx.MultiDiGraph:
        """Return what is shown as a networkx graph, yours to work with."""
        return self._draw_graph(self._timeline.moment(self._at_s))

    def scene(self) -> Scene:
        """Return the picture as data."""
        return self.scene_of(self._timeline.moment(self._at_s))

    def scene_of(self, moment: Moment) -> Scene:
        """Return the picture of any moment as data."""
        return self._draw_scene(self._draw_graph(moment))

    def to_svg(self) -> str:
        """Return the picture as a stand-alone SVG."""
        return to_svg(self.scene())

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, as SVG, and return its path."""
        path = Path(path)
        path.write_text(self.to_svg(), encoding="utf-8")
        return path


class Together(Shown):
    """Several views of one timeline, which share the slider.

    Parameters
    ----------
    *views : View
        From top to bottom.

    Raises
    ------
    ConfigurationError
        There is none, or they are of different timelines.
    """

    def __init__(self, *views: View) -> None:
        super().__init__()
        if len({(view.timeline, view.at_s) for view in views}) != 1:
            raise ConfigurationError(
                "views that share a slider must be of one lab or recording, at one moment"
            )
        self._views = views

    @property
    def views(self) -> tuple[View, ...]:
        """The views, from top to bottom."""
        return self._views

    @property
    def at_s(self) -> float | None:
        """The moment that all of them show."""
        return self._views[0].at_s

    def at(self, at_s: float) -> Together:
        """Return the same as it was at a moment, in seconds of the timeline's clock."""
        return Together(*(view.at(at_s) for view in self._views))
