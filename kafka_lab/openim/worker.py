"""A member of one of the pipeline's consumer groups, in a thread; it can be stopped in order, and killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka.errors import KafkaError, MessageSizeTooLargeError

from kafka_lab.events import (
    RecordRejected,
    WorkerFailed,
    WorkerResumed,
    WorkerStalled,
    WorkerStarted,
    WorkerStopped,
)
from kafka_lab.openim.clients import Consumer
from kafka_lab.openim.records import Copy, StrangeRecordError, copy_of
from kafka_lab.timeline import Timeline

__all__ = ["COMMITS", "Worker"]

#: When offsets are committed: after the batch is stored, or before, as OpenIM v2.1.0 does.
COMMITS = ("with_store", "before_store")
_POLL_MS = 200
_AGAIN_S = 0.2
_COMMITS = 25
_COMMIT_MS = 1000  # for a coordinator that does not answer
_COMMIT_S = 0.5  # while there is more to do; OpenIM's workers commit once a second
# From one batch to the next, at least: records gather meanwhile (in OpenIM for 100 ms), and a batch costs
# little more than a record. When many come, for longer.
_GATHER_S = 0.05
_GATHER_MANY_S = 0.3
_MANY = 20


class Worker:
    """Reads records, hands them on in batches, and commits their offsets.

    With ``commit="with_store"`` only offsets of what was handled are committed, every half second and when
    there is nothing more to do: what is interrupted comes again, and is recognised. With ``"before_store"``
    they are committed as soon as the records are in memory, as in OpenIM v2.1.0
    (``online_history_msg_handler.go``): a crash loses what was not stored yet.

    Parameters
    ----------
    name : str
        Such as ``"mongo-1"``.
    consumer : Consumer
        A member of the group, without automatic commits; the worker closes it.
    handle : callable
        Is given the copies of a batch, and stores them, all or none. It raises sqlite3.OperationalError or a
        KafkaError while it cannot: it is then called again, and no further records are read.
    timeline : Timeline
        Gets what becomes of the worker.
    set_aside : callable
        Is given a record that cannot be read and the reason.
    commit : str
        One of :data:`COMMITS`.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        handle: Callable[[Sequence[Copy]], None],
        timeline: Timeline,
        *,
        set_aside: Callable[[Any, str], None],
        commit: str = COMMITS[0],
    ) -> None:
        self.name = name
        self._consumer = consumer
        self._handle = handle
        self._timeline = timeline
        self._set_aside = set_aside
        self._commits_first = commit == "before_store"
        self._closing = threading.Event()
        self._killed = False
        self._error: Exception | None = None
        self._stored_s: float | None = None  # when the first record was stored whose offset is not committed
        self._thread = threading.Thread(target=self._work, name=f"kafka-lab-{name}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work, in a thread."""
        self._timeline.append(WorkerStarted(self.name))
        self._thread.start()

    def ask_to_end(self) -> None:
        """Let it stop after the batch in hand."""
        self._closing.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended, and return whether it has."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self.running

    def close(self) -> None:
        """Stop after the batch in hand.

        Raises
        ------
        Exception
            What ended the worker before.
        """
        self.ask_to_end()
        self.wait()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def kill(self) -> None:
        """End it as a crash would: what it has in memory is gone, nothing more is stored or committed.

        A batch that is just being stored is stored whole. Nobody tells the group: its partitions are read on
        by others when ``session.timeout.ms`` has passed (6 s here).
        """
        self._killed = True
        self.ask_to_end()
        self.wait()

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                self._work_once()
            if self._stored_s is not None and not self._killed:
                self._commit()
        except Exception as error:  # noqa: BLE001 - raised again by close()
            self._error = error
            self._timeline.append(WorkerFailed(self.name, type(error).__name__))
        finally:
            if self._killed:
                self._consumer.crash()
            else:
                self._consumer.close()
            self._timeline.append(WorkerStopped(self.name, killed=self._killed))

    def _work_once(self) -> None:
        if self._stored_s is not None and time.monotonic() - self._stored_s > _COMMIT_S:
            self._commit()
        try:
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
        except KafkaError:  # no broker to be reached: they come back, or the lab is closed
            self._closing.wait(_AGAIN_S)
            return
        begin_s = time.monotonic()
        records = [record for records in polled.values() for record in records]
        if not records:
            if self._stored_s is not None:
                self._commit()
            return
        if self._commits_first:
            for _ in range(_COMMITS):  # the first tries can come while the group still moves
                if self._commit() or self._closing.wait(_AGAIN_S):
                    break
        copies = self._read(records)
        if copies is None or not self._store(copies):
            self._stored_s = None  # a commit now would be of these records too
            return
        if not self._commits_first and self._stored_s is None:
            self._stored_s = time.monotonic()
        gather_s = _GATHER_S if len(records) < _MANY else _GATHER_MANY_S
        self._closing.wait(max(0.0, begin_s + gather_s - time.monotonic()))

    def _commit(self) -> bool:
        try:
            self._consumer.commit(timeout_ms=_COMMIT_MS)
        except KafkaError:  # the group is moving: what is stored comes again, and is known
            return False
        self._stored_s = None
        return True

    def _store(self, copies: Sequence[Copy]) -> bool:
        """Hand a batch on, trying until it is taken; return False if the worker ends meanwhile."""
        stalled = False
        while not self._killed:
            try:
                self._handle(copies)
            except (sqlite3.OperationalError, KafkaError) as error:  # disk full, file locked, no broker
                if isinstance(error, MessageSizeTooLargeError) and self._without_the_worst(copies, error):
                    return True
                if not stalled:
                    stalled = True
                    self._timeline.append(WorkerStalled(self.name, f"{type(error).__name__}: {error}"[:200]))
                if self._closing.wait(_AGAIN_S):
                    return False
                continue
            if stalled:
                self._timeline.append(WorkerResumed(self.name))
            return True
        return False

    def _without_the_worst(self, copies: Sequence[Copy], error: Exception) -> bool:
        """Handle a batch one by one, leaving out what can never be handled; return False if it ends."""
        if len(copies) > 1:
            return all(self._store([copy]) for copy in copies)
        (copy,) = copies
        self._timeline.append(RecordRejected(copy.topic, copy.partition, copy.offset, type(error).__name__))
        return True

    def _read(self, records: Sequence[Any]) -> list[Copy] | None:
        """Return the records' copies, without what is not ours; None if the worker ends meanwhile."""
        copies = []
        for record in records:
            try:
                copies.append(copy_of(record))
            except StrangeRecordError as error:
                if not self._keep_aside(record, str(error)):
                    return None
        return copies

    def _keep_aside(self, record: Any, reason: str) -> bool:  # noqa: ANN401 - kafka-python has no types
        """Set a record aside, trying until it is kept; return False if the worker ends meanwhile."""
        while not self._killed:
            try:
                self._set_aside(record, reason)
            except KafkaError:  # no broker just now: the offset is not committed before it is kept
                if self._closing.wait(_AGAIN_S):
                    return False
                continue
            self._timeline.append(
                RecordRejected(record.topic, record.partition, record.offset, reason.partition(":")[0])
            )
            return True
        return False
