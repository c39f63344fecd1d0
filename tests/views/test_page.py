from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kafka_lab.views.page import STATIC, module


def test_modules_become_one() -> None:
    text = module("scene", "player", "widget")
    assert "import {" not in text
    assert text.count("export ") == 1
    assert text.rstrip().endswith("export default { render };")
    for name in ("makePicture", "makePlayer", "render"):
        assert text.count(f"function {name}(") == 1


def test_every_file_is_used() -> None:
    used = {"scene.js", "player.js", "widget.js", "film.js", "replay.js", "scene.css", "replay.html"}
    assert {path.name for path in STATIC.iterdir()} == used


def test_pure_functions_of_the_page_code() -> None:
    node = shutil.which("node")
    if node is None and "KAFKA_LAB_NEEDS_BROWSER" not in os.environ:
        pytest.skip("there is no Node.js")
    assert node is not None
    done = subprocess.run(
        [node, "--test", Path(__file__).parent / "js" / "pages.test.mjs"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
