"""Labs over clusters that somebody else runs: watched and used as one's own; the processes are not ours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from kafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from kafka_lab.assembly import Assembly
from kafka_lab.clients import Clients, LabAdmin
from kafka_lab.closing import Closers
from kafka_lab.cluster.links import client_id
from kafka_lab.cluster.local import LocalCluster
from kafka_lab.cluster.remote import RemoteCluster, RemoteNode
from kafka_lab.control import PROTOCOL, Owner
from kafka_lab.errors import ConfigurationError, FaultError
from kafka_lab.faults import Fault, Faults
from kafka_lab.history import History
from kafka_lab.moves import Moves
from kafka_lab.observe.admin_poll import AdminPoll, mode_of
from kafka_lab.observe.group_poll import GroupPoll
from kafka_lab.observe.zk_watch import ZooKeeperWatch
from kafka_lab.progress import Report
from kafka_lab.threads import Threads
from kafka_lab.timeline import Timeline
from kafka_lab.topics import Topics

__all__ = ["assemble_attached", "assemble_joined"]

_TRIES_MS = (1_500, 8_500)  # kafka-python goes on trying, even with a wrong password: so once for a moment
_FIRST_ANSWER_MS = sum(_TRIES_MS)
_FINAL = ("AuthenticationFailed", "CERTIFICATE_VERIFY_FAILED")
_DELIVERY_MS = 30_000
_TRIES = 10
_AGAIN_S = 0.3
_WAIT_S = 60.0


def assemble_attached(
    timeline: Timeline,
    state: History,
    *,
    bootstrap_servers: Sequence[str],
    zookeeper_connect: str | None,
    settings: Mapping[str, object],
) -> Assembly:
    """Watch and use brokers that somebody else runs.

    Raises
    ------
    ConfigurationError
        No broker or no ZooKeeper answers there, or not to us.
    """
    closers = Closers()
    mode = _first_answer(bootstrap_servers, settings)
    owner = "somebody else's"
    cluster = RemoteCluster(bootstrap_servers, zookeeper_connect, mode=mode, owner=owner, ours=False)
    closers.add(cluster.close)
    clients = Clients(timeline, lambda: cluster.bootstrap_servers, dict, _DELIVERY_MS, settings)
    closers.add(clients.close)
    try:
        if zookeeper_connect is not None:
            _watch(timeline, zookeeper_connect, closers)
        poll = AdminPoll(
            timeline,
            state,
            clients.polling_admin,
            mode=mode,
            only_ports=zookeeper_connect is not None,
            learn=cluster.learn,
        )
        groups = GroupPoll(timeline, state, clients.polling_admin)
        for each in (poll, groups):
            closers.add(each.close)
            each.look()  # so that what is there is known at once
            each.start()
        timeline.wait_until(
            lambda: state.now().controller if all(n.port for n in state.now().nodes.values()) else None,
            timeout_s=_WAIT_S,
            expected="the state of the cluster",
        )
    except BaseException:
        closers.close("a lab that did not attach")
        raise
    topics = Topics(timeline, state, clients.admin)
    # Brokers cannot be added here: NoFaults refuses that before it comes to the cluster.
    moves = Moves(timeline, state, clients.admin, cast("LocalCluster", cluster), _WAIT_S)
    return Assembly(cluster, clients, topics, moves, cast("Faults", NoFaults(owner)), closers)


def assemble_joined(timeline: Timeline, state: History, owner: Owner, report: Report) -> Assembly:
    """Use a lab that another program of this machine owns.

    Raises
    ------
    ClosedError
        The owner has ended.
    ConfigurationError
        Another version of kafka_lab runs it.
    """
    report(f"Joining {owner.name}", 0, 0)
    told = owner.call("told")
    if told.get("protocol") != PROTOCOL:
        raise ConfigurationError(
            f"the lab {owner.name} runs in another version of kafka_lab: end it with "
            f"`kafka-lab down --lab {owner.name}`, or in the program that started it"
        )
    timeline.begin_with(told["began_s"], datetime.fromisoformat(told["started_at"]))
    closers = Closers()

    def nodes() -> dict[str, RemoteNode]:
        files = owner.call("told")["nodes"]
        return {name: RemoteNode(Path(each["data"]), Path(each["log"])) for name, each in files.items()}

    cluster = RemoteCluster(
        told["bootstrap_servers"],
        told["zookeeper_connect"],
        mode=told["mode"],
        owner=f"of the lab {owner.name}",
        ours=True,
        known=nodes,
    )
    closers.add(cluster.close)
    clients = Clients(timeline, lambda: owner.call("told")["bootstrap_servers"], nodes, told["delivery_ms"])
    closers.add(clients.close)
    following = Following(owner, timeline)
    closers.add(following.close)
    try:
        following.start()
        following.wait_for(told["events"])
    except BaseException:
        closers.close("a lab that was not joined")
        raise
    topics = Topics(timeline, state, clients.admin)
    moves = JoinedMoves(following, timeline, state, clients.admin, cluster, _WAIT_S)
    return Assembly(cluster, clients, topics, moves, cast("Faults", OwnersFaults(following)), closers)


def _first_answer(servers: Sequence[str], settings: Mapping[str, object]) -> str:
    """Return the mode of the cluster at these addresses.

    Raises
    ------
    ConfigurationError
        Nobody answers, or not to us.
    """
    where = ", ".join(servers)
    reasons = _Reasons()
    last: Exception | None = None
    for patience_ms in _TRIES_MS:
        wanted = {
            "bootstrap_timeout_ms": patience_ms,
            "request_timeout_ms": _FIRST_ANSWER_MS,
            **settings,
            "bootstrap_servers": list(servers),
        }
        try:
            with reasons.heard(), LabAdmin(**wanted) as admin:
                return _mode(admin)
        except (KafkaError, OSError, ValueError, AssertionError) as error:
            last = error
        if reasons.final or "bootstrap_timeout_ms" in settings:
            break
    raise ConfigurationError(
        f"no broker at {where} answers: {reasons.last or f'{type(last).__name__}: {last}'}\n"
        "Does one run there? Does it want TLS or a password? They are kafka-python's settings, such as "
        "Lab.attach(..., security_protocol='SASL_SSL', sasl_mechanism='PLAIN', sasl_plain_username=...)."
    ) from last


class _Reasons(logging.Handler):
    """Why kafka-python could not connect: version 3.0.12 tells its log alone of a wrong password."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said of a connection; that it ended says less than why."""
        if record.msg.startswith("Bootstrap connection") and isinstance(record.args, tuple):
            said = str(record.args[1])
            if not self.last or not (self.final or "socket disconnected" in said):
                self.last = said

    @property
    def final(self) -> bool:
        """Whether another try would end like the last one."""
        return any(word in self.last for word in _FINAL)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block lasts."""
        log = logging.getLogger("kafka.net")
        log.addHandler(self)
        try:
            yield
        finally:
            log.removeHandler(self)


def _mode(admin: LabAdmin) -> str:
    """Return the cluster's mode; ask again when a broker was asked that has just died.

    Raises
    ------
    KafkaError
        Nobody answers.
    """
    pause = threading.Event()
    for _ in range(_TRIES):
        try:
            return mode_of(admin)
        except (KafkaConnectionError, NodeNotReadyError):
            pause.wait(_AGAIN_S)
    return mode_of(admin)


def _watch(timeline: Timeline, connect: str, closers: Closers) -> None:
    """Watch a ZooKeeper.

    Raises
    ------
    ConfigurationError
        None answers.
    """
    from kazoo.handlers.threading import KazooTimeoutError

    watch = ZooKeeperWatch(timeline, connect)
    closers.add(watch.close)
    try:
        watch.start(_FIRST_ANSWER_MS / 1000, new=False)
    except KazooTimeoutError as error:
        raise ConfigurationError(
            f"no ZooKeeper at {connect} answers: leave zookeeper_connect out, and brokers are asked alone"
        ) from error


class Following:
    """Copies the owner's timeline, event by event, and passes calls on to the owner.

    Parameters
    ----------
    owner : Owner
        Whose lab is followed.
    timeline : Timeline
        Gets the owner's events.
    """

    def __init__(self, owner: Owner, timeline: Timeline) -> None:
        self._owner = owner
        self._timeline = timeline
        self._threads = Threads()
        self._copied = 0

    def call(self, name: str, **arguments: object) -> Any:  # noqa: ANN401 - what the owner answers
        """Let the owner do something; when this returns, what it did is on the timeline here too."""
        answer = self._owner.ask(name, **arguments)
        self.wait_for(answer["events"])
        return answer["result"]

    def wait_for(self, events: int) -> None:
        """Wait until so many of the owner's events are here.

        Raises
        ------
        WaitTimeoutError
            They did not come.
        """
        self._timeline.wait_until(
            lambda: self._copied >= events or None, timeout_s=_WAIT_S, expected="the lab's timeline"
        )

    def start(self) -> None:
        """Begin."""
        self._threads.start({"follow": self._copy})

    def close(self) -> None:
        """End."""
        self._threads.closing.set()
        self._owner.hang_up()
        self._threads.close()

    def _copy(self) -> None:
        try:
            for event in self._owner.follow():
                self._timeline.append(event, event.at_s)
                self._copied += 1
        finally:
            self._timeline.end()  # the owner has ended, or this lab is closed


class JoinedMoves(Moves):
    """The moves of a joined lab: brokers come and go with the owner."""

    def __init__(self, owner: Following, *arguments: Any) -> None:  # noqa: ANN401 - those of Moves
        super().__init__(*arguments)
        self._owner = owner

    def add_broker(self, broker: int | None) -> str:
        """Let the owner start one."""
        return str(self._owner.call("add_broker", broker_id=broker))

    def remove_broker(self, name: str, report: Report) -> None:  # noqa: ARG002
        """Let the owner remove one."""
        self._owner.call("remove_broker", broker=name)


class OwnersFaults:
    """Faults of a joined lab: its owner does them."""

    def __init__(self, owner: Following) -> None:
        self._call = owner.call
        self.nodes = self.links = self.disks = self

    def kill(self, name: str, *, skip_wait: bool = False) -> Fault:
        """Let the owner kill a node."""
        return self._fault(self._call("kill", node=name, skip_wait=skip_wait))

    def stop(self, name: str) -> Fault:
        """Let the owner stop a node."""
        return self._fault(self._call("stop", node=name))

    def pause(self, name: str) -> Fault:
        """Let the owner pause a node."""
        return self._fault(self._call("pause", node=name))

    def resume(self, name: str) -> None:
        """Let the owner resume a node."""
        self._call("resume", node=name)

    def restart(self, name: str) -> None:
        """Let the owner restart a node."""
        self._call("restart", node=name)

    def expire_session(self, name: str) -> None:
        """Let the owner end a session."""
        self._call("expire_session", broker=name)

    def cut(self, a: str, b: str, *, one_way: bool) -> Fault:
        """Let the owner cut a link."""
        return self._fault(self._call("cut", a=a, b=b, one_way=one_way))

    def slow(self, a: str, b: str, latency_ms: float, jitter_ms: float) -> Fault:
        """Let the owner slow a link."""
        return self._fault(self._call("slow", a=a, b=b, latency_ms=latency_ms, jitter_ms=jitter_ms))

    def drop_responses(self, a: str, b: str) -> Fault:
        """Let the owner lose answers."""
        return self._fault(self._call("drop_responses", a=a, b=b))

    def reset(self, a: str, b: str) -> Fault:
        """Let the owner reset connections."""
        return self._fault(self._call("reset", a=a, b=b))

    def heal(self, a: str, b: str) -> None:
        """Let the owner heal a link."""
        self._call("heal", a=a, b=b)

    def fail(self, broker: str) -> Fault:
        """Let the owner break a disk."""
        return self._fault(self._call("fail_disk", broker=broker))

    def repair(self, broker: str) -> None:
        """Let the owner repair a disk."""
        self._call("repair_disk", broker=broker)

    def heal_all(self, report: Report) -> None:
        """Let the owner heal everything."""
        report("Healing everything", 0, 0)
        self._call("heal_all")

    def check_keepers(self, what: str) -> None:
        """Leave it to the owner to refuse."""

    def check_whole(self, name: str) -> None:
        """Leave it to the owner to refuse."""

    def _fault(self, told: dict[str, Any]) -> Fault:
        return Fault(**told, _heal=self._heal)

    def _heal(self, fault: Fault) -> None:
        if fault.peer is not None:
            self.heal(client_id(fault.node), client_id(fault.peer))
        elif fault.kind == "pause":
            self.resume(fault.node)
        elif fault.kind == "fail_disk":
            self.repair(fault.node)
        else:
            self.restart(fault.node)


class NoFaults:
    """Refuses every fault: the processes are not ours.

    Parameters
    ----------
    owner : str
        Whose they are.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.nodes = self.links = self.disks = self

    def heal_all(self, report: Report) -> None:
        """Do nothing: nothing was broken here."""

    def __getattr__(self, fault: str) -> NoReturn:
        """Refuse.

        Raises
        ------
        AttributeError
            It is no fault.
        FaultError
            It is one.
        """
        if fault.startswith("_"):
            raise AttributeError(fault)
        raise FaultError(
            f"these processes are {self._owner}: this lab can watch and use them, not break them; "
            "Lab(...) starts some that it can"
        )
