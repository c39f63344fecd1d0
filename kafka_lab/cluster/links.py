"""TCP links on 127.0.0.1 between brokers, ZooKeeper and clients, which can be cut or slowed without root.

Each connection goes through a port of ours. Who opened it is known from the port (ZooKeeper) or from the
``client_id`` in its first request (Kafka): a broker's replica fetchers, its requests to the controller and
the controller's requests all carry the ``broker.id``.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from kafka_lab.cluster.config import HOST
from kafka_lab.errors import FaultError
from kafka_lab.state import node_name

__all__ = ["ANY_CLIENT", "BETWEEN_BROKERS", "Breakage", "Links", "client"]

#: In place of a connection's opener: to be read off its first request.
ANY_CLIENT, BETWEEN_BROKERS = "client", "broker"

_OF_BROKER = re.compile(r"(?:broker-|AddPartitionsManager-client-)?(\d+)(?:-|$)")
_HEADER = struct.Struct(">ihhih")  # size, API key, API version, correlation id, length of the client id
_MOST_BYTES = 16 * 2**20  # held back per direction; TCP's own flow control does the rest
_START_S = 5.0
_RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closing the socket sends a TCP reset


def client(client_id: str) -> str:
    """Return the name of a client as an end of a link, apart from all names of nodes.

    Examples
    --------
    >>> client("anna")
    'client anna'
    """
    return f"{ANY_CLIENT} {client_id}"


def client_id(end: str) -> str:
    """Return the client id of an end that is a client; a node's name stays what it is.

    Examples
    --------
    >>> client_id(client("anna")), client_id("broker-1")
    ('anna', 'broker-1')
    """
    return end.removeprefix(f"{ANY_CLIENT} ")


@dataclass(frozen=True)
class Breakage:
    """What is wrong between two ends, ``a`` and ``b``.

    Attributes
    ----------
    kind : str
        ``"cut"``: nothing arrives, either way. ``"cut one way"``: nothing that ``a`` sends arrives at ``b``.
        ``"drop_responses"``: what ``a`` asks arrives at ``b``, the answers are lost. ``"reset"``: connections
        are torn down, open ones and new ones. ``"slow"``: everything takes longer.
    latency_s, jitter_s : float
        For ``"slow"``: by how many seconds, and how much more or less at random.
    """

    kind: str
    a: str
    b: str
    latency_s: float = 0.0
    jitter_s: float = 0.0

    def holds(self, sender: str) -> bool:
        """Tell whether what this end sends is held back until it is healed, as TCP would retransmit it."""
        return self.kind == "cut" or (self.kind == "cut one way" and sender == self.a)

    def loses(self, opener: str, sender: str) -> bool:
        """Tell whether what this end sends, on a connection opened by ``opener``, is lost for ever."""
        return self.kind == "drop_responses" and opener == self.a and sender == self.b

    def delay_s(self) -> float:
        """Return how long the next bytes take."""
        return max(0.0, self.latency_s + random.uniform(-self.jitter_s, self.jitter_s))  # noqa: S311 - no secret


class Links:
    """All links of one cluster, served by one thread.

    Attributes
    ----------
    clients : set of str
        The client ids that were seen so far.
    """

    def __init__(self) -> None:
        self.clients: set[str] = set()
        self._broken: dict[frozenset[str], Breakage] = {}
        self._open: set[_Connection] = set()
        self._ports: list[_Port] = []
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-lab-links", daemon=True)
        self._thread.start()

    def listen(self, opener: str, acceptor: str, port: int) -> int:
        """Open a port that leads to ``port`` of ``acceptor``; return its number.

        Parameters
        ----------
        opener : str
            Who connects to it, or `ANY_CLIENT` or `BETWEEN_BROKERS`.
        acceptor, port
            The node at its other end, and where that listens.
        """

        async def serve() -> int:
            ours = _Port(opener, acceptor, lambda: _Connection(self, opener, acceptor, port).opened)
            await ours.open()
            self._ports.append(ours)
            return ours.number

        return asyncio.run_coroutine_threadsafe(serve(), self._loop).result(_START_S)

    def follow(self, node: str, *, running: bool) -> None:
        """Refuse connections to a node that does not run, as its own port does; take them again when it does.

        One that is taken and then torn down looks alive to a client, which then tries again at once, forever.
        """

        async def follow() -> None:
            for port in self._ports:
                if port.acceptor == node:
                    if running:
                        await port.open()
                    else:
                        await port.refuse()

        if self._thread is not None:
            asyncio.run_coroutine_threadsafe(follow(), self._loop).result(_START_S)

    def forget(self, node: str) -> None:
        """Close the ports of a node that is no more."""

        async def close() -> None:
            for port in self._ports:
                if node in {port.opener, port.acceptor}:
                    port.release()
            self._ports = [port for port in self._ports if node not in {port.opener, port.acceptor}]

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(_START_S)

    def breakage(self, a: str, b: str) -> Breakage | None:
        """Return what is wrong between two ends, or None."""
        return self._broken.get(frozenset({a, b}))

    def add(self, breakage: Breakage) -> None:
        """Apply a breakage; return when it holds for every connection.

        Raises
        ------
        FaultError
            There is one already between these two.
        """
        pair = frozenset({breakage.a, breakage.b})
        if pair in self._broken:
            raise FaultError(
                f"the link of {breakage.a} and {breakage.b} is broken already ({self._broken[pair].kind})"
            )
        self._change(pair, breakage)

    def heal(self, a: str, b: str) -> None:
        """Undo a breakage: held bytes are delivered, connections that lost some are torn down."""
        self._change(frozenset({a, b}), None)

    def close(self) -> None:
        """Close every connection and port, and end the thread."""
        if self._thread is None:
            return

        async def end() -> None:
            for port in self._ports:
                port.release()
            for connection in tuple(self._open):
                connection.abort()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(_START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._thread = None
        self._loop.close()

    def _change(self, pair: frozenset[str], breakage: Breakage | None) -> None:
        async def apply() -> None:
            if breakage is None:
                self._broken.pop(pair, None)
            else:
                self._broken[pair] = breakage
            for connection in tuple(self._open):
                connection.update()

        asyncio.run_coroutine_threadsafe(apply(), self._loop).result(_START_S)


class _Port:
    """A port of ours: it stays ours while nothing is taken on it."""

    def __init__(self, opener: str, acceptor: str, new_end: Callable[[], _End]) -> None:
        self.opener = opener
        self.acceptor = acceptor
        self._new_end = new_end
        self._server: asyncio.Server | None = None
        self._held = _bound(0)  # bound, but not listening: connections are refused, and nobody else gets it
        self.number: int = self._held.getsockname()[1]

    async def open(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._new_end, sock=_bound(self.number), backlog=512)

    async def refuse(self) -> None:
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        for listening in self._server.sockets:
            loop.remove_reader(listening.fileno())
        for _ in range(3):  # asyncio makes transports of what it has accepted, which needs the server
            await asyncio.sleep(0)
        self.close()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def release(self) -> None:
        self.close()
        self._held.close()


def _bound(port: int) -> socket.socket:
    """Return a socket that is bound to a port, which another of ours may be bound to as well."""
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ours.bind((HOST, port))
    return ours


class _Connection:
    """One connection through a link: from who opened it to who accepts it."""

    def __init__(self, links: Links, opener: str, acceptor: str, port: int) -> None:
        self.opener = opener
        self.acceptor = acceptor
        self.opened = _End(self)
        self.accepted = _End(self)
        self._links = links
        self._port = port
        self._known = opener not in {ANY_CLIENT, BETWEEN_BROKERS}
        self._connecting: asyncio.Task[None] | None = None
        self.requests = _Direction(self, self.opened, self.accepted)
        self.responses = _Direction(self, self.accepted, self.opened)

    @property
    def breakage(self) -> Breakage | None:
        return self._links.breakage(self.opener, self.acceptor) if self._known else None

    def begun(self) -> None:
        if self.opened.transport is None or self.opened.transport.is_closing():
            self.abort()  # gone while the other end was being connected
            return
        self._links._open.add(self)
        self.update()

    def received(self, end: _End, data: bytes) -> None:
        if end is self.accepted:
            self.responses.add(data)
            return
        self.requests.add(data)
        if not self._known:
            self._identify()

    def ended(self, end: _End) -> None:
        """Pass the end on: neither protocol goes on with half a connection."""
        if self.accepted.transport is None:
            self.abort()
        else:
            (self.requests if end is self.opened else self.responses).finish()

    def update(self) -> None:
        """Do what can be done now: connect, deliver, or tear down."""
        broken = self.breakage
        if broken is not None and broken.kind == "reset":
            self.abort()
            return
        if self._known and self.accepted.transport is None:
            # As with a real network nothing gets through before the handshake does, there and back.
            held = broken is not None and (broken.holds(self.opener) or broken.holds(self.acceptor))
            if not held and self._connecting is None:
                self._connecting = self._links._loop.create_task(self._connect())
            return
        if (self.requests.lost or self.responses.lost) and broken is None:
            self.abort()
            return
        self.requests.deliver()
        self.responses.deliver()

    def abort(self) -> None:
        self._links._open.discard(self)
        for direction in (self.requests, self.responses):
            direction.queue.clear()
        for end in (self.opened, self.accepted):
            if end.transport is not None and not end.transport.is_closing():
                end.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.transport.abort()

    def _identify(self) -> None:
        """Read the opener off the first request's header, once it is there."""
        begin = b"".join(data for _, data in self.requests.queue)
        if len(begin) < _HEADER.size:
            return
        length = max(0, _HEADER.unpack_from(begin)[-1])
        if len(begin) < _HEADER.size + length:
            return
        client_id = begin[_HEADER.size : _HEADER.size + length].decode(errors="replace")
        broker = _OF_BROKER.match(client_id) if self.opener == BETWEEN_BROKERS else None
        self.opener = node_name(int(broker[1])) if broker else client(client_id)
        if broker is None:
            self._links.clients.add(client_id)
        self._known = True
        self.update()

    async def _connect(self) -> None:
        try:
            await self._links._loop.create_connection(lambda: self.accepted, HOST, self._port)
        except OSError:  # the node is down: so the opener's connection is refused too
            self.abort()


