"""Every error the lab raises, in one tree.

::

    KafkaLabError
    ├── ConfigurationError (ValueError)      a bad argument, no Java
    │   └── DistributionError                jars missing or wrong, registry out of reach
    ├── NodeError                            .node .log_path .log_tail
    │   └── NodeStartError                   exited, or was not ready in time
    ├── WaitTimeoutError (TimeoutError)      .expected .waited_s .last_seen
    ├── ClosedError (RuntimeError)           used after close, or before start
    ├── FaultError                           a fault could not be applied or healed
    ├── TimelineError (ValueError)           a recording that cannot be read: which line, why
    ├── LogFileError (ValueError)            .path .position .readable: a broker's file that cannot be read
    └── NotificationError                    .definite: True = certainly not sent
        ├── InvalidNotificationError (ValueError)
        ├── BrokerUnavailableError
        └── DeliveryUnknownError             definite is False: it may have been delivered

A message says what happened and what to try next.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "BrokerUnavailableError",
    "ClosedError",
    "ConfigurationError",
    "DeliveryUnknownError",
    "DistributionError",
    "FaultError",
    "InvalidNotificationError",
    "KafkaLabError",
    "LogFileError",
    "NodeError",
    "NodeStartError",
    "NotificationError",
    "TimelineError",
    "WaitTimeoutError",
    "unknown",
]


class KafkaLabError(Exception):
    """The root: catch this to catch everything the lab raises on purpose."""


class ConfigurationError(KafkaLabError, ValueError):
    """An argument, a profile or the machine's set-up is not what the lab needs."""


def unknown(kind: str, value: object, valid: Iterable[object]) -> str:
    """Return the message for a name that does not exist, with those that do.

    Examples
    --------
    >>> unknown("profile", "fsat", ["lab", "kafka-defaults"])
    "there is no profile 'fsat'; choose one of: lab, kafka-defaults"
    """
    names = ", ".join(map(str, valid)) or "(there are none yet)"
    return f"there is no {kind} {value!r}; choose one of: {names}"


class DistributionError(ConfigurationError):
    """Kafka's jars could not be had or are not what the lock file says."""


class NodeError(KafkaLabError):
    """Something about one process of the cluster.

    Attributes
    ----------
    node : str
        The node's name, such as ``"broker-2"``.
    log_path : pathlib.Path
        What the process wrote.
    log_tail : str
        The last lines of it, as they were when the error was made.
    """

    def __init__(self, message: str, *, node: str, log_path: Path, log_tail: str) -> None:
        self.node = node
        self.log_path = log_path
        self.log_tail = log_tail
        tail = f"\nIts last log lines:\n{log_tail}" if log_tail else ""
        super().__init__(f"{message}{tail}\nIts log file: {log_path}")


class NodeStartError(NodeError):
    """A node exited while starting, or was not ready in time."""


class WaitTimeoutError(KafkaLabError, TimeoutError):
    """What was waited for did not happen in time.

    Attributes
    ----------
    expected : str
        What was waited for.
    waited_s : float
        How long, in seconds.
    last_seen : str
        What was seen instead.
    """

    def __init__(self, expected: str, *, waited_s: float, last_seen: str) -> None:
        self.expected = expected
        self.waited_s = waited_s
        self.last_seen = last_seen
        super().__init__(f"{expected} did not happen within {waited_s:g} s; last seen: {last_seen}")


class ClosedError(KafkaLabError, RuntimeError):
    """Something was used after its ``close()``, or before its ``start()``."""


class FaultError(KafkaLabError):
    """A fault could not be applied or healed."""


class TimelineError(KafkaLabError, ValueError):
    """A recording cannot be read: the message names the line and the reason."""


class LogFileError(KafkaLabError, ValueError):
    """A file that a broker wrote cannot be read from some position on.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    position : int
        From which byte on it cannot be read.
    readable : tuple
        What was read of a segment before that: its batches.
    """

    def __init__(self, what: str, *, path: Path, position: int) -> None:
        self.path = path
        self.position = position
        self.readable: tuple[object, ...] = ()
        super().__init__(f"{path.name} {what} (position {position} of {path})")


class NotificationError(KafkaLabError):
    """A notification was not accepted.

    Attributes
    ----------
    definite : bool
        True when it was certainly not sent; False when it may have been.
    """

    definite = True


class InvalidNotificationError(NotificationError, ValueError):
    """The request is refused as it stands: sending it again will not help.

    Attributes
    ----------
    http_status : int
        The HTTP status of the answer, 400 for most.
    err_code : int
        OpenIM's ``errCode``.
    """

    def __init__(self, message: str, *, http_status: int, err_code: int) -> None:
        self.http_status = http_status
        self.err_code = err_code
        super().__init__(message)


class BrokerUnavailableError(NotificationError):
    """No record was handed to a broker; sending again is safe."""


class DeliveryUnknownError(NotificationError):
    """No acknowledgement came in time, so the notification may still be delivered."""

    definite = False
