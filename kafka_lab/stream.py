"""A steady stream of numbered messages, to watch what a failure does to it."""

from __future__ import annotations

from itertools import count

from kafka.errors import IllegalStateError, KafkaError

from kafka_lab.clients import LabProducer
from kafka_lab.threads import Threads

__all__ = ["Stream"]


class Stream:
    """Sends ``message 1``, ``message 2`` ... to a topic, with a few keys in turn, until it is closed.

    What became of each stands on the timeline, as RecordAcknowledged or RecordFailed.

    Parameters
    ----------
    producer : LabProducer
        Who sends; closed with the stream.
    topic : str
        Where to.
    per_s : float
        How many a second.
    keys : int
        How many different keys, ``key-1`` and so on; 0 for none.

    Attributes
    ----------
    sent : int
        How many were handed to the producer.
    """

    def __init__(self, producer: LabProducer, topic: str, per_s: float, keys: int) -> None:
        self.topic = topic
        self.sent = 0
        self._producer = producer
        self._every_s = 1 / per_s
        self._keys = keys
        self._threads = Threads()

    def start(self) -> None:
        """Begin, in a thread."""
        self._threads.start({"stream": self._send})

    def close(self) -> None:
        """Stop sending, and give the producer two seconds for what is on its way."""
        self._threads.closing.set()
        self._producer.close(timeout=2)  # ends a send that waits for metadata too
        self._threads.close()

    def __repr__(self) -> str:
        condition = "stopped" if self._threads.closing.is_set() else f"{1 / self._every_s:g} a second"
        return f"<Stream to {self.topic}: {condition}, {self.sent} sent>"

    def _send(self) -> None:
        for number in count(1):
            if self._threads.closing.wait(self._every_s):
                return
            key = f"key-{number % self._keys + 1}".encode() if self._keys else None
            try:
                self._producer.send(self.topic, f"message {number}".encode(), key=key)
            except IllegalStateError:  # somebody closed the producer, as lab.clear() does
                self._threads.closing.set()
                return
            except KafkaError:  # no room or no metadata: a gap in the stream, which the pictures show
                continue
            self.sent += 1
