"""The command of ``kafka-lab`` that puts OpenIM under load."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from kafka_lab.cluster.config import PROFILES
from kafka_lab.lab import Lab
from kafka_lab.load import load as run_load
from kafka_lab.openim.clients import CLIENTS
from kafka_lab.showing import visible

__all__ = ["app"]

app = typer.Typer()

_KEEPS_UP = 0.95  # of the rate asked for


class Victim(StrEnum):
    """Whom the load may lose."""

    leader = "leader"


@app.command()
def load(
    users: Annotated[int, typer.Option(help="How many different recipients.")] = 100_000,
    online: Annotated[int, typer.Option(help="How many of them listen by WebSocket.")] = 2000,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 900.0,
    seconds: Annotated[float, typer.Option(help="For how long.")] = 60.0,
    warm_up: Annotated[
        float, typer.Option(metavar="SECONDS", help="For how long before that; not counted in the figures.")
    ] = 10.0,
    client: Annotated[
        str, typer.Option(help=f"Which Kafka client carries gateway and workers: {', '.join(CLIENTS)}.")
    ] = CLIENTS[0],
    kill: Annotated[Victim | None, typer.Option(help="Kill the leader of a partition meanwhile.")] = None,
    at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="When; by default after a third.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help=f"How fast failures are noticed: {', '.join(PROFILES)}.")
    ] = "lab",
    seed: Annotated[int, typer.Option(help="Of the recipients' order.")] = 1,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a plot: .svg, .png or .pdf.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
) -> None:
    """Send notifications at a steady rate to a lab of its own, and say what became of each of them.

    The requests come over HTTP from another process, and phones listen by WebSocket. Ctrl-C ends it early,
    with the result until then. Ends with 1 if anything was lost, doubled or out of order.
    """  # noqa: DOC501 - this text is the command's help
    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    with visible("Starting a lab"):
        lab = Lab(profile=profile).start()
    try:
        lab.openim(client=client).send("storm-0", "the connections are there")
        with visible("OpenIM under load") as report:
            result = run_load(
                lab, report, users=users, online=online, rate=rate, seconds=seconds, warm_up=warm_up,
                kill=kill.value if kill else None, at=at, seed=seed,
            )  # fmt: skip
    finally:
        with visible("Stopping the lab"):
            lab.close()
    if plot is not None:
        result.plot().save(plot)
    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=2))
    for table in (result.summary(), result.table(), result.processes(), result.account):
        console.print(escape(f"{table}\n"))
    if client == CLIENTS[0] and result.accepted_per_s < _KEEPS_UP * rate and not result.interrupted:
        console.print(f"{client} is Python alone, and did not keep up: --client {CLIENTS[1]} carries more.")
    raise typer.Exit(0 if result.ok else 1)
