"""What all reports of experiments can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from kafka_lab.table import Table
from kafka_lab.views.scene import Scene, to_html

__all__ = ["Report"]


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
