"""Links between sockets of the test's own; those of a real cluster are broken in tests/faults."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from kafka_lab.cluster.links import ANY_CLIENT, BETWEEN_BROKERS, Breakage, Links, client
from kafka_lab.errors import FaultError


class Echo:
    """Answers every message with the same bytes, and counts them."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                while data := self._read(connection):
                    self.received += data
                    connection.sendall(data)

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def links() -> Iterator[Links]:
    started = Links()
    started.start()
    yield started
    started.close()
    assert not any(thread.name == "kafka-lab-links" for thread in threading.enumerate())


def connect(port: int, timeout_s: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def request(client_id: str) -> bytes:
    name = client_id.encode()
    body = struct.pack(">hhih", 3, 9, 1, len(name)) + name
    return struct.pack(">i", len(body)) + body


def silent(link: socket.socket, for_s: float = 0.2) -> bool:
    link.settimeout(for_s)
    try:
        return not link.recv(1)
    except TimeoutError:
        return True
    finally:
        link.settimeout(10.0)


def test_everything_passes_a_whole_link(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    with connect(port) as link:
        data = bytes(range(256)) * 8192  # 2 MiB
        sender = threading.Thread(target=link.sendall, args=(data,))
        sender.start()
        with link.makefile("rb") as answers:
            assert answers.read(len(data)) == data
        sender.join()


def test_what_was_held_by_a_cut_arrives_after_the_healing(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    with connect(port) as link:
        link.sendall(b"a")
        assert link.recv(1) == b"a"
        links.add(Breakage("cut", "broker-1", "zookeeper-1"))
        link.sendall(b"b")
        assert silent(link)
        assert echo.received == b"a"
        links.heal("zookeeper-1", "broker-1")
        assert link.recv(1) == b"b"


def test_a_connection_opened_during_a_cut_never_reaches_the_other_end(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    links.add(Breakage("cut one way", "zookeeper-1", "broker-1"))
    with connect(port) as link:
        link.sendall(b"given up")
        assert silent(link)
    links.heal("broker-1", "zookeeper-1")
    with connect(port) as link:
        link.sendall(b"after")
        assert link.recv(5) == b"after"
    assert echo.received == b"after"


def test_a_cut_one_way_lets_the_requests_through(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    with connect(port) as link:
        link.sendall(b"a")
        assert link.recv(1) == b"a"
        links.add(Breakage("cut one way", "zookeeper-1", "broker-1"))
        link.sendall(b"b")
        assert silent(link)
        assert echo.received == b"ab"
        links.heal("broker-1", "zookeeper-1")
        assert link.recv(1) == b"b"


def test_a_lost_answer_stays_lost(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    with connect(port) as link:
        links.add(Breakage("drop_responses", "broker-1", "zookeeper-1"))
        link.sendall(b"a")
        assert silent(link)
        assert echo.received == b"a"
        links.heal("broker-1", "zookeeper-1")
        with pytest.raises(ConnectionResetError):
            link.recv(1)


def test_a_reset_ends_open_connections_and_refuses_new_ones(links: Links, echo: Echo) -> None:
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    with connect(port) as link:
        link.sendall(b"a")
        assert link.recv(1) == b"a"
        links.add(Breakage("reset", "broker-1", "zookeeper-1"))
        with pytest.raises(ConnectionResetError):
            link.recv(1)
    with pytest.raises(ConnectionResetError), connect(port) as link:
        link.recv(1)


def test_latency_delays_all_and_lowers_no_throughput(links: Links, echo: Echo) -> None:
    """One hundred messages take hardly longer than one: they are on their way at the same time."""
    port = links.listen("broker-1", "zookeeper-1", echo.port)
    links.add(Breakage("slow", "broker-1", "zookeeper-1", latency_s=0.2, jitter_s=0.05))
    messages = [bytes([number]) * 100 for number in range(100)]
    with connect(port) as link, link.makefile("rb") as answers:
        begin = time.monotonic()
        for message in messages:
            link.sendall(message)
        assert answers.read(100 * 100) == b"".join(messages)  # jitter changed no order
        assert 0.3 <= time.monotonic() - begin < 5.0  # one by one it would be 40 s


def test_who_opened_a_connection_is_read_off_its_first_request(links: Links, echo: Echo) -> None:
    internal = links.listen(BETWEEN_BROKERS, "broker-1", echo.port)
    outside = links.listen(ANY_CLIENT, "broker-1", echo.port)
    links.add(Breakage("cut", "broker-2", "broker-1"))
    for client_id in (
        "broker-2-fetcher-0",
        "2",
        "AddPartitionsManager-client-2",
        "broker-2-txn-marker-sender",
    ):
        with connect(internal) as link:
            link.sendall(request(client_id))
            assert silent(link, 0.05), client_id
    for port, client_id in (
        (internal, "broker-3-fetcher-0"),
        (internal, "23"),
        (outside, "2"),
        (outside, ""),
    ):
        with connect(port) as link:
            first = request(client_id)
            link.sendall(first[:9])  # the header comes in two pieces
            link.sendall(first[9:])
            assert link.recv(len(first)) == first
    assert links.clients == {"2", ""}


def test_one_client_is_cut_and_another_is_not(links: Links, echo: Echo) -> None:
    port = links.listen(ANY_CLIENT, "broker-1", echo.port)
    with connect(port) as anna:
        anna.sendall(request("anna"))
        assert anna.recv(100)
        links.add(Breakage("cut", client("ben"), "broker-1"))
        anna.sendall(b"still here")
        assert anna.recv(100) == b"still here"


def test_a_link_to_a_node_that_is_down_refuses(links: Links) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    link = links.listen("broker-1", "zookeeper-1", port)
    with pytest.raises(ConnectionResetError), connect(link) as connection:
        connection.recv(1)


def test_one_link_has_one_breakage(links: Links) -> None:
    links.add(Breakage("cut", "broker-1", "broker-2"))
    with pytest.raises(FaultError, match=r"broken already \(cut\)"):
        links.add(Breakage("reset", "broker-2", "broker-1"))


def test_links_that_were_never_started_can_be_closed() -> None:
    Links().close()
