"""The command of ``kafka-lab`` that puts the textbook's claims before a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from kafka_lab.errors import ConfigurationError
from kafka_lab.lab import Lab
from kafka_lab.showing import visible

__all__ = ["app"]

app = typer.Typer()


@app.command()
def claims(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which, such as K16; by default all.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML file with all evidence.")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the sentences, and run nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON and nothing else.")
    ] = False,
) -> None:
    """Put what a textbook says of Kafka before a real cluster, and print the verdicts.

    All of them take about five minutes. One alone is shown with its evidence and its code. Ends with 1 if
    a claim could not be decided.
    """  # noqa: DOC501 - this text is the command's help
    from kafka_lab.experiments.claims import CLAIMS, claim_of, summary
    from kafka_lab.experiments.claims.report import report_html

    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    asked = [claim_of(each) for each in ids] if ids else list(CLAIMS.values())
    if list_them:
        for claim in asked:
            console.print(f"{claim.id:4} {escape(claim.sentence)}")
        return
    if html is not None and not html.resolve().parent.is_dir():
        raise ConfigurationError(f"there is no folder {html.resolve().parent} for {html.name}")
    findings = []
    with visible("Starting a lab with links"):
        lab = Lab(links=True).start()
    try:
        for claim in asked:
            finding = lab.claim(claim)
            findings.append(finding)
            console.print(
                f"{claim.id:4} [bold]{finding.verdict:9}[/] {finding.took_s:5.1f} s  {escape(claim.sentence)}"
            )
    finally:
        with visible("Stopping the lab"):
            lab.close()
        if html is not None and findings:  # interrupted: what there is until then
            html.write_text(report_html(findings), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps([finding.to_dict() for finding in findings], ensure_ascii=False, indent=2))
    elif len(findings) == 1:
        console.print(f"\n{escape(str(findings[0]))}\n\nThe experiment:")
        console.print(Syntax(findings[0].code, "python", background_color="default"))
    else:
        console.print(f"\n{escape(str(summary(findings)))}")
    if html is not None:
        console.print(f"The evidence: {html}")
    raise typer.Exit(1 if any(finding.verdict == "undecided" for finding in findings) else 0)
