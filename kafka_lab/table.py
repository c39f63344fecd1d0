"""A table that stands as text in a terminal and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import bidirectional, category, east_asian_width

__all__ = ["Table", "plain"]

_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@dataclass(frozen=True)
class Table:
    """Columns and rows of text.

    Examples
    --------
    >>> print(Table(("node", "state"), [("broker-1", "running")]))
    node      state
    broker-1  running
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def to_text(self) -> str:
        """Return the table with its columns aligned."""
        lines = [self.columns, *(tuple(map(plain, row)) for row in self.rows)]
        widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in lines
        )

    def to_html(self) -> str:
        """Return the table as HTML; every cell is escaped."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def plain(text: str) -> str:
    r"""Return a text without what would steer a terminal: control characters and marks of direction.

    Examples
    --------
    >>> plain("red \x1b[31m")
    'red �[31m'
    """
    steering = (c for c in text if category(c) == "Cc" or bidirectional(c) in _DIRECTIONS)
    return text.translate(dict.fromkeys(map(ord, steering), "�"))


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
