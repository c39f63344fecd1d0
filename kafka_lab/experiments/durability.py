"""Durability on trial: which settings lose or double messages, counted by their ids.

Each recipe breaks a cluster in a way that is known to cost messages under weak settings. The same recipe
under acks=all, two in-sync replicas and idempotence costs none.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaError

from kafka_lab.clients import LabProducer
from kafka_lab.errors import ConfigurationError, FaultError, unknown
from kafka_lab.events import LeaderChanged
from kafka_lab.experiments.report import Report, side_by_side
from kafka_lab.experiments.subject import Subject, new_topic_name
from kafka_lab.ledger import Delivery, delivery
from kafka_lab.showing import visible
from kafka_lab.table import Table
from kafka_lab.views.bars import Bar, bars_scene
from kafka_lab.views.scene import Scene

__all__ = ["RECIPES", "DurabilityReport", "durability"]

MOST_MESSAGES = 200  # are sent before a frozen follower's session ends
_WAIT_S = 60.0
_GRACE_S = 2.0
_CLIENT = "durability"


@dataclass(frozen=True)
class DurabilityReport(Report):
    """What one recipe cost.

    Attributes
    ----------
    recipe, acks, idempotence, min_insync_replicas
        How it was done.
    topic : str
        Where to look again.
    delivery : Delivery
        The count.
    """

    recipe: str
    acks: str
    idempotence: bool
    min_insync_replicas: int
    topic: str
    delivery: Delivery

    @property
    def settings(self) -> str:
        """The settings in a few words."""
        twice = "idempotent" if self.idempotence else "not idempotent"
        return f"acks={self.acks}, {twice}, min.insync.replicas={self.min_insync_replicas}"

    def table(self) -> Table:
        """Return the counts."""
        return Table(
            (f"{self.recipe}, {self.settings}", "messages"), [(n, str(v)) for n, v in self._counts()]
        )

    def compare(self, other: DurabilityReport) -> Table:
        """Return the counts of two reports side by side."""
        mine, theirs = (f"{report.recipe}, {report.settings}" for report in (self, other))
        return side_by_side(("messages", mine, theirs), self._counts(), other._counts())

    def scene(self) -> Scene:
        """Return the counts as bars."""
        alarming = {"acknowledged, but lost", "there twice"}
        return bars_scene(
            f"Durability, {self.recipe}",
            self.settings,
            [Bar(name, v, str(v), alarming=v > 0 and name in alarming) for name, v in self._counts()],
            self.table(),
        )

    def _counts(self) -> list[tuple[str, int]]:
        found = self.delivery
        return [
            ("sent", found.sent),
            ("acknowledged", found.acknowledged),
            ("there in the end", found.stored),
            ("acknowledged, but lost", len(found.lost)),
            ("there twice", len(found.doubled)),
            ("there without an acknowledgement", len(found.unacknowledged_but_stored)),
        ]


class _Trial:
    """One topic with one partition, a producer, and what was sent."""

    def __init__(self, lab: Subject, topic: str, producer: LabProducer, acks: str, messages: int) -> None:
        self.lab = lab
        self.acks = acks
        self.topic = topic
        self._producer = producer
        self._messages = messages
        self._numbers = itertools.count()
        self._given_up_at_s = 0.0
        self.futures: dict[int, Any] = {}
        self.leader = lab.leader_of(topic, 0) or ""
        self.followers = [name for name in lab.isr_of(topic, 0) if name != self.leader]

    def send_one(self) -> None:
        """Send one message, and wait until every in-sync replica has it: everybody is connected then."""
        self._send().get(_WAIT_S)
        self.wait_until_stored(1)

    def send_all(self) -> None:
        """Send the messages, and do not wait for them."""
        for _ in range(self._messages):
            self._send()
        self._given_up_at_s = (
            time.monotonic() + self._producer.config["delivery_timeout_ms"] / 1000 + _GRACE_S
        )

    def wait_for_answers(self) -> None:
        """Wait until each message was acknowledged or given up.

        kafka-python 3.0.12 never answers for some that an idempotent producer had waiting while the broker
        refused others: they are given up when the producer should have.
        """
        for future in self.futures.values():
            try:
                future.get(max(0.0, self._given_up_at_s - time.monotonic()))
            except KafkaError:  # not acknowledged: it is counted as such
                continue

    def wait_until_stored(self, messages: int) -> None:
        """Wait until the high watermark says that this many are stored."""
        lab = self.lab
        lab.timeline.wait_until(
            lambda: lab.state.topics[self.topic][0].high_watermark >= messages or None,
            timeout_s=_WAIT_S,
            expected=f"{messages} stored messages",
        )

    def _send(self) -> Any:  # noqa: ANN401
        number = next(self._numbers)
        future = self._producer.send(self.topic, str(number).encode(), partition=0)
        self.futures[number] = future
        return future


def _frozen_followers(trial: _Trial) -> None:
    """Kill the leader, which alone has the messages: frozen for a moment, the followers are still in sync."""
    lab = trial.lab
    for follower in trial.followers:
        lab.pause(follower)
    trial.send_all()
    if trial.acks == "1":
        trial.wait_for_answers()
    begin = len(lab.timeline)
    _kill(lab, trial.leader)
    for follower in trial.followers:
        lab.resume(follower)
    _wait_for_leader(trial, begin)


def _frozen_leader(trial: _Trial) -> None:
    """Freeze the leader until its successor is elected: it acknowledges before it hears of that."""
    lab = trial.lab
    begin = len(lab.timeline)
    lab.pause(trial.leader)
    trial.send_all()
    _wait_for_leader(trial, begin)
    _wait_until_followed(trial)
    lab.resume(trial.leader)


def _isolated_leader(trial: _Trial) -> None:
    """Cut the leader off from the others, but not from the producer: it goes on as if it led."""
    lab = trial.lab
    begin = len(lab.timeline)
    for name in lab.state.nodes:
        if name != trial.leader:
            lab.cut(trial.leader, name)
    _wait_for_leader(trial, begin)
    trial.send_all()
    if trial.acks == "1":
        trial.wait_for_answers()


def _unclean_election(trial: _Trial) -> None:
    """Kill the last in-sync replica, and let one lead that missed the messages."""
    lab = trial.lab
    for follower in trial.followers:
        _kill(lab, follower)
        _wait_until_out_of_sync(trial, follower)
    trial.send_all()
    trial.wait_for_answers()
    _kill(lab, trial.leader)
    lab.restart(trial.followers[0])
    lab.timeline.wait_until(
        lambda: lab.leader_of(trial.topic, 0) is None or None, timeout_s=_WAIT_S, expected="no leader"
    )
    lab.elect_unclean(trial.topic, 0)


def _wait_until_out_of_sync(trial: _Trial, follower: str) -> None:
    """Return when the controller has put a dead follower out of the ISR.

    Whoever was elected controller by its death has then done its first work. One that is gone again at once
    can leave a ZooKeeper cluster without any: a broker that lost that election, and then finds no winner,
    waits for a change that was before it looked (``KafkaController.elect``, Kafka 3.9).
    """
    lab = trial.lab
    lab.timeline.wait_until(
        lambda: follower not in lab.isr_of(trial.topic, 0) or None,
        timeout_s=_WAIT_S,
        expected=f"an ISR without {follower}",
    )


def _lost_responses(trial: _Trial) -> None:
    """Lose the answers: the messages are stored, the producer never hears of it, and sends them again."""
    lab = trial.lab
    lab.drop_responses(_CLIENT, trial.leader)
    trial.send_all()
    trial.wait_until_stored(2)
    lab.heal(_CLIENT, trial.leader)
    trial.wait_for_answers()


#: What is broken and when, by the recipe's name.
RECIPES: dict[str, Callable[[_Trial], None]] = {
    "frozen followers": _frozen_followers,
    "frozen leader": _frozen_leader,
    "isolated leader": _isolated_leader,
    "unclean election": _unclean_election,
    "lost responses": _lost_responses,
}


@visible("Durability on trial")
def durability(
    lab: Subject,
    recipe: str = "frozen followers",
    *,
    acks: str = "all",
    idempotence: bool | None = None,
    min_insync_replicas: int = 2,
    messages: int = 50,
) -> DurabilityReport:
    """Break a cluster while messages are sent, and count which of them are lost or doubled.

    Parameters
    ----------
    lab : Lab
        A running lab with at least three brokers; it is whole again afterwards.
    recipe : str
        ``"frozen followers"``, ``"frozen leader"``, ``"isolated leader"``, ``"unclean election"`` or
        ``"lost responses"``. The isolated leader and the lost responses need a lab with links.
    acks : str
        ``"1"`` or ``"all"``: the producer's setting.
    idempotence : bool, optional
        ``enable.idempotence`` of the producer, which needs acks=all; by default on with it, off without.
    min_insync_replicas : int, default 2
        The topic's ``min.insync.replicas``.
    messages : int, default 50
        How many are sent while something is broken, 1 to 200; one more is sent before.

    Raises
    ------
    ConfigurationError
        An argument is not valid, or there are too few brokers.
    FaultError
        The recipe needs links, and the lab has none; or it cannot be done in KRaft.
    WaitTimeoutError
        The cluster did not come back.
    """
    if recipe not in RECIPES:
        raise ConfigurationError(unknown("recipe", recipe, RECIPES))
    if acks not in {"1", "all"}:
        raise ConfigurationError(f"acks is {acks!r}; expected '1' or 'all'")
    idempotent = acks == "all" if idempotence is None else idempotence
    if idempotent and acks != "all":
        raise ConfigurationError("idempotence needs acks='all' (KIP-98)")
    if type(messages) is not int or not 1 <= messages <= MOST_MESSAGES:
        raise ConfigurationError(
            f"messages is {messages!r}; expected a whole number from 1 to {MOST_MESSAGES}"
        )
    if len(lab.brokers) < 3:
        raise ConfigurationError(f"there are {len(lab.brokers)} brokers; the recipes need three")
    _check_mode(lab, recipe)
    lab.heal_all()
    topic = _new_topic(lab, min_insync_replicas)
    producer = lab.producer(
        client_id=_CLIENT,
        acks=1 if acks == "1" else "all",
        enable_idempotence=idempotent,
        max_in_flight_requests_per_connection=5,
        batch_size=0,  # each message is a request of its own
    )
    trial = _Trial(lab, topic, producer, acks, messages)
    try:
        trial.send_one()
        RECIPES[recipe](trial)
        lab.heal_all()
        trial.wait_for_answers()
    finally:
        lab.heal_all()
        producer.close(timeout=2)
    found = delivery(
        sent=trial.futures,
        acknowledged=[number for number, future in trial.futures.items() if future.succeeded()],
        read=[int(record.value) for record in lab.read(topic)],
    )
    return DurabilityReport(recipe, acks, idempotent, min_insync_replicas, topic, found)


def _check_mode(lab: Subject, recipe: str) -> None:
    """Refuse what a cluster in KRaft cannot show.

    Raises
    ------
    FaultError
        It cannot.
    """
    if not lab.state.in_kraft:
        return
    if recipe == "isolated leader":
        raise FaultError(
            f"{recipe}: in KRaft a broker's link to a controller cannot be cut; Lab(links=True) has ZooKeeper"
        )
    if recipe == "unclean election" and "controller" not in {node.role for node in lab.state.nodes.values()}:
        raise FaultError(
            f"{recipe}: its dead followers would be the majority of the controllers; "
            "Lab(mode='kraft', controllers=3) gives these nodes of their own"
        )


def _new_topic(lab: Subject, min_insync_replicas: int) -> str:
    topic = new_topic_name(lab, "durability")
    config = {"min.insync.replicas": str(min_insync_replicas), "unclean.leader.election.enable": "false"}
    lab.create_topic(topic, replication_factor=3, config=config)
    return topic


def _wait_until_followed(trial: _Trial) -> None:
    """Return when those that followed the old leader tell of the new one.

    Until then they still take what the old one has for them: the controller writes down whom it elected
    before it tells the brokers.
    """
    lab = trial.lab

    def followed() -> bool | None:
        told = lab.state.topics[trial.topic][0].told
        leaders = {told[name].leader if name in told else None for name in trial.followers}
        return None if leaders & {None, trial.leader} else True

    lab.timeline.wait_until(followed, timeout_s=_WAIT_S, expected=f"another leader than {trial.leader}")


def _kill(lab: Subject, node: str) -> None:
    """Kill a broker; where it has a session, that is ended by hand, and nobody waits for it."""
    lab.kill(node, skip_wait=not lab.state.in_kraft)


def _wait_for_leader(trial: _Trial, begin: int) -> None:
    trial.lab.timeline.wait_for(LeaderChanged, since=begin, topic=trial.topic, partition=0, timeout_s=_WAIT_S)
