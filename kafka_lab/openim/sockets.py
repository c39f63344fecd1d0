"""How many connections a process can hold: each is a file of its own to the system."""

from __future__ import annotations

import resource

__all__ = ["BACKLOG", "most_connections", "raise_file_limit"]

#: How many connections may wait to be taken; they are taken all at once.
BACKLOG = 512
_MOST = 20_000
_OPEN_MAX = 10_240  # where there is no hard limit, as on macOS, which takes no more than that (OPEN_MAX)


def raise_file_limit() -> None:
    """Let this process have as many open files as the system allows it, not as many as it begins with.

    Most systems begin with 1,024 (macOS with 256) and allow many more: see ``ulimit -Sn`` and ``ulimit -Hn``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def most_connections() -> int:
    """Return how many connections leave enough files for all else, brokers' logs and the inbox among it."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST
    return min(_MOST, max(limit - 2 * BACKLOG, limit // 2))
