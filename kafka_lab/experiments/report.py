"""What all reports of experiments can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kafka_lab.table import Table
from kafka_lab.views.scene import Scene, to_html

__all__ = ["Report", "side_by_side"]


@dataclass(frozen=True)
class Report(ABC):
    """Prints as its table, draws as its scene, serialises as its fields."""

    @abstractmethod
    def table(self) -> Table:
        """Return the figures as text."""

    @abstractmethod
    def scene(self) -> Scene:
        """Return the figures as a picture."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        return self.table().to_text()

    def _repr_html_(self) -> str:
        return to_html(self.scene())


def side_by_side(
    columns: tuple[str, str, str], mine: Iterable[tuple[str, object]], theirs: Iterable[tuple[str, object]]
) -> Table:
    """Return the figures of two reports of one kind, which have the same names in the same order.

    Examples
    --------
    >>> print(side_by_side(("messages", "weak", "safe"), [("lost", 3)], [("lost", 0)]))
    messages  weak  safe
    lost      3     0
    """
    return Table(
        columns,
        [(name, str(one), str(other)) for (name, one), (_, other) in zip(mine, theirs, strict=True)],
    )
