"""The command ``kafka-lab``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from kafka_lab import judging, loading, machine, running, watching
from kafka_lab.cluster.config import HOST, PROFILES
from kafka_lab.errors import ConfigurationError, KafkaLabError
from kafka_lab.showing import visible
from kafka_lab.table import Table

if TYPE_CHECKING:
    from kafka_lab.demo import Teller
    from kafka_lab.lab import Lab

__all__ = ["app", "main"]

_PATIENCE_S = 30.0  # how long an orderly end may take
_INTERRUPTED = 130  # a shell's code for Ctrl-C

app = typer.Typer(
    help="A real local Kafka cluster to learn with, to break and to watch.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(running.app)
app.add_typer(machine.app)
app.add_typer(watching.app)
app.add_typer(judging.app)
app.add_typer(loading.app)


def main() -> None:
    """Run the command; end with 0 for success, 1 for an error that is explained, 130 after Ctrl-C."""
    stop = _Stop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:  # as nohup asks for
            signal.signal(name, stop)
    try:
        app()
    except KafkaLabError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)


class _Stop:
    """Ends the command in order at the first signal; further ones do not disturb that.

    Should the orderly end hang, the process ends all the same, and the reaper ends its cluster.
    """

    def __init__(self) -> None:
        self._stopping = False

    def __call__(self, *_: object) -> None:
        """Handle a signal.

        Raises
        ------
        KeyboardInterrupt
            The first time.
        """
        if self._stopping:
            return
        self._stopping = True
        last_resort = threading.Timer(_PATIENCE_S, os._exit, [_INTERRUPTED])
        last_resort.daemon = True
        last_resort.start()
        raise KeyboardInterrupt


@app.command()
def demo(
    brokers: Annotated[int, typer.Option(min=2, max=9, help="How many Kafka brokers.")] = 3,
    profile: Annotated[
        str, typer.Option(help=f"How fast failures are noticed: {' or '.join(PROFILES)}.")
    ] = "lab",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the lab running at the end, until Ctrl-C.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the timeline to FILE, as JSON lines; with --stage by default kafka-lab-stage.jsonl.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
    stage: Annotated[
        bool, typer.Option("--stage", help="A show for a projector: full screen, a key for each act.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the show: whose notifications, and so whose broker.")] = 1,
) -> None:
    """Send a notification through Kafka, kill the leader of its partition, and send again.

    Starts ZooKeeper and real Kafka brokers on this machine and stops them at the end. The first run
    downloads Kafka (about 50 MB). With --stage it is played on a full screen, and ends in a recording.
    """  # noqa: DOC501 - this text is the command's help
    if stage and (keep or as_json):
        raise ConfigurationError("--keep and --json are not for --stage, which is for people to watch")
    if stage:
        _play(brokers, profile, record or Path("kafka-lab-stage.jsonl"), seed)
    from kafka_lab.demo import Demonstration, times
    from kafka_lab.lab import Lab

    teller: Teller = _Quiet() if as_json else _Terminal()
    lab = Lab(brokers=brokers, profile=profile)
    stop_recording = lab.timeline.record(record) if record else None
    try:
        with teller.step(f"Starting ZooKeeper and {brokers} Kafka brokers"):
            lab.start()
        teller.show("The cluster: ordinary processes of this machine", lab.nodes())
        report = Demonstration(lab, teller).run()
        teller.show("Measured", times(report))
        teller.show("The account", report.account.table())
        if as_json:
            typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
        if keep:
            _Terminal(stderr=as_json).show("The lab is yours, until Ctrl-C", _addresses(lab))
            _wait_for_ctrl_c()
    finally:
        with teller.step("Stopping the brokers and ZooKeeper"):
            lab.close()
        if stop_recording:
            stop_recording()
    teller.say(
        "Everything was delivered, once and in order. Next: kafka-lab notebook"
        if report.ok
        else "Not everything was as it should be: see the account above."
    )
    raise typer.Exit(0 if report.ok else 1)


def _play(brokers: int, profile: str, record: Path, seed: int) -> None:
    """Play the demonstration as a show, and end.

    Raises
    ------
    Exit
        With 0 if everything was delivered, once and in order.
    """
    from kafka_lab.lab import Lab
    from kafka_lab.stage import Show

    console = Console(highlight=False)
    lab = Lab(brokers=brokers, profile=profile)
    stop_recording = lab.timeline.record(record)
    try:
        with visible(f"Starting ZooKeeper and {brokers} Kafka brokers"):
            lab.start()
        show = Show(lab, console, seed)
        whole = show.run()
    finally:
        with visible("Stopping the brokers and ZooKeeper"):
            lab.close()
        stop_recording()
    if show.account is not None:
        console.print(escape(str(show.account)))
    console.print(
        escape(f"Recorded in {record}. Show it again: kafka-lab replay {record} --html lesson.html")
    )
    raise typer.Exit(0 if whole and show.account is not None and show.account.clean else 1)


def _addresses(lab: Lab) -> Table:
    """Return how to reach a lab."""
    openim = lab.openim()
    rows = [
        ("bootstrap servers", ",".join(lab.bootstrap_servers)),
        ("ZooKeeper", lab.zookeeper_connect),
        ("gateway", f"{openim.url}/docs"),
        ("an administrator's token", openim.token()),
    ]
    return Table(("what", "where"), rows)


def _wait_for_ctrl_c() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


@app.command()
def notebook(
    folder: Annotated[
        Path, typer.Argument(help="Your copies of the notebooks; what is there already is kept.")
    ] = Path("kafka-lab-notebooks"),
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of JupyterLab.")] = 8888,
    address: Annotated[str, typer.Option(help="Where it listens; another one only in a container.")] = HOST,
) -> None:
    """Open the notebooks in JupyterLab, on 127.0.0.1, as copies of your own."""  # noqa: DOC501 - as above
    from kafka_lab.notebooks_folder import copy_notebooks

    added = copy_notebooks(folder)
    Console().print(f"{len(added)} notebooks copied to {folder.resolve()}", highlight=False)
    command = [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.resolve()}",
        f"--ServerApp.ip={address}", f"--ServerApp.port={port}", f"--ServerApp.open_browser={browser}",
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'data' / 'jupyterlab'}",  # no news from afar
    ]  # fmt: skip
    if os.geteuid() == 0:  # as in most containers; it listens on loopback only and asks for a token
        command.append("--ServerApp.allow_root=True")
    raise typer.Exit(_run_to_its_end(command))


def _run_to_its_end(command: list[str]) -> int:
    """Run a program that shares our terminal; at a signal it is told to end, and we stay until it has."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()


