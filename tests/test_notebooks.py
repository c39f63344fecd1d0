"""Every notebook runs from top to bottom, and is committed as a learner should find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from kafka_lab.notebooks_folder import shipped_notebooks

NOTEBOOKS = shipped_notebooks()
MOST_LINES = 12


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_thin_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.language == "python"  # else ruff passes over it in silence
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= MOST_LINES
            assert "sleep" not in cell.source


def test_their_numbers_have_no_gap() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(1, len(NOTEBOOKS) + 1)]


@pytest.mark.jvm
@pytest.mark.notebook
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    before = {p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "java"}
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = [data for data in outputs(notebook) if "image/svg+xml" in data]
    assert pictures
    for data in pictures:
        assert "alt=" in data["text/html"]
        assert "application/vnd.jupyter.widget-view+json" in data
    assert {p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "java"} <= before


def outputs(notebook: Any) -> list[dict[str, Any]]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.data for cell in cells for output in cell.outputs if "data" in output]
