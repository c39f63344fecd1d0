"""A node's configuration as data, and as the properties text that the node reads. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kafka_lab.errors import ConfigurationError, unknown

__all__ = [
    "PROFILES",
    "Profile",
    "broker_properties",
    "direct_listener",
    "linked_listeners",
    "min_insync_replicas",
    "profile",
    "to_text",
    "zookeeper_properties",
    "zookeeper_settings",
]

_SESSION = "zookeeper.session.timeout.ms"
_OWN = {
    "broker.id",
    "node.id",
    "process.roles",
    "controller.quorum.voters",
    "controller.listener.names",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "log.dir",
    "log.dirs",
    "zookeeper.connect",
}
HOST = "127.0.0.1"  # everything listens here and nowhere else
LOG4J2 = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level={level}
rootLogger.appenderRef.console.ref=console
"""
LOG4J = """\
log4j.rootLogger={level}, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=[%d{{ISO8601}}] %p %m (%c)%n
"""


@dataclass(frozen=True)
class Profile:
    """How fast the cluster notices failures.

    Attributes
    ----------
    name, teaches : str
        Its name, and what it is for.
    session_timeout_ms : int
        ``zookeeper.session.timeout.ms``: a dead broker counts as dead this long after its last ping.
    tick_time_ms : int
        ZooKeeper's ``tickTime``: sessions expire on its ticks.
    broker : mapping
        Further broker settings, by Kafka's configuration keys.
    """

    name: str
    teaches: str
    session_timeout_ms: int
    tick_time_ms: int
    broker: Mapping[str, str] = field(default_factory=dict)

    def with_settings(self, settings: Mapping[str, str]) -> Profile:
        """Return this profile with other broker settings, by Kafka's configuration keys.

        Raises
        ------
        ConfigurationError
            A key or value is no text, or the setting is the lab's own.

        Examples
        --------
        >>> PROFILES["lab"].with_settings({"zookeeper.session.timeout.ms": "6000"}).session_timeout_ms
        6000
        """
        for key, value in settings.items():
            if not (isinstance(key, str) and isinstance(value, str)):
                raise ConfigurationError(f"{key!r}: {value!r} is no setting; expected text for both")
            if key in _OWN:
                raise ConfigurationError(f"{key} is the lab's own setting; it cannot be changed")
        session = settings.get(_SESSION, str(self.session_timeout_ms))
        if not session.isdecimal():
            raise ConfigurationError(f"{_SESSION} is {session!r}; expected milliseconds")
        return replace(self, session_timeout_ms=int(session), broker={**self.broker, **settings})

    def with_broker(self, settings: Mapping[str, str]) -> Profile:
        """Return this profile with these broker settings and no others."""
        return replace(self, broker=dict(settings))


# A lab's own settings, with what each of them teaches when it is set back to Kafka's default.
_QUICK = {
    # A follower that has not caught up for this long leaves the in-sync replicas (30000 as shipped).
    "replica.lag.time.max.ms": "2000",
    # As shipped (500 and 1000) these two can delay acks=all by up to a second after an election. A wait below
    # 200 gains nothing there, and idle brokers would be busy with asking each other for news.
    "replica.fetch.wait.max.ms": "200",
    "replica.fetch.backoff.ms": "50",
    # A leader asks a controller that is frozen or cut off for this long (30000 as shipped) before it turns to
    # the present one: until then it can neither take a follower off the in-sync replicas nor take one back.
    "controller.socket.timeout.ms": "3000",
    # As shipped the last broker to stop tries three times, five seconds apart.
    "controlled.shutdown.max.retries": "1",
    "controlled.shutdown.retry.backoff.ms": "100",
    # A preferred-leader election is the learner's act, not a timer's.
    "auto.leader.rebalance.enable": "false",
    # acks=all means at least two copies (see min_insync_replicas); 1 as shipped.
    "min.insync.replicas": "2",
    # A consumer group's first members need not wait three seconds for more.
    "group.initial.rebalance.delay.ms": "0",
    # A consumer may ask for a session as short as this (6000 as shipped): a dead member is noticed sooner.
    "group.min.session.timeout.ms": "1000",
    # Retention looks for old segments every five minutes as shipped, for the first time after 30 seconds; the
    # cleaner looks for work every 15 seconds.
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    # A misspelt topic is an error, and no new topic.
    "auto.create.topics.enable": "false",
    # A deleted topic's folders go at once.
    "log.segment.delete.delay.ms": "1000",
}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="lab",
            teaches="A failover in about two seconds: long enough to watch, short enough to wait for.",
            session_timeout_ms=2000,
            tick_time_ms=200,
            broker=_QUICK,
        ),
        Profile(
            name="fast",
            teaches="A failover in about one second, for tests.",
            session_timeout_ms=1000,
            tick_time_ms=100,
            broker=_QUICK,
        ),
        Profile(
            name="kafka-defaults",
            teaches="Kafka's own values, as shipped with 3.9: a failover takes up to 18 seconds.",
            session_timeout_ms=18000,
            tick_time_ms=2000,
        ),
        Profile(
            name="fragile",
            teaches="Acknowledged messages can be lost: one copy is enough, and a stale replica may lead.",
            session_timeout_ms=2000,
            tick_time_ms=200,
            broker={
                **_QUICK,
                "min.insync.replicas": "1",
                "unclean.leader.election.enable": "true",
            },
        ),
    )
}


