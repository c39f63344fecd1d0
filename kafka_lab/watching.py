"""The commands of ``kafka-lab`` for looking: live in a terminal, and at recordings."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from kafka_lab.errors import ConfigurationError
from kafka_lab.lab import Lab
from kafka_lab.replay import Replay
from kafka_lab.views.marks import Marks, marks_of
from kafka_lab.views.terminal import screen

__all__ = ["app"]

app = typer.Typer()

_LAST = 8  # events
_REFRESH_S = 0.25


@app.command()
def watch(
    lab: Annotated[
        str | None, typer.Option("--lab", metavar="NAME", help="Which lab, if several run: see status.")
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Somebody else's brokers, instead of a lab.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
) -> None:
    """Watch a running lab, or any Kafka cluster, in the terminal, until Ctrl-C.

    It shows who leads and who is in sync, the controller, consumer groups and their lag, and what happened
    last.
    """  # noqa: DOC501 - this text is the command's help
    if lab is not None and bootstrap_servers is not None:
        raise ConfigurationError("--lab and --bootstrap-servers name two clusters; expected one of them")
    watched = Lab.attach(bootstrap_servers) if bootstrap_servers else Lab.join(lab)
    title = bootstrap_servers or "lab"
    console = Console(highlight=False)
    marks = Marks()

    def picture() -> RenderableType:
        marks.follow(watched.timeline)
        return screen(watched.state, marks.last(_LAST), watched.timeline.moment().at_s, title)

    try:
        if once or not console.is_terminal:
            console.print(picture())
            return
        with Live(picture(), console=console, screen=True, auto_refresh=False) as live:
            pause = threading.Event()
            while not watched.timeline.ended:
                pause.wait(_REFRESH_S)
                live.update(picture(), refresh=True)
        console.print("The lab has ended.")
    except KeyboardInterrupt:
        console.print("No longer watching; the cluster runs on.")
    finally:
        watched.close()


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="What --record, lab.record() or timeline.save() wrote.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML file that opens in any browser.")
    ] = None,
    at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Show this moment, instead of the end.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out lines that cannot be read.")] = False,
) -> None:
    """Show a recorded lesson: its state at a moment, or all of it as one HTML file.

    The file needs no network, no Java and no Python; FILE#t=12.3 opens it at that moment.
    """
    lesson = Replay(recording, partial=partial)
    console = Console(highlight=False, soft_wrap=True)
    if html is not None:
        path = lesson.save_html(html, title=recording.stem)
        size = path.stat().st_size / 2**20
        events = len(lesson.timeline)
        console.print(f"{events} events written to {path} ({size:.1f} MiB): open it in a browser.")
        return
    moment = lesson.timeline.moment(at)
    marks = marks_of(lesson.timeline.since(0, moment.count), _LAST)
    console.print(screen(lesson.state_at(at), marks, moment.at_s, recording.name))
