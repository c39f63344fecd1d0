"""The commands of ``kafka-lab`` that start a lab in the background, use it from the shell, and end it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from kafka_lab.background import end, start
from kafka_lab.cluster.config import PROFILES
from kafka_lab.cluster.shape import MODES
from kafka_lab.control import Owner, find_owner, owners
from kafka_lab.errors import ConfigurationError
from kafka_lab.showing import visible
from kafka_lab.table import Table

__all__ = ["app"]

app = typer.Typer()

_WORD = r"[\w.-]+"

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
LabName = Annotated[
    str | None, typer.Option("--lab", metavar="NAME", help="Which lab, if several run: see status.")
]
Node = Annotated[str, typer.Argument(help="A node, such as broker-2, zookeeper-1 or controller.")]
End = Annotated[str, typer.Argument(help="A node, or a client by its client id.")]


@app.command()
def up(
    brokers: Annotated[int, typer.Option(min=1, max=9, help="How many Kafka brokers.")] = 3,
    mode: Annotated[str, typer.Option(help=f"What keeps the metadata: {' or '.join(MODES)}.")] = "zookeeper",
    zookeepers: Annotated[int | None, typer.Option(help="1, 3 or 5 ZooKeepers.")] = None,
    controllers: Annotated[int | None, typer.Option(help="1, 3 or 5 KRaft controllers of their own.")] = None,
    kafka: Annotated[str | None, typer.Option(metavar="VERSION", help="Kafka's version.")] = None,
    profile: Annotated[
        str, typer.Option(help=f"How fast failures are noticed: {', '.join(PROFILES)}.")
    ] = "lab",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A broker setting, such as num.partitions=4; can be repeated."
        ),
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="Links that can be cut.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a lab that runs in the background until `kafka-lab down`.

    Notebooks and scripts use it with `Lab.join()`, the shell with `kafka-lab kill broker-2` and so on, and
    any Kafka client by its bootstrap servers.

    Raises
    ------
    ConfigurationError
        A setting has no value.
    """
    settings = {
        "brokers": brokers, "mode": mode, "zookeepers": zookeepers, "controllers": controllers,
        "kafka": kafka, "profile": profile, "settings": _settings(set_ or ()), "links": links,
    }  # fmt: skip
    from kafka_lab.lab import Lab

    Lab(**settings)  # type: ignore[arg-type] # what is wrong with them is said here, not by the other process
    with visible("Starting a lab in the background") as report:
        owner = start(settings, report)
    _print(as_json, {"lab": owner.name, **owner.told()}, lambda told: _addresses(owner, told))


def _settings(given: Iterable[str]) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in given]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise ConfigurationError(f"--set is {key!r}; expected KEY=VALUE, such as num.partitions=4")
    return {key: value for key, _, value in pairs}