def profile(name: str) -> Profile:
    """Return a profile by name.

    Raises
    ------
    ConfigurationError
        There is none of that name.

    Examples
    --------
    >>> profile("kafka-defaults").session_timeout_ms
    18000
    """
    if name not in PROFILES:
        raise ConfigurationError(unknown("profile", name, PROFILES))
    return PROFILES[name]


def zookeeper_properties(
    *, port: int, data: Path, profile: Profile, peers: Mapping[int, tuple[int, int]] | None = None
) -> dict[str, str]:
    """Return ZooKeeper's configuration, by the keys of its Administrator's Guide.

    ``peers`` are the members of an ensemble, by the number in their ``myid``: the port for followers, and the
    one for leader election.
    """
    ensemble = {
        f"server.{number}": f"{HOST}:{ports[0]}:{ports[1]}" for number, ports in (peers or {}).items()
    }
    return {
        # An ensemble's own limits, in ticks: they are short with the lab's ticks.
        "initLimit": "50",
        "syncLimit": "10",
        **ensemble,
        "dataDir": str(data),
        "clientPort": str(port),
        "clientPortAddress": HOST,
        "tickTime": str(profile.tick_time_ms),
        "minSessionTimeout": str(2 * profile.tick_time_ms),
        "maxSessionTimeout": "60000",
        "maxClientCnxns": "0",
        "preAllocSize": "1024",
        "admin.enableServer": "false",
        # Do not wait for the disk: the data outlive a killed process all the same, they need not outlive the
        # machine, and a slow disk ends no sessions.
        "forceSync": "no",
        "4lw.commands.whitelist": "srvr,stat,ruok,mntr",
    }


def broker_properties(
    *, listeners: Mapping[str, str], data: Path, metadata: Mapping[str, str], brokers: int, profile: Profile
) -> dict[str, str]:
    """Return a broker's configuration, by Kafka's configuration keys.

    ``listeners`` are the settings of :func:`direct_listener` or :func:`linked_listeners`; ``metadata`` says
    who the broker is and where the cluster's metadata are (:func:`zookeeper_settings`, or
    :func:`kafka_lab.cluster.kraft.quorum_settings`). The internal topics get as many replicas as there are
    brokers, three at most, and few partitions.
    """
    copies = str(min(3, brokers))
    settings = {
        **listeners,
        "log.dirs": str(data),
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.num.partitions": "3",
        "transaction.state.log.min.isr": str(min_insync_replicas(brokers)),
        # Small buffers and few threads: four JVMs share a laptop.
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": "2097152",
        "log.index.size.max.bytes": "1048576",
        **metadata,
        **profile.broker,
    }
    if settings.get("min.insync.replicas") == _QUICK["min.insync.replicas"]:
        settings["min.insync.replicas"] = str(min_insync_replicas(brokers))
    return settings


def zookeeper_settings(*, broker_id: int, connect: str, profile: Profile) -> dict[str, str]:
    """Return who a broker is and where its ZooKeeper is."""
    return {
        "broker.id": str(broker_id),
        # Else ids above 1000 are Kafka's own to give.
        "broker.id.generation.enable": "false",
        "zookeeper.connect": connect,
        _SESSION: str(profile.session_timeout_ms),
        # Unset it falls back to the session timeout, and a slow boot ends in an exit.
        "zookeeper.connection.timeout.ms": "30000",
    }


def direct_listener(port: int) -> dict[str, str]:
    """Return the settings of a broker that clients and brokers connect to directly."""
    return {"listeners": f"PLAINTEXT://{HOST}:{port}"}


def linked_listeners(
    *,
    internal: int,
    client: int,
    linked_internal: int,
    linked_client: int,
    bind: str = HOST,
    name: str = HOST,
) -> dict[str, str]:
    """Return the settings of a broker that brokers and clients reach in two ways, such as by two links.

    In a container ``bind`` is its own address, and ``name`` what other brokers call it.
    """
    return {
        "listeners": f"INTERNAL://{bind}:{internal},CLIENT://{bind}:{client}",
        "advertised.listeners": f"INTERNAL://{name}:{linked_internal},CLIENT://{HOST}:{linked_client}",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,CLIENT:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
    }


def min_insync_replicas(brokers: int) -> int:
    """Return how many in-sync replicas acks=all needs: two, or one where a dead broker would stop it all.

    Examples
    --------
    >>> [min_insync_replicas(brokers) for brokers in (1, 2, 3, 5)]
    [1, 1, 2, 2]
    """
    return max(1, min(2, brokers - 1))


def to_text(properties: Mapping[str, str]) -> str:
    r"""Return properties as a Java properties file.

    Examples
    --------
    >>> print(to_text({"broker.id": "1", "log.dirs": "a\\b"}), end="")
    broker.id=1
    log.dirs=a\\b
    """
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    """Return a value as java.util.Properties reads it: Latin-1 at most, so the rest as escapes of UTF-16."""
    text = value.replace("\\", "\\\\")
    units = text.encode("utf-16-be")
    codes = [high << 8 | low for high, low in zip(units[::2], units[1::2], strict=True)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)
