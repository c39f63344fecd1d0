"""The picture of a partition's log: bytes to offsets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from kafka_lab.logfiles.batches import Batch
from kafka_lab.logfiles.segment import Segment
from kafka_lab.table import Table
from kafka_lab.views import scene as s
from kafka_lab.views.scene import Element, Scene

__all__ = ["MOST_SEGMENTS", "log_scene"]

#: Segments in a picture; of more, the last ones are drawn.
MOST_SEGMENTS = 12
_LEFT, _WIDTH, _TOP, _ROW, _HEIGHT = 150, 760, 84, 78, 34
_NARROWEST = 26.0  # pixels of a batch that has a label; more batches are drawn as one
_LABEL_PX = 6.6


def log_scene(topic: str, partition: int, segments: Sequence[Segment], high_watermark: int | None) -> Scene:
    """Return the picture of a replica's segments.

    Parameters
    ----------
    topic, partition
        Whose they are.
    segments : sequence of Segment
        All of them.
    high_watermark : int, optional
        As the broker noted it last.

    Raises
    ------
    LogFileError
        One cannot be read.
    """
    drawn = segments[-MOST_SEGMENTS:]
    batches = [batch for segment in segments for batch in segment.batches]
    records, size = sum(batch.count for batch in batches), sum(segment.size for segment in segments)
    noted = "" if high_watermark is None else f"; high watermark on disk {high_watermark}"
    left_out = f"; the last {len(drawn)} drawn" if len(drawn) < len(segments) else ""
    scene = Scene(
        size=(_LEFT + _WIDTH + 24, _TOP + _ROW * len(drawn) + 20),
        title=f"The log of {topic}-{partition} on disk",
        desc=f"{len(segments)} segments{left_out}, {size} bytes, {len(batches)} batches, {records} records"
        f"{noted}",
        table=_table(segments),
        layers=("segments", "batches", "index"),
    )
    scene.add_headline("segments", _LEFT + _WIDTH - 16)
    legend = "red ticks: index entries; dashed: records are gone; yellow: a transaction's marker"
    bottom = _TOP + _ROW * len(drawn) + 4
    scene.items["legend"] = ("segments", s.label(16, bottom, legend, fill=s.GREY))
    most = max(1, *(segment.size for segment in drawn))
    for row, segment in enumerate(drawn):
        _draw_segment(scene, segment, _TOP + _ROW * row, _WIDTH / most)
    return scene


def _draw_segment(scene: Scene, segment: Segment, y: float, scale: float) -> None:
    name = str(segment.base_offset)
    lane = [
        s.label(16, y + 15, s.clipped(f"from {name}", _LEFT - 24), font_weight=600),
        s.label(16, y + 31, f"{segment.size} bytes", fill=s.GREY, font_size=11),
        s.rounded(_LEFT, y, max(2.0, segment.size * scale), _HEIGHT, 3, fill=s.PALE_GREY),
    ]
    scene.add(f"segment-{name}", "segments", f"segment {segment.path.name}, {segment.size} bytes", lane)
    for run in _runs(segment.batches, scale):
        _draw_run(scene, run, y, scale)
    ticks: list[Element] = [
        s.path(f"M{_LEFT + entry.position * scale:.1f} {y + _HEIGHT}v9", stroke=s.VERMILION, stroke_width=2)
        for entry in segment.index
    ]
    if ticks:
        what = f"{len(ticks)} index entries of segment {name}"
        note = s.label(_LEFT, y + _HEIGHT + 22, f"{len(ticks)} in .index", fill=s.VERMILION, font_size=11)
        scene.add(f"index-{name}", "index", what, [*ticks[:200], note])


def _runs(batches: Sequence[Batch], scale: float) -> list[list[Batch]]:
    """Return the batches, with those together that would be too narrow to be told apart."""
    runs: list[list[Batch]] = []
    for batch in batches:
        narrow = runs and (runs[-1][-1].end - runs[-1][0].position) * scale < _NARROWEST
        if narrow and runs[-1][-1].control == batch.control:
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return runs


def _draw_run(scene: Scene, run: list[Batch], y: float, scale: float) -> None:
    first, last = run[0], run[-1]
    x, width = _LEFT + first.position * scale, max(2.0, (last.end - first.position) * scale)
    slots = last.last_offset - first.base_offset + 1
    count = sum(batch.count for batch in run)
    control = all(batch.control for batch in run)
    thinned = count < slots
    fill = s.PALE_ORANGE if control else s.PALE_GREY if not count else s.PALE_BLUE
    edge = s.AMBER if control else s.GREY if thinned else s.BLUE
    offsets = str(first.base_offset) if slots == 1 else f"{first.base_offset}-{last.last_offset}"
    what = (
        "a transaction's marker"
        if control
        else f"{count} of {slots} records"
        if thinned
        else f"{count} records"
    )
    parts: list[Element] = [
        s.rounded(x + 0.5, y + 0.5, max(1.0, width - 1), _HEIGHT - 1, 2, fill=fill, stroke=edge,
                  **({"stroke_dasharray": "4 3"} if thinned else {})),
    ]  # fmt: skip
    if len(offsets) * _LABEL_PX < width - 4:
        parts.append(s.label(x + width / 2, y + 21, offsets, text_anchor="middle", font_size=11))
    name = f"offsets {offsets}: {what} in {len(run)} batches, bytes {first.position} to {last.end}"
    scene.add(f"batch-{first.base_offset}-{first.position}", "batches", name, parts)


def _table(segments: Sequence[Segment]) -> Table:
    rows = [
        (
            segment.path.name,
            str(segment.size),
            str(len(segment.batches)),
            str(sum(batch.count for batch in segment.batches)),
            f"{segment.batches[0].base_offset}-{segment.batches[-1].last_offset}" if segment.batches else "-",
            str(len(segment.index)),
            str(len(segment.timeindex)),
            str(_holes(segment.batches)),
        )
        for segment in segments
    ]
    columns = (
        "segment",
        "bytes",
        "batches",
        "records",
        "offsets",
        "index",
        "timeindex",
        "offsets without a record",
    )
    return Table(columns, rows)


def _holes(batches: Sequence[Batch]) -> int:
    """Return how many offsets between the first and the last batch have no record left."""
    inside = sum(batch.last_offset - batch.base_offset + 1 - batch.count for batch in batches)
    between = sum(later.base_offset - earlier.last_offset - 1 for earlier, later in pairwise(batches))
    return inside + between