class What(StrEnum):
    """What can be measured."""

    lab = "lab"
    views = "views"
    openim = "openim"


@app.command()
def bench(
    what: Annotated[What, typer.Argument(help="A lab's life and work, or the pictures.")] = What.lab,
    runs: Annotated[int, typer.Option(min=1, max=20, help="How often each figure is measured.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print every value as JSON.")] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What --json printed earlier: medians side by side.")
    ] = None,
) -> None:
    """Measure the lab on this machine: start, stop, memory, failovers, clients, the delay of observation.

    Takes about five minutes; `bench views` measures drawing, looking back and exporting, `bench openim`
    notifications. Close other programs first: they are measured too. Ctrl-C ends it: what was measured until
    then is printed.
    """  # noqa: DOC501 - as above
    from kafka_lab.bench import Benchmark, Figure

    if what is What.lab:
        from kafka_lab.bench import bench as measure
    elif what is What.views:
        from kafka_lab.bench_views import bench_views as measure
    else:
        from kafka_lab.bench_openim import bench_openim as measure
    earlier = Benchmark.load(compare) if compare else None
    figures: list[Figure] = []
    interrupted = False
    with visible("Measuring") as report:
        try:
            for figure in measure(report, runs=runs):
                figures.append(figure)  # each as it comes: what follows may be interrupted
        except KeyboardInterrupt:
            interrupted = True
    measured = Benchmark(tuple(figures))
    if as_json:
        typer.echo(json.dumps(measured.to_dict(), indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        console.print(escape(str(measured.table())))
        if earlier:
            console.print(escape(f"\n{measured.compare(earlier)}"))
    if interrupted:
        typer.echo("Interrupted: what was being measured, and what comes after it, is missing.", err=True)
        raise typer.Exit(_INTERRUPTED)


@app.command()
def fetch(
    kafka: Annotated[
        list[str] | None, typer.Option(metavar="VERSION", help="Which; by default those that labs use.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
) -> None:
    """Download Kafka now, so that labs start without a network.

    To prepare a machine that has none, run this on another one of its kind and copy the folder that it names.
    """
    from kafka_lab.cluster.distribution import prepare
    from kafka_lab.cluster.jars import LOCKED
    from kafka_lab.cluster.training import java_options

    distributions = []
    with visible("Looking for Java and Kafka") as report:
        for version in kafka or LOCKED:
            distribution = prepare(report, version)
            java_options(distribution, report)
            distributions.append(distribution)
    java, repository = distributions[0].java, distributions[0].repository
    if as_json:
        fetched = {each.kafka: len(each.jars) for each in distributions}
        found = {"kafka": fetched, "java": java.version, "repository": str(repository)}
        typer.echo(json.dumps(found, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for each in distributions:
        console.print(f"Kafka {each.kafka}: {len(each.jars)} jars, each checked")
    console.print(f"Java {java.version}: {java.path}")
    console.print(f"Copy this folder to prepare another machine: {repository}")


class _Terminal:
    """Tells on standard output (or error): with spinners in a terminal, in plain lines elsewhere."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        self._console = Console(file=stream, highlight=False, soft_wrap=not stream.isatty())

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that something is being done, and then how long it took."""
        begin = monotonic()
        with visible(text):
            yield
        self._console.print(f"[green]✓[/] {escape(text)} [dim]({monotonic() - begin:.1f} s)[/]")

    def say(self, text: str) -> None:
        """Say one line."""
        self._console.print(escape(text))

    def show(self, title: str, table: Table) -> None:
        """Show a table."""
        if not self._console.is_terminal:
            self._console.print(escape(f"{title}\n{table.to_text()}"))
            return
        drawn = RichTable(title=title, title_justify="left", title_style="bold")
        for name in table.columns:
            drawn.add_column(name, overflow="fold")
        for row in table.rows:
            drawn.add_row(*map(escape, row))
        self._console.print(drawn)


class _Quiet:
    """Tells nothing: the result is for a machine."""

    @contextmanager
    def step(self, text: str) -> Iterator[None]:  # noqa: ARG002
        """Do it."""
        yield

    def say(self, text: str) -> None:
        """Say nothing."""

    def show(self, title: str, table: Table) -> None:
        """Show nothing."""