class _End(asyncio.Protocol):
    """One of the two sockets of a connection."""

    def __init__(self, connection: _Connection) -> None:
        self.transport: asyncio.Transport | None = None
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
        self._connection.begun()

    def data_received(self, data: bytes) -> None:
        self._connection.received(self, data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connection.ended(self)

    def pause_writing(self) -> None:
        self._source().pause_reading()

    def resume_writing(self) -> None:
        source = self._source()
        if not source.is_closing():
            source.resume_reading()

    def _source(self) -> asyncio.Transport:
        connection = self._connection
        other = connection.opened if self is connection.accepted else connection.accepted
        assert other.transport is not None  # noqa: S101 - what is written came from there
        return other.transport


class _Direction:
    """What one end of a connection sends to the other: delivered at once, later, or never."""

    def __init__(self, connection: _Connection, source: _End, target: _End) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        self.lost = False
        self._connection = connection
        self._source = source
        self._target = target
        self._held_bytes = 0
        self._last_due_s = 0.0
        self._finished = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _sender(self) -> str:
        connection = self._connection
        return connection.opener if self._source is connection.opened else connection.acceptor

    def add(self, data: bytes) -> None:
        loop, broken = self._connection._links._loop, self._connection.breakage
        due_s = loop.time() + (broken.delay_s() if broken else 0.0)
        self._last_due_s = max(due_s, self._last_due_s)  # jitter changes no order
        self.queue.append((self._last_due_s, data))
        self._held_bytes += len(data)
        self.deliver()
        if self._held_bytes > _MOST_BYTES and self._source.transport is not None:
            self._source.transport.pause_reading()

    def finish(self) -> None:
        """Close the target once everything is delivered."""
        self._finished = True
        self.deliver()

    def deliver(self) -> None:
        """Send what is due and not held back."""
        target, connection = self._target.transport, self._connection
        if target is None:
            return
        broken = connection.breakage
        if broken is not None and broken.holds(self._sender):
            return
        while self.queue:
            due_s, data = self.queue[0]
            if due_s > connection._links._loop.time():
                self._wait_until(due_s)
                return
            self.queue.popleft()
            self._release(len(data))
            if broken is not None and broken.loses(connection.opener, self._sender):
                self.lost = True
            elif not target.is_closing():
                target.write(data)
        if self._finished:
            target.close()
            connection._links._open.discard(connection)

    def _release(self, size: int) -> None:
        source = self._source.transport
        if self._held_bytes > _MOST_BYTES >= self._held_bytes - size and source and not source.is_closing():
            source.resume_reading()
        self._held_bytes -= size

    def _wait_until(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._connection._links._loop.call_at(due_s, self.deliver)
