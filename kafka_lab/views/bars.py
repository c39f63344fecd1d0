"""Bars on one axis: a few figures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Scene

__all__ = ["Bar", "bars_scene"]

_LEFT, _RIGHT, _ROW, _TOP = 300, 620, 34, 50


@dataclass(frozen=True)
class Bar:
    """One figure: what it is, how much, how that is written, and whether it is a bad sign."""

    label: str
    value: float
    text: str
    alarming: bool = False


def bars_scene(title: str, desc: str, bars: Sequence[Bar], table: Table) -> Scene:
    """Return a picture of bars, the longest as wide as the picture.

    Parameters
    ----------
    title, desc : str
        The headline; what the figures are, in a sentence.
    bars : sequence of Bar
        From top to bottom.
    table : Table
        The same figures as text.
    """
    most = max((bar.value for bar in bars), default=0.0) or 1.0
    scene = Scene(
        size=(_LEFT + _RIGHT + 90, 64 + _ROW * len(bars)),
        title=title,
        desc=desc,
        table=table,
        layers=("bars",),
    )
    scene.items["headline"] = ("bars", s.label(16, 28, f"{title}: {desc}", font_weight=700, font_size=15))
    for number, bar in enumerate(bars):
        y = _TOP + _ROW * number
        width = max(1.0, _RIGHT * bar.value / most)
        mark = "⚠ " if bar.alarming else ""
        parts = [
            s.label(_LEFT - 12, y + 15, bar.label, text_anchor="end"),
            s.rounded(_LEFT, y, width, 22, 4, fill=s.VERMILION if bar.alarming else s.BLUE),
            s.label(_LEFT + width + 8, y + 15, f"{mark}{bar.text}", font_weight=600),
        ]
        scene.add(bar.label, "bars", f"{bar.label}: {bar.text}", parts)
    return scene