@app.command()
def down(lab: LabName = None, as_json: AsJson = False) -> None:
    """End a lab that `kafka-lab up` started.

    Raises
    ------
    ConfigurationError
        It is not one of these.
    """
    owner = find_owner(lab)
    with visible(f"Ending the lab {owner.name}"):
        end(owner)
    _print(as_json, {"ended": owner.name}, lambda _: f"The lab {owner.name} has ended.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the labs that run on this machine: their nodes, and where clients find them."""
    told = [{"lab": owner.name, **told} for owner in owners() if (told := owner.told())]
    _print(as_json, told, _status)


def _status(labs: list[dict[str, Any]]) -> str:
    if not labs:
        return "No lab runs. `kafka-lab up` starts one."
    return "\n\n".join(
        f"The lab {told['lab']} ({'kafka-lab up' if told['up'] else 'a notebook or a script'}, process "
        f"{told['pid']}), bootstrap servers {','.join(told['bootstrap_servers'])}\n{_nodes(told)}"
        for told in labs
    )


def _nodes(told: dict[str, Any]) -> Table:
    rows = [
        (name, node["role"], str(node["port"]), str(node["pid"]), node["state"])
        for name, node in told["nodes"].items()
    ]
    return Table(("node", "role", "port", "pid", "state"), rows)


def _addresses(owner: Owner, told: dict[str, Any]) -> str:
    lines = [f"The lab {owner.name} is up: bootstrap servers {','.join(told['bootstrap_servers'])}"]
    if told["zookeeper_connect"]:
        lines.append(f"ZooKeeper {told['zookeeper_connect']}")
    lines += [
        str(_nodes(told)),
        "Use it: Lab.join() in Python, `kafka-lab kill broker-1` here. End it: kafka-lab down",
    ]
    return "\n".join(lines)


@app.command()
def kill(
    node: Node,
    skip_wait: Annotated[bool, typer.Option("--skip-wait", help="End its ZooKeeper session too.")] = False,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """End a node with SIGKILL, as a power cut would. Undone by restart."""
    _act(lab, as_json, "kill", node=node, skip_wait=skip_wait)


@app.command()
def stop(node: Node, lab: LabName = None, as_json: AsJson = False) -> None:
    """End a node in order: a broker hands its leaders over first. Undone by restart."""
    _act(lab, as_json, "stop", node=node)


@app.command()
def restart(node: Node, lab: LabName = None, as_json: AsJson = False) -> None:
    """Start a node that is down."""
    _act(lab, as_json, "restart", node=node)


@app.command()
def pause(node: Node, lab: LabName = None, as_json: AsJson = False) -> None:
    """Freeze a node (SIGSTOP). Undone by resume."""
    _act(lab, as_json, "pause", node=node)


@app.command()
def resume(node: Node, lab: LabName = None, as_json: AsJson = False) -> None:
    """Let a paused node go on."""
    _act(lab, as_json, "resume", node=node)


@app.command()
def cut(
    a: End,
    b: End,
    one_way: Annotated[bool, typer.Option("--one-way", help="Only what A sends to B.")] = False,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Cut the link between two ends; the lab must have links. Undone by heal."""
    _act(lab, as_json, "cut", a=a, b=b, one_way=one_way)


@app.command()
def slow(
    a: End,
    b: End,
    latency_ms: Annotated[float, typer.Option(help="How long each way takes.")] = 100.0,
    jitter_ms: Annotated[float, typer.Option(help="How much more or less, at random.")] = 0.0,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Delay everything between two ends. Undone by heal."""
    _act(lab, as_json, "slow", a=a, b=b, latency_ms=latency_ms, jitter_ms=jitter_ms)


@app.command()
def heal(
    a: Annotated[str | None, typer.Argument(help="A link's one end; without, everything is healed.")] = None,
    b: Annotated[str | None, typer.Argument(help="Its other end.")] = None,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Heal the link between two ends, or everything: nodes, links and disks.

    Raises
    ------
    ConfigurationError
        Only one end is named.
    """
    if a is None:
        _act(lab, as_json, "heal_all")
    elif b is None:
        raise ConfigurationError(f"heal {a}: expected a link's two ends, or nothing (that heals everything)")
    else:
        _act(lab, as_json, "heal", a=a, b=b)


@app.command()
def send(
    to: Annotated[str, typer.Option(help="The user to notify (recvID).")],
    text: Annotated[str, typer.Option(help="What to tell them.")],
    title: Annotated[str, typer.Option(help="The notification's name.")] = "Notice",
    sender: Annotated[str, typer.Option(help="The sending account (sendID).")] = "openIM123456",
    nickname: Annotated[str, typer.Option(help="The name that it shows.")] = "Office",
    online_only: Annotated[bool, typer.Option("--online-only", help="Store nothing.")] = False,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Notify a user through a lab's OpenIM, over HTTP; it is started at the first time."""
    sent = find_owner(lab).call(
        "send_notification", recvID=to, text=text, notificationName=title, sendID=sender,
        senderNickname=nickname, isOnlineOnly=online_only,
    )  # fmt: skip
    _print(
        as_json,
        sent,
        lambda told: (
            f"accepted: clientMsgID {told['clientMsgID']}\nthe gateway is documented at {told['url']}/docs"
        ),
    )


@app.command()
def logs(
    node: Node,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 20,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Show the last lines of a node's log, and where it is."""
    from kafka_lab.cluster.process import last_words

    node, told = _named(find_owner(lab), node)
    said = last_words(Path(told["log"])).splitlines()[-lines:]
    _print(as_json, {"log": told["log"], "lines": said}, lambda _: "\n".join([told["log"], *said]))


def _act(lab: str | None, as_json: bool, call: str, **arguments: object) -> None:
    """Let a lab's owner do something, and say that it was done."""
    owner = find_owner(lab)
    for name in {"node", "a", "b"} & set(arguments):
        if arguments[name] == "controller":
            arguments[name], _ = _named(owner, "controller")
    words = " ".join(str(value) for value in arguments.values() if type(value) is str)
    with visible(f"{call.replace('_', ' ').capitalize()} {words}".strip()):
        answer = owner.call(call, **arguments)
    undone = f" To undo it: kafka-lab {' '.join(re.findall(_WORD, answer['cure']))}" if answer else ""
    _print(as_json, answer, lambda _: f"Done: {call.replace('_', ' ')} {words}".rstrip() + f".{undone}")


def _named(owner: Owner, node: str) -> tuple[str, dict[str, Any]]:
    """Return a node's name and what is told of it; ``controller`` names the active one.

    Raises
    ------
    ConfigurationError
        There is no such node.
    """
    nodes: dict[str, dict[str, Any]] = owner.call("told")["nodes"]
    if node == "controller":
        node = next((name for name, told in nodes.items() if "controller" in told["state"]), node)
    if node not in nodes:
        raise ConfigurationError(f"there is no node {node!r} now; there are {', '.join(nodes)}")
    return node, nodes[node]


def _print(as_json: bool, result: Any, text: Callable[[Any], object]) -> None:  # noqa: ANN401 - plain JSON data
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console(highlight=False, soft_wrap=True).print(escape(str(text(result))))
