from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kafka_lab import cli
from kafka_lab.errors import ConfigurationError
from kafka_lab.notebooks_folder import copy_notebooks, shipped_notebooks


@pytest.mark.parametrize("command", [[], ["demo"], ["notebook"], ["fetch"]])
def test_help_helps(command: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_one_broker_is_too_few_to_kill_one() -> None:
    result = CliRunner().invoke(cli.app, ["demo", "--brokers", "1"])
    assert result.exit_code == 2
    assert "greater than or equal to 2" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--profile", "fsat"], "'fsat'; choose one of: lab, fast, kafka-defaults, fragile"),
        (["--stage", "--keep"], "--keep and --json are not for --stage"),
        (["--stage", "--json"], "--keep and --json are not for --stage"),
    ],
)
def test_an_error_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    monkeypatch.setattr("sys.argv", ["kafka-lab", "demo", *options])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_notebooks_are_copied_and_a_learners_work_is_kept(tmp_path: Path) -> None:
    added = copy_notebooks(tmp_path / "mine")
    assert [path.name for path in added] == [path.name for path in shipped_notebooks()]
    added[0].write_text("my own work")
    added[1].unlink()
    assert copy_notebooks(tmp_path / "mine") == [added[1]]
    assert added[0].read_text() == "my own work"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be copied"):
        copy_notebooks(tmp_path / "file" / "mine")
