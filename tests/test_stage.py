"""The show for a projector, in a real terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kafka_lab import Replay
from kafka_lab.events import LeaderChanged, NodeExited

from .waiting import until

pytestmark = pytest.mark.jvm


def test_without_a_terminal_it_plays_alone_and_leaves_a_recording(tmp_path: Path) -> None:
    recording = tmp_path / "show.jsonl"
    command = [sys.executable, "-m", "kafka_lab", "demo", "--stage", "--record", str(recording)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The leader dies. Who leads now?" in done.stdout
    assert "none lost" in done.stdout
    lesson = Replay(recording)
    killed = next(e for e in lesson.timeline if isinstance(e, NodeExited))
    assert lesson.timeline.find(LeaderChanged, since=killed.seq, topic="ws2ms_chat")


def test_in_a_terminal_keys_pace_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kafka_lab", "demo", "--stage", "--record", str(tmp_path / "show.jsonl")]
    master, slave = pty.openpty()
    size = {**os.environ, "COLUMNS": "150", "LINES": "45", "TERM": "xterm-256color"}
    seen = bytearray()

    def shows(text: bytes) -> bool:
        os.set_blocking(master, False)
        with suppress(BlockingIOError):
            seen.extend(os.read(master, 1 << 16))
        return text in seen

    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=size) as show:
        until(lambda: shows(b"An office notifies its people"), timeout_s=90)
        os.write(master, b" ")
        until(lambda: shows(b"The leader dies"), timeout_s=60)
        assert shows(b"The inbox of")
        os.write(master, b"q")
        until(lambda: shows(b"Recorded in"), timeout_s=60)
        assert show.wait(30) == 1
    os.close(master)
    os.close(slave)
    assert (tmp_path / "show.jsonl").stat().st_size > 0
