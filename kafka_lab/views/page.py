"""The page code that the live widget and a recording's HTML share."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["STATIC", "module"]

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[\w.]+";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def module(*names: str) -> str:
    """Return ES modules as one: a notebook's widget and a page opened from disk can load no second file.

    Parameters
    ----------
    *names : str
        Without their ending; each after those that it imports.
    """
    texts = [(STATIC / f"{name}.js").read_text(encoding="utf-8") for name in names]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
