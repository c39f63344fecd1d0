"""OpenIM on a real cluster."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.errors import ClosedError, ConfigurationError, DeliveryUnknownError, InvalidNotificationError
from kafka_lab.events import NotificationAccepted, NotificationStored, NotificationUnknown
from kafka_lab.openim.partitioner import sarama_partition
from kafka_lab.openim.pipeline import MESSAGES_TOPIC
from kafka_lab.openim.service import OpenIM, Receipt

from .conftest import request

pytestmark = pytest.mark.jvm


@pytest.fixture
def openim(lab: Lab) -> OpenIM:
    return lab.openim()


def stored(lab: Lab, receipt: Receipt, user: str) -> NotificationStored:
    return lab.timeline.wait_for(
        NotificationStored, clientMsgID=receipt.clientMsgID, user=user, since=0, timeout_s=30
    )


def records(lab: Lab) -> int:
    return len(lab.read(MESSAGES_TOPIC))


def test_it_is_started_once(lab: Lab, openim: OpenIM) -> None:
    assert lab.openim() is openim


def test_the_articles_example_arrives(lab: Lab, openim: OpenIM) -> None:
    answer = openim.post(request())
    assert answer.status_code == 200
    receipt = Receipt(**answer.json()["data"])
    copy = stored(lab, receipt, "18712345678")
    assert copy.partition == sarama_partition(b"18712345678", 8)
    assert stored(lab, receipt, "openIM123456").partition == sarama_partition(b"openIM123456", 8)
    message = openim.inbox.messages("18712345678")[copy.seq_in_inbox - 1]
    assert (message.nickname, message.title) == ("系统通知", "公文管理")
    assert message.text == request()["content"]["text"]
    assert message.message.clientMsgID == receipt.clientMsgID


def test_what_is_refused_makes_no_record(lab: Lab, openim: OpenIM) -> None:
    openim.account(wait_s=30)
    before = records(lab)
    assert openim.post(request(contentType=7)).json()["errCode"] == 404
    assert openim.post({}).status_code == 400
    assert openim.post(request(), token=openim.token("ada")).json()["errMsg"] == "not authorized"
    assert openim.post(request(recvID="")).json()["errCode"] == 201
    with pytest.raises(InvalidNotificationError, match="403") as caught:
        openim.send("ada", "")
    assert caught.value.definite
    with pytest.raises(ConfigurationError):
        openim.token("")
    assert records(lab) == before


def test_a_text_that_is_larger_than_kafka_takes(lab: Lab, openim: OpenIM) -> None:
    openim.account(wait_s=30)
    before = records(lab)
    answer = openim.post(request(content={**request()["content"], "ex": '"' * 500_000}))
    assert answer.status_code == 413 or answer.json()["errCode"] == 201
    assert records(lab) == before


def test_an_online_only_notification_is_not_stored(lab: Lab, openim: OpenIM) -> None:
    receipt = openim.send("nobody-is-online", "now or never", isOnlineOnly=True)
    later = openim.send("nobody-is-online", "for keeps")
    stored(lab, later, "nobody-is-online")
    assert [m.text for m in openim.inbox.messages("nobody-is-online")] == ["for keeps"]
    assert lab.timeline.find(NotificationStored, clientMsgID=receipt.clientMsgID) is None


def test_a_stream_survives_the_death_of_its_leader(lab: Lab, openim: OpenIM) -> None:
    """Four senders at once; nothing lost, nothing twice, each one's order kept."""
    stop = threading.Event()
    sent: Counter[str] = Counter()

    def send(user: str) -> None:
        while not stop.is_set():
            openim.send(user, str(sent[user]))
            sent[user] += 1

    users = [f"user-{number}" for number in range(4)]
    threads = [threading.Thread(target=send, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    try:
        partition = sarama_partition(b"user-0", 8)
        victim = lab.leader_of(MESSAGES_TOPIC, partition)
        assert victim
        lab.kill(victim)
        elected = lab.wait_for(LeaderChanged, topic=MESSAGES_TOPIC, partition=partition)
        lab.wait_for(NotificationAccepted, since=elected.seq)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    account = openim.account(wait_s=60)
    assert account.clean, account
    assert account.unknown == 0
    for user in users:
        assert [m.text for m in openim.inbox.messages(user)] == [str(n) for n in range(sent[user])]


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    with Lab(brokers=2) as lab:
        yield lab


def test_no_broker_to_be_reached_is_no_success_and_the_next_one_is(own_lab: Lab) -> None:
    openim = own_lab.openim()
    stored(own_lab, openim.send("ada", "before"), "ada")
    for broker in own_lab.brokers:
        own_lab.kill(broker)
    begin = time.monotonic()
    with pytest.raises(DeliveryUnknownError, match="errCode 201") as caught:
        openim.send("ada", "into the dark")
    assert time.monotonic() - begin < 60
    assert not caught.value.definite
    assert own_lab.timeline.find(NotificationUnknown) is not None
    for broker in own_lab.brokers:
        own_lab.restart(broker)
    stored(own_lab, openim.send("ada", "after"), "ada")
    assert openim.account(wait_s=30).clean
    texts = [message.text for message in openim.inbox.messages("ada")]
    assert (texts[0], texts[-1]) == ("before", "after")


def test_after_the_lab_it_is_closed(own_lab: Lab) -> None:
    openim = own_lab.openim()
    own_lab.close()
    with pytest.raises(ClosedError):
        openim.send("ada", "too late")
