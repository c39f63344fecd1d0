"""Measuring the pictures: looking back, drawing, exporting, and what following a busy cluster costs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka_lab import events as ev
from kafka_lab.bench import Figure
from kafka_lab.history import History
from kafka_lab.progress import Report
from kafka_lab.timeline import Timeline
from kafka_lab.views import View, elections_view, groups_view, order_view, topology_view
from kafka_lab.views.replay import save_html
from kafka_lab.views.widget import make

__all__ = ["bench_views", "long_lesson"]

_TOPIC = "chat"
_BROKERS = ("broker-1", "broker-2", "broker-3")
_PARTITIONS = 3
_BUSY_S = 3.0
_PER_S = 500


def long_lesson(count: int, length_s: float, seed: int = 1) -> Timeline:
    """Return a made-up lesson: mostly messages and offsets, and a failure of some kind every few seconds."""
    timeline = Timeline()
    draw = random.Random(seed)  # noqa: S311 - no secret
    story = [*_beginning(), *(_something(number, draw) for number in range(count - len(_beginning())))]
    timeline._events = [
        event.stamped(number, round(length_s * number / count, 6)) for number, event in enumerate(story)
    ]
    timeline.ended = True
    return timeline


def _beginning() -> list[ev.Event]:
    begin: list[ev.Event] = [ev.NodeStarted("zookeeper-1", "zookeeper", 1, 1)]
    for name in _BROKERS:
        begin += [ev.NodeStarted(name, "broker", 1, 1), ev.BrokerRegistered(name)]
    begin += [ev.ControllerElected(_BROKERS[0]), ev.TopicCreated(_TOPIC)]
    for number in range(_PARTITIONS):
        begin += [
            ev.ReplicasAssigned(_TOPIC, number, _BROKERS),
            ev.LeaderChanged(_TOPIC, number, _BROKERS[number], None, 0),
            ev.IsrExpanded(_TOPIC, number, _BROKERS, _BROKERS, 0),
        ]
    return begin


def _something(number: int, draw: random.Random) -> ev.Event:
    partition, broker = draw.randrange(_PARTITIONS), draw.choice(_BROKERS)
    kind = draw.random()
    if kind < 0.8:
        key, text = f"key-{number % 5}", f"message {number}"
        return ev.RecordAcknowledged(_TOPIC, partition, number, "anna", number, key, text, 0.01)
    if kind < 0.9:
        return ev.HighWatermarkMoved(_TOPIC, partition, number)
    if kind < 0.98:
        return ev.OffsetCommitted(_TOPIC, partition, "readers", number)
    others = tuple(name for name in _BROKERS if name != broker)
    return draw.choice([
        ev.FaultStarted(broker, "pause"),
        ev.FaultEnded(broker, "pause"),
        ev.IsrShrunk(_TOPIC, partition, others, (broker,), number),
        ev.IsrExpanded(_TOPIC, partition, _BROKERS, (broker,), number),
        ev.LeaderChanged(_TOPIC, partition, broker, None, number),
    ])


def bench_views(report: Report, *, runs: int = 5) -> Iterator[Figure]:
    """Measure the pictures, without a cluster or a browser; takes about a minute.

    Each figure comes when it is known.

    Parameters
    ----------
    report : callable
        Is told how far it is.
    runs : int, default 5
        How often each is done.
    """
    yield _looking_back(runs)
    lesson = long_lesson(20_000, 600.0)
    for name, view in _views(lesson).items():
        report(f"Drawing {name}", 0, 0)
        moments = [lesson.moment(600.0 * (number + 1) / runs) for number in range(runs)]
        values = tuple(_ms(partial(view.scene_of, moment)) for moment in moments)
        yield Figure(f"drawing {name} of 20,000 events", "ms", values)
    report("Writing a page of 20,000 events", 0, 0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lesson.html"
        took = _ms(lambda: save_html(path, list(_views(lesson).values()), "lesson")) / 1000
        size = path.stat().st_size / 2**20
    yield Figure("writing the page of a lesson of 10 minutes and 20,000 events", "s", (took,))
    yield Figure("that page's size", "MiB", (size,))
    report(f"Following {_PER_S} events a second", 0, 0)
    costs = tuple(_following(followed=True) - _following(followed=False) for _ in range(min(runs, 3)))
    name = f"share of a core that a live picture of {_PER_S} events a second takes"
    yield Figure(name, "%", costs)


def _views(timeline: Timeline) -> dict[str, View]:
    history = History(timeline)
    return {
        "topology": topology_view(timeline, history),
        "elections": elections_view(timeline, last_s=60.0),
        "groups": groups_view(timeline, history),
        "order": order_view(timeline, _TOPIC),
    }


def _ms(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def _looking_back(runs: int) -> Figure:
    timeline = long_lesson(100_000, 3000.0)
    history = History(timeline)
    history.now()
    draw = random.Random(1)  # noqa: S311 - no secret
    values = tuple(_ms(lambda: history.after(draw.randrange(100_000))) for _ in range(20 * runs))
    return Figure("the state at any moment of 100,000 events", "ms", values)


def _following(*, followed: bool) -> float:
    """Return how much of a core it takes to note events for some seconds, with or without a live picture."""
    timeline = long_lesson(2000, 60.0)
    timeline.ended = False
    view = topology_view(timeline, History(timeline))
    if followed:
        make(view)
    pause = threading.Event()
    begin, cpu = time.monotonic(), time.process_time()
    number = 0
    while (passed := time.monotonic() - begin) < _BUSY_S:
        while number < passed * _PER_S:
            timeline.append(ev.LeaderChanged(_TOPIC, 0, _BROKERS[number % 3], None, number))
            number += 1
        pause.wait(0.005)
    spent = time.process_time() - cpu
    timeline.end()
    return 100 * spent / _BUSY_S
