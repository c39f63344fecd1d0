"""A lab over a broker that wants TLS and a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kafka_lab import Lab
from kafka_lab.cluster import local
from kafka_lab.cluster.config import direct_listener
from kafka_lab.cluster.ports import free_ports
from kafka_lab.errors import ConfigurationError

pytestmark = pytest.mark.jvm

PASSWORD = 'it has a "quote", a \\ and an é'


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """How to reach a broker that has a door with a lock, beside its open one."""
    folder = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    as_java_wants_it = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
    (folder / "broker.pem").write_bytes(as_java_wants_it + chain)
    (port,) = free_ports(1)
    escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')

    def listeners(open_port: int) -> dict[str, str]:
        plain = direct_listener(open_port)
        return {
            "listeners": f"{plain['listeners']},SECURE://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secure.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_ada="{escaped}";'
            ),
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": str(folder / "broker.pem"),
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "direct_listener", listeners)
        with Lab(brokers=1):
            yield {
                "bootstrap_servers": f"127.0.0.1:{port}",
                "security_protocol": "SASL_SSL",
                "ssl_cafile": str(folder / "ca.pem"),
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": "ada",
                "sasl_plain_password": PASSWORD,
            }


def test_everything_goes_through_tls_and_a_password(secured: dict[str, object]) -> None:
    with Lab.attach(**secured) as lab:  # type: ignore[arg-type]
        lab.create_topic("chat", partitions=2)
        with lab.producer() as producer:
            producer.send("chat", b"hello", partition=0).get(30)
        assert [record.value for record in lab.read("chat")] == [b"hello"]
        assert lab.leader_of("chat", 0) == "broker-1"
        assert "PartitionCount: 2" in lab.tool("topics", "--describe", "--topic", "chat")
        assert not list(Path(lab._running.cluster.folder).glob("**/client.properties"))
        with pytest.raises(ConfigurationError, match="does not know kafka-python's client settings"):
            lab.openim(client="confluent-kafka")
        openim = lab.openim()
        openim.send("ada", "over TLS")
        assert openim.account(wait_s=30).clean
        lab.close_openim()
        assert lab.openim().inbox.newest_seq("ada") == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sasl_plain_password": "guessed"}, "Invalid username or password"),
        ({"security_protocol": "PLAINTEXT", "bootstrap_timeout_ms": 1500}, "TLS or a password"),
        ({"ssl_cafile": None}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_who_may_not_in_is_told_what_is_wanted(
    secured: dict[str, object], changed: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Lab.attach(**{**secured, **changed})  # type: ignore[arg-type]
