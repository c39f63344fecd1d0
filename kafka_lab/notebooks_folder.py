"""Where the course's notebooks are, and copies of them for a learner."""

from __future__ import annotations

import shutil
from pathlib import Path

from kafka_lab.errors import ConfigurationError

__all__ = ["copy_notebooks", "shipped_notebooks"]


def shipped_notebooks() -> list[Path]:
    """Return the notebooks that come with the package, in their order.

    Raises
    ------
    ConfigurationError
        There are none: the installation is damaged.
    """
    here = Path(__file__).parent
    for folder in (here / "notebooks", here.parent / "notebooks"):  # installed; a clone
        found = sorted(folder.glob("*.ipynb"))
        if found:
            return found
    raise ConfigurationError("the notebooks are missing: install kafka-lab again")


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the notebooks into a folder, made if need be; return the new copies.

    A file that is there already is a learner's work and stays as it is.

    Raises
    ------
    ConfigurationError
        The folder cannot be made or written.
    """
    added = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in shipped_notebooks():
            copy = folder / notebook.name
            if not copy.exists():
                shutil.copyfile(notebook, copy)
                added.append(copy)
    except OSError as error:
        raise ConfigurationError(f"the notebooks cannot be copied to {folder}: {error}") from error
    return added
