"""The commands of ``kafka-lab`` about this machine: what it has, what the lab needs, and what it left."""

from __future__ import annotations

import json
import platform
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape

from kafka_lab.cluster import training
from kafka_lab.cluster.distribution import cache_folder, find_java, missing_jars
from kafka_lab.cluster.jars import LOCKED
from kafka_lab.cluster.ports import free_ports
from kafka_lab.cluster.room import MIB, NODE_BYTES, RUN_BYTES
from kafka_lab.cluster.runs import clean_stale, kept_logs, living_runs, stale_runs
from kafka_lab.errors import KafkaLabError
from kafka_lab.table import Table

__all__ = ["Finding", "app", "examine"]

app = typer.Typer()

_NODES = 4  # of the default lab
_OPEN_FILES = 1024
_PACKAGES = ("kafka-lab", "kafka-python", "kazoo", "jupyterlab", "ipykernel", "anywidget", "networkx")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
        Such as ``"Java"``.
    verdict : str
        ``"ok"``, ``"note"`` (nothing to do now) or ``"problem"``.
    found, advice : str
        What there is, and what to do about it.
    """

    what: str
    verdict: str
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at everything that a lab needs; starts and downloads nothing."""
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "packages": _packages,
        "Java": _java,
        "Kafka": _kafka,
        "fast start": _caches,
        "memory": _memory,
        "disk": _disk,
        "open files": _open_files,
        "ports": _ports,
        "labs": _labs,
    }
    findings = []
    for what, look in looks.items():
        try:
            findings += list(look())
        except KafkaLabError as error:
            findings.append(Finding(what, "problem", str(error)))
    return findings


def _packages() -> Iterator[Finding]:
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("packages", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES))


def _java() -> Iterator[Finding]:
    java = find_java()
    if java.version < training.OLDEST_JAVA:
        yield Finding(
            "Java", "note", f"{java.version}, {java.path}", f"{training.OLDEST_JAVA} would start labs faster"
        )
    else:
        yield Finding("Java", "ok", f"{java.version}, {java.path}")


def _kafka() -> Iterator[Finding]:
    for version in LOCKED:
        missing = missing_jars(version)
        if missing:
            yield Finding(
                f"Kafka {version}",
                "note",
                f"{missing} jars are not here yet",
                "kafka-lab fetch, or a first start",
            )
        else:
            yield Finding(f"Kafka {version}", "ok", str(cache_folder() / "maven"))


def _caches() -> Iterator[Finding]:
    folder = cache_folder() / "aot"
    made = [path for path in folder.glob("*") if not path.name.startswith("making-")]
    if made:
        yield Finding("fast start", "ok", f"{len(made)} caches, {_size(folder) // MIB} MiB in {folder}")
    else:
        yield Finding("fast start", "note", "no caches yet", "the first start makes them, in about 10 s")


def _memory() -> Iterator[Finding]:
    free = psutil.virtual_memory().available
    found = f"{free // MIB} MiB free; {_NODES} nodes take about {_NODES * NODE_BYTES // MIB}"
    if free < _NODES * NODE_BYTES:
        yield Finding("memory", "problem", found, "close something, or start fewer brokers")
    else:
        yield Finding("memory", "ok", found)


def _disk() -> Iterator[Finding]:
    folder = cache_folder()
    free = shutil.disk_usage(folder).free
    found = f"{free // MIB} MiB free at {folder}; {_size(folder) // MIB} in use there"
    if free < RUN_BYTES:
        yield Finding("disk", "problem", found, "make room, or set KAFKA_LAB_CACHE to another disk")
    else:
        yield Finding("disk", "ok", found)


def _open_files() -> Iterator[Finding]:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < _OPEN_FILES:
        yield Finding("open files", "problem", f"{allowed} per process", f"ulimit -n {_OPEN_FILES}")
    else:
        yield Finding("open files", "ok", f"{allowed} per process")


def _ports() -> Iterator[Finding]:
    yield Finding("ports", "ok", f"127.0.0.1 can be listened on, at {free_ports(1)[0]} for example")


def _labs() -> Iterator[Finding]:
    living = ", ".join(path.name for path in living_runs())
    yield Finding("labs", "ok", f"running: {living}" if living else "none runs")
    for what, paths in {"left by dead programs": stale_runs(), "logs of failed starts": kept_logs()}.items():
        if paths:
            names = ", ".join(path.name for path in paths)
            yield Finding(what, "note", f"{names} in {paths[0].parent}", "kafka-lab clean")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at what a lab needs: Java, Kafka, memory, disk, ports, leftovers; and say what to do.

    Ends with 1 if something keeps labs from starting.
    """  # noqa: DOC501 - this text is the command's help
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        marks = {"ok": "✓", "note": "·", "problem": "✕"}
        rows = [(marks[f.verdict], f.what, f.found, f.advice) for f in findings]
        _say(str(Table(("", "what", "found", "what to do"), rows)))
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def clean(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the downloaded jars and the caches for a fast start.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what labs left: processes and folders of dead owners, logs of failed starts.

    Labs that run are not touched.
    """
    before = _size(cache_folder())
    removed = [*stale_runs(), *kept_logs()]
    clean_stale()
    for path in kept_logs():
        shutil.rmtree(path, ignore_errors=True)
    if everything and not living_runs():
        for name in ("aot", "maven", "locks"):
            path = cache_folder() / name
            if path.exists():
                removed.append(path)
                shutil.rmtree(path, ignore_errors=True)
    freed = max(0, before - _size(cache_folder()))
    if as_json:
        typer.echo(json.dumps({"removed": list(map(str, removed)), "freed_bytes": freed}, indent=2))
        return
    _say("\n".join(f"removed {path}" for path in removed) or "Nothing was left.")
    if everything and living_runs():
        _say("Jars and caches stay: a lab runs that uses them.")
    elif removed:
        _say(f"{freed // MIB} MiB freed.")


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:  # a lab that runs writes there
            continue
    return total


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(escape(text))
