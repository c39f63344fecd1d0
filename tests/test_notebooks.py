"""Every notebook runs from top to bottom, and is committed as a learner should find it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from kafka_lab.notebooks_folder import shipped_notebooks

NOTEBOOKS = shipped_notebooks()
WITHOUT_VIEWS = ("11_offsets_and_the_log", "12_the_textbook_on_trial")
LONGEST = ("12_", "06_", "04_")
MOST_LINES = 12
MARK = "KAFKA_LAB_TEST_NOTEBOOKS"
EXECUTE = """
import pathlib, sys, nbclient, nbformat
source, done = map(pathlib.Path, sys.argv[1:])
notebook = nbformat.read(source, as_version=4)
nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(done.parent)}}).execute()
nbformat.write(notebook, done)
"""


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


def test_their_numbers_say_their_order() -> None:
    numbers = [path.stem[:3] for path in NOTEBOOKS]
    assert all(re.fullmatch(r"\d\d_", number) for number in numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.fixture(scope="module")
def executed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[Any]]]:
    """The notebooks asked for, two at a time, the longest first: more would wait for the processor."""
    asked = [item.callspec.params["path"] for item in request.session.items if "test_it_runs[" in item.name]
    with ThreadPoolExecutor(2) as pool:
        longest_first = sorted(asked, key=lambda path: not path.stem.startswith(LONGEST))
        yield {
            path: pool.submit(execute, path, tmp_path_factory.mktemp("notebook")) for path in longest_first
        }
    assert left_behind() == []


def left_behind() -> list[psutil.Process]:
    """Return what was started by a notebook of this run and is still there."""
    return [
        p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get(MARK) == str(os.getpid())
    ]


def execute(path: Path, folder: Path) -> Any:
    """Execute a notebook, in a process of its own: Jupyter's packages warn."""
    done = folder / path.name
    command = [sys.executable, "-W", "ignore", "-c", EXECUTE, str(path), str(done)]
    marked = {**os.environ, MARK: str(os.getpid())}  # what it starts inherits this
    run = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False, env=marked)
    assert run.returncode == 0, run.stderr[-4000:]
    return nbformat.read(done, as_version=4)


@pytest.mark.jvm
@pytest.mark.notebook
@pytest.mark.timeout(900)  # it can wait for others
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, executed: dict[Path, Future[Any]]) -> None:
    shown = outputs(executed[path].result())
    pictures = [data["text/html"] for data in shown if "<img" in data.get("text/html", "")]
    assert pictures
    assert all("alt=" in picture for picture in pictures)
    live = any("application/vnd.jupyter.widget-view+json" in data for data in shown)
    assert live or path.stem in WITHOUT_VIEWS


def outputs(notebook: Any) -> list[dict[str, Any]]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.data for cell in cells for output in cell.outputs if "data" in output]
