"""A picture of a timeline: asked for anew whenever it is looked at, live where a notebook can do that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx

from kafka_lab import cells
from kafka_lab.timeline import Timeline
from kafka_lab.views.scene import Scene, to_html, to_svg

__all__ = ["View"]


class View:
    """One kind of picture of one timeline.

    In JupyterLab it shows itself as a live widget, with a still picture for every other reader of the
    notebook; ``print(view)`` gives a table, ``view.save("picture.svg")`` a file.

    Parameters
    ----------
    timeline : Timeline
        What is shown.
    draw_graph : callable
        Returns the networkx graph of the present moment.
    draw_scene : callable
        Returns the picture of such a graph.
    """

    def __init__(
        self,
        timeline: Timeline,
        draw_graph: Callable[[], nx.MultiDiGraph],
        draw_scene: Callable[[nx.MultiDiGraph], Scene],
    ) -> None:
        self.timeline = timeline
        self._draw_graph = draw_graph
        self._draw_scene = draw_scene

    def graph(self) -> nx.MultiDiGraph:
        """Return what is shown as a networkx graph, yours to work with."""
        return self._draw_graph()

    def scene(self) -> Scene:
        """Return the picture as data."""
        return self._draw_scene(self._draw_graph())

    def to_svg(self) -> str:
        """Return the picture as a stand-alone SVG."""
        return to_svg(self.scene())

    def to_html(self) -> str:
        """Return the picture as HTML, with an alternative text and a table."""
        return to_html(self.scene())

    def to_text(self) -> str:
        """Return what is shown as a table of text."""
        scene = self.scene()
        return f"{scene.title}. {scene.desc}.\n{scene.table.to_text()}"

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, as SVG, and return its path."""
        path = Path(path)
        path.write_text(self.to_svg(), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        scene = self.scene()
        bundle: dict[str, Any] = {
            "text/plain": self.to_text(),
            "text/html": to_html(scene),
            "image/svg+xml": to_svg(scene),
        }
        if cells.in_kernel():
            from kafka_lab.views.widget import live

            bundle.update(live(self, scene))
        return bundle
