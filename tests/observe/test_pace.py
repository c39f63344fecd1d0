from __future__ import annotations

import threading
import time

from kafka_lab.events import BrokerLost, RecordRead
from kafka_lab.observe.pace import Pace
from kafka_lab.timeline import Timeline


def pause_of(pace: Pace, *, changed: bool) -> float:
    begin = time.monotonic()
    pace.pause(changed=changed)
    return time.monotonic() - begin


def test_pauses_grow_while_nothing_changes() -> None:
    pace = Pace(Timeline())
    short = pause_of(pace, changed=True)
    assert pause_of(pace, changed=False) > 1.5 * short
    pace.close()


def test_what_happens_in_the_cluster_ends_a_pause_and_a_record_does_not() -> None:
    timeline = Timeline()
    pace = Pace(timeline)
    for _ in range(3):
        pause_of(pace, changed=False)
    timeline.append(BrokerLost("broker-1"))
    assert pause_of(pace, changed=False) < 1.0  # else it would be 2 s
    timeline.append(RecordRead("chat", 0, 0, reader="ann"))
    assert pause_of(pace, changed=True) >= 0.19
    pace.close()


def test_closing_ends_the_pause() -> None:
    pace = Pace(Timeline())
    for _ in range(3):
        pause_of(pace, changed=False)
    closer = threading.Timer(0.05, pace.close)
    closer.start()
    assert pause_of(pace, changed=False) < 1.0
    closer.join()
