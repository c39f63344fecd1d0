"""A recording as one HTML file that opens in any browser, without Java, Python or a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from kafka_lab.progress import Report, silent
from kafka_lab.views.marks import marks_of
from kafka_lab.views.page import STATIC, module
from kafka_lab.views.view import View

__all__ = ["frames_of", "save_html"]

_MOST_MARKS = 4000
_QUIET_S = 1.0  # between two pictures while nothing worth going to happens
_MOST_S = 20.0  # of drawing one view
_TRIED = 5
_CLOSEST_S = 0.05  # between two pictures whatever happens


def save_html(path: str | Path, views: Sequence[View], title: str, report: Report = silent) -> Path:
    """Write the whole timeline of some views as one self-contained page, and return its path.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; it is replaced.
    views : sequence of View
        All of one timeline, from top to bottom.
    title : str
        What it is a recording of.
    report : callable
        Is told how far the work is: every picture of every moment is drawn.
    """
    timeline = views[0].timeline
    marks = marks_of(timeline, _MOST_MARKS)
    moments = _moments(timeline.moment().at_s, [at_s for at_s, _ in marks])
    names: list[str] = []
    films = []
    for number, view in enumerate(views):
        name = view.scene_of(timeline.moment(0.0)).title.partition(":")[0]
        report(f"Drawing {name}", number, len(views))
        names.append(name)
        films.append(_packed(frames_of(view, _affordable(view, moments))))
    head = _packed({"title": title, "length_s": timeline.moment().at_s, "marks": marks, "names": names})
    page = Template((STATIC / "replay.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        css=(STATIC / "scene.css").read_text(encoding="utf-8"),
        code=module("scene", "player", "film", "replay"),
        recording=" ".join([head, *films]),  # apart, so that the page need not wait for all of them
    )
    path = Path(path)
    path.write_text(page, encoding="utf-8")
    return path


def _packed(value: object) -> str:
    packed = gzip.compress(json.dumps(value, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(packed).decode()


def _moments(length_s: float, marks: Sequence[float]) -> list[tuple[float, float]]:
    """Return the moments that are drawn: what is worth going to, and each second between.

    Close ones are one: it begins with the first of them and shows what there was at the last.
    """
    quiet = (number * _QUIET_S for number in range(int(length_s / _QUIET_S) + 1))
    wanted = sorted({*marks, *quiet, length_s})
    moments: list[tuple[float, float]] = []
    for at_s in wanted:
        if moments and at_s - moments[-1][0] < _CLOSEST_S:
            moments[-1] = (moments[-1][0], at_s)
        else:
            moments.append((at_s, at_s))
    return moments


def _affordable(view: View, moments: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the moments that are drawn of a view: fewer of a costly one, so that it takes some 20 s."""
    tried = moments[:: max(1, len(moments) // _TRIED)]
    begin_s = time.perf_counter()
    for _, at_s in tried:
        view.scene_of(view.timeline.moment(at_s))
    cost_s = (time.perf_counter() - begin_s) / len(tried)
    stride = math.ceil(cost_s * len(moments) / _MOST_S)
    return [*moments[:-1:stride], moments[-1]]


def frames_of(view: View, moments: Sequence[tuple[float, float]]) -> list[list[Any]]:
    """Return a view's pictures at some moments: the first one whole, then what changed since the last.

    A frame is ``[seconds, changes]``; the changed items of the scene are under ``"items"``, None for those
    that are gone. Moments without a change have no frame.
    """
    frames: list[list[Any]] = []
    before: dict[str, Any] = {"items": {}}
    for begin_s, at_s in moments:
        scene = view.scene_of(view.timeline.moment(at_s)).to_dict()
        fields: dict[str, Any] = {
            key: value for key, value in scene.items() if key != "items" and before.get(key) != value
        }
        items: dict[str, Any] = {
            key: item for key, item in scene["items"].items() if before["items"].get(key) != item
        }
        items.update(dict.fromkeys(before["items"].keys() - scene["items"].keys()))
        if items:
            fields["items"] = items
        if fields:
            frames.append([begin_s, fields])
        before = scene
    return frames
