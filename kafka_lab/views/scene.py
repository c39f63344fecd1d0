"""A picture as plain data. Live widget, SVG, HTML and text are all made from it, so they cannot disagree."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

from kafka_lab.table import Table

__all__ = ["Element", "Scene", "arrow", "label", "path", "rounded", "to_html", "to_svg"]

# Okabe and Ito's colours, told apart by most colour-blind people; the two inks are dark enough for text.
BLUE = "#0072B2"
PALE_BLUE = "#E6F2FA"
ORANGE = "#E69F00"
PALE_ORANGE = "#FFF7E6"
VERMILION = "#B34700"
PALE_VERMILION = "#FDF0E6"
GREEN = "#00664B"
AMBER = "#8A5A00"
INK = "#1F2937"
GREY = "#4B5563"
PALE_GREY = "#F3F4F6"
WHITE = "#FFFFFF"
_BROKERS = ("#0072B2", "#8A4B8F", "#00664B", "#8A5A00", "#374151", "#9B2242", "#4A5AB0", "#5B6B00", "#006B78")
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FONT = "DejaVu Sans, Noto Sans CJK SC, Arial, sans-serif"

#: A tag, its attributes, and a text or further elements.
Element = list[Any]


@dataclass
class Scene:
    """One picture.

    Attributes
    ----------
    size : tuple of int
        Width and height.
    title, desc : str
        What it shows in a few words, and in sentences: what a screen reader says.
    table : Table
        The same as text.
    layers : tuple of str
        Names of layers, the lowest first.
    items : dict
        By a key that stays the same from picture to picture: the layer, and the element.
    """

    size: tuple[int, int]
    title: str
    desc: str
    table: Table
    layers: tuple[str, ...]
    items: dict[str, tuple[str, Element]] = field(default_factory=dict)

    def add(self, key: str, layer: str, name: str, parts: Iterable[Element], **attributes: object) -> None:
        """Add an item that has a name of its own for those who cannot see it."""
        group = {"role": "img", "aria-label": name, **_dashed(attributes)}
        self.items[key] = (layer, ["g", group, [["title", {}, name], *parts]])

    def add_headline(self, layer: str, room: float, *more: Element) -> None:
        """Add the title and, below it, the sentences, cut to so much room; and ``more`` that is no item."""
        title = label(16, 26, clipped(self.title, room, 15), font_weight=700, font_size=15)
        self.items["headline"] = (
            layer,
            ["g", {}, [title, label(16, 48, clipped(self.desc, room), fill=GREY), *more]],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as the JSON data that the browser draws."""
        return {
            "size": list(self.size),
            "title": self.title,
            "desc": self.desc,
            "table": {"columns": list(self.table.columns), "rows": [list(r) for r in self.table.rows]},
            "layers": list(self.layers),
            "items": {key: [layer, element] for key, (layer, element) in self.items.items()},
        }


def rounded(x: float, y: float, width: float, height: float, radius: float, **more: object) -> Element:
    """Return a rectangle with round corners."""
    return ["rect", {"x": x, "y": y, "width": width, "height": height, "rx": radius, **_dashed(more)}, []]


def label(x: float, y: float, text: str, **more: object) -> Element:
    """Return a text."""
    return ["text", {"x": x, "y": y, "fill": INK, **_dashed(more)}, text]


def path(d: str, **more: object) -> Element:
    """Return a line."""
    return ["path", {"d": d, "fill": "none", **_dashed(more)}, []]


def colour_of(broker: str) -> str:
    """Return a broker's colour, dark enough for white text; its number always stands beside it."""
    number = broker.rpartition("-")[2]
    return _BROKERS[(int(number) - 1) % len(_BROKERS)] if number.isdigit() else GREY


def arrow(x: float, y: float, direction: str, colour: str) -> Element:
    """Return an arrow head whose tip is at a point; ``direction`` is left, right, up or down."""
    shapes = {"left": "l8 -4.5v9z", "right": "l-8 -4.5v9z", "up": "l-4.5 8h9z", "down": "l-4.5 -8h9z"}
    return ["path", {"d": f"M{x} {y}{shapes[direction]}", "fill": colour}, []]


def clipped(text: str, width: float, size: float = 12) -> str:
    """Return a text cut to what fits a width, in pixels at a font size.

    Examples
    --------
    >>> clipped("a-topic-with-a-long-name", 80)
    'a-topic-w…'
    """
    left = width / (0.62 * size)
    if sum(map(_wide, text)) <= left:
        return text
    kept = ""
    for character in text:
        left -= _wide(character)
        if left < 1 and kept:
            break
        kept += character
    return f"{kept}…"


def clipped_before(text: str, end: str, width: float, size: float = 12) -> str:
    """Return a text with an end that is never cut, such as a partition's number.

    Examples
    --------
    >>> clipped_before("a-topic-with-a-long-name", "-17", 80)
    'a-topi…-17'
    """
    return clipped(text, width - 0.62 * size * len(end), size) + end


def _wide(character: str) -> float:
    """Return how much room a character takes: a Chinese one is a third wider than two Latin ones are."""
    return 1.62 if east_asian_width(character) in "WF" else 1.0


def to_svg(scene: Scene) -> str:
    """Return a stand-alone SVG, with presentation attributes only: no style, no script."""
    width, height = scene.size
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="{FONT}" font-size="12">',
        f"<title>{escape(_xml(scene.title))}</title><desc>{escape(_xml(scene.desc))}</desc>",
        f'<rect width="{width}" height="{height}" fill="{WHITE}"/>',
    ]
    for layer in scene.layers:
        for where, element in scene.items.values():
            if where == layer:
                _write(element, out)
    return "".join([*out, "</svg>"])


def to_html(scene: Scene) -> str:
    """Return a figure with the picture, an alternative text and the table, in one piece."""
    picture = base64.b64encode(to_svg(scene).encode()).decode()
    return (
        f"<figure><img style='max-width:100%' alt={quoteattr(f'{scene.title}. {scene.desc}')} "
        f"src='data:image/svg+xml;base64,{picture}'><details><summary>As text</summary>"
        f"{scene.table.to_html()}</details></figure>"
    )


def _write(element: Element, out: list[str]) -> None:
    tag, attributes, body = element
    out.append(f"<{tag}")
    out.extend(f" {name}={quoteattr(_xml(str(value)))}" for name, value in attributes.items())
    out.append(">")
    if isinstance(body, str):
        out.append(escape(_xml(body)))
    else:
        for child in body:
            _write(child, out)
    out.append(f"</{tag}>")


def _xml(text: str) -> str:
    """Return a text without the characters that XML forbids."""
    return _FORBIDDEN.sub("\ufffd", text)


def _dashed(attributes: dict[str, object]) -> dict[str, object]:
    """Return attributes as SVG spells them: ``stroke_width`` is ``stroke-width``."""
    return {name.replace("_", "-"): value for name, value in attributes.items()}
