from __future__ import annotations

import itertools

import pytest

from kafka_lab.views import scene as s
from kafka_lab.views.topology import _LOOKS


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


TEXTS = [(ink, fill) for fill, _, _, ink, _ in _LOOKS.values()]
TEXTS += itertools.product((s.INK, s.GREY, s.VERMILION), (s.WHITE, s.PALE_GREY))
TEXTS += [(s.WHITE, s.INK), (s.WHITE, s.GREY), (s.INK, s.PALE_ORANGE)]


@pytest.mark.parametrize(("ink", "fill"), TEXTS)
def test_text_can_be_read(ink: str, fill: str) -> None:
    assert contrast(ink, fill) >= 4.5  # WCAG 2.1, level AA


def test_clipping() -> None:
    assert s.clipped("short", 200) == "short"
    assert s.clipped("a" * 300, 200).endswith("…")
    assert s.clipped("abc", 0) == "a…"
