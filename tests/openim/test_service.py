"""OpenIM on a real cluster."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from kafka_lab import Lab, LeaderChanged
from kafka_lab.errors import (
    BrokerUnavailableError,
    ClosedError,
    ConfigurationError,
    DeliveryUnknownError,
    InvalidNotificationError,
)
from kafka_lab.events import (
    NotificationAccepted,
    NotificationPushed,
    NotificationStored,
    NotificationUnknown,
    RecordRejected,
    WorkerStalled,
)
from kafka_lab.openim.partitioner import sarama_partition
from kafka_lab.openim.records import DEAD_LETTERS, MESSAGES_TOPIC
from kafka_lab.openim.service import OpenIM, Receipt
from kafka_lab.threads import Threads

from ..waiting import until
from .conftest import request, unread_after_a_kill_s

pytestmark = pytest.mark.jvm


@pytest.fixture(scope="module", autouse=True)
def workers(running_lab: Lab) -> Iterator[None]:
    """OpenIM's workers go on from test to test, and end with the last one."""
    yield
    running_lab.close_openim()


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
    threads = Threads()
    sent: Counter[str] = Counter()

    def send(user: str) -> None:
        while not threads.closing.is_set():
            openim.send(user, str(sent[user]))
            sent[user] += 1

    users = [f"user-{number}" for number in range(4)]
    threads.start({user: partial(send, user) for user in users})
    try:
        partition = sarama_partition(b"user-0", 8)
        victim = lab.leader_of(MESSAGES_TOPIC, partition)
        assert victim
        lab.kill(victim)
        elected = lab.wait_for(LeaderChanged, topic=MESSAGES_TOPIC, partition=partition)
        lab.wait_for(NotificationAccepted, since=elected.seq)
    finally:
        threads.close()
    account = openim.account(wait_s=60)
    assert account.clean, account
    assert account.unknown == 0
    for user in users:
        assert [m.text for m in openim.inbox.messages(user)] == [str(n) for n in range(sent[user])]


def test_who_asked_a_gateway_that_is_killed_knows_what_can_be_known(lab: Lab, openim: OpenIM) -> None:
    begin = len(lab.timeline)
    threads = Threads()
    knows: Counter[str] = Counter()
    sure: set[str] = set()

    def ask(user: str) -> None:
        while not threads.closing.is_set():
            try:
                sure.add(openim.send(user, "x").clientMsgID)
            except DeliveryUnknownError:
                knows["unknown"] += 1
            except BrokerUnavailableError:
                knows["not sent"] += 1
                threads.closing.wait(0.05)

    threads.start({user: partial(ask, user) for user in (f"asks-{number}" for number in range(6))})
    try:
        until(lambda: len(sure) > 20, timeout_s=30)
        openim.kill_gateway()
        until(lambda: knows["not sent"] >= 6, timeout_s=30)
        openim.start_gateway()
        before = len(sure)
        until(lambda: len(sure) > before + 20, timeout_s=30)
    finally:
        threads.close()
    account = openim.account(wait_s=60)
    assert account.clean, account
    accepted, unknown = (
        {event.clientMsgID for event in lab.timeline.since(begin) if isinstance(event, kind)}
        for kind in (NotificationAccepted, NotificationUnknown)
    )
    assert sure <= accepted
    # Who got no answer asked for one that was accepted, or is unknown, or had not been begun.
    assert len((accepted | unknown) - sure) <= knows["unknown"]
    stored = Counter(m.message.clientMsgID for n in range(6) for m in openim.inbox.messages(f"asks-{n}"))
    assert set(stored.values()) == {1}
    assert set(stored) <= accepted | unknown


def test_a_notification_reaches_every_stage(lab: Lab, openim: OpenIM) -> None:
    with openim.device("dora") as device:
        receipt = openim.send("dora", "Sign here", sendID="office", senderNickname="Dr. Who")
        (pushed,) = device.wait_for(1)
    assert (pushed["clientMsgID"], pushed["seq"]) == (receipt.clientMsgID, 1)
    event = lab.timeline.wait_for(
        NotificationPushed, clientMsgID=receipt.clientMsgID, user="dora", since=0, timeout_s=30
    )
    assert event.how == "online"
    (conversation,) = openim.inbox.conversations("dora")
    assert (conversation.conversationID, conversation.unread) == ("notification_office", 1)
    until(lambda: openim.inbox.history("dora") == {1: receipt.clientMsgID}, timeout_s=30)
    until(lambda: openim.inbox.chat_log() > 0, timeout_s=30)
    assert openim.inbox.offline_pushes("dora") == []


def test_who_is_offline_has_a_push_waiting(openim: OpenIM) -> None:
    openim.send("emil", "Sign here", notificationName="Documents")
    until(lambda: openim.inbox.offline_pushes("emil"), timeout_s=30)
    (push,) = openim.inbox.offline_pushes("emil")
    assert (push.title, push.description) == ("Documents", "Sign here")


def test_groups_get_a_copy_each_or_one_for_all(openim: OpenIM) -> None:
    openim.create_group("team", ["ada", "finn", "gina"])
    text = {"contentType": 101, "content": {"text": "hello all"}, "groupID": "team", "recvID": ""}
    with openim.device("gina") as device:
        assert openim.post(request(**text, sessionType=2)).json()["errCode"] == 0
        assert device.wait_for(1)[0]["groupID"] == "team"
        assert openim.post(request(**text, sessionType=3)).json()["errCode"] == 0
        assert len(device.wait_for(2)) == 2
    assert openim.account(wait_s=30).clean
    assert [m.conversationID for m in openim.inbox.messages("finn")] == ["group_team"]
    assert [m.conversationID for m in openim.inbox.messages("team")] == ["super_group_team"]
    with pytest.raises(ConfigurationError, match="expected an ID"):
        openim.create_group("", [])


def test_many_at_once(openim: OpenIM) -> None:
    users = [f"many-{number}" for number in range(300)]
    receipts = openim.send_many(users, "to all of you")
    assert len({receipt.clientMsgID for receipt in receipts}) == 300
    account = openim.account(wait_s=60)
    assert account.clean, account
    assert all(len(openim.inbox.messages(user)) == 1 for user in users)


def test_a_poisoned_record_is_set_aside(lab: Lab, openim: OpenIM) -> None:
    with lab.producer() as producer:
        producer.send(MESSAGES_TOPIC, key=b"ada", value=b"\x00 not ours", partition=3).get(30)
    rejected = lab.timeline.wait_for(RecordRejected, since=0, topic=MESSAGES_TOPIC, partition=3, timeout_s=30)
    until(lambda: lab.read(DEAD_LETTERS), timeout_s=30)
    letter = lab.read(DEAD_LETTERS)[0]
    assert letter.value == b"\x00 not ours"
    assert dict(letter.headers)["from"] == f"{MESSAGES_TOPIC}-3@{rejected.offset}".encode()
    assert openim.account(wait_s=30).clean


def test_a_killed_worker_loses_nothing(lab: Lab, openim: OpenIM) -> None:
    before = len(openim.inbox.messages("hans"))
    with openim.inbox.locked():
        openim.send("hans", "while the file is locked")
        stalled = lab.timeline.wait_for(WorkerStalled, since=0, timeout_s=30)
        names = [row[0] for row in openim.workers().rows if row[1] == "mongo" and row[3] == "running"]
        for name in names:
            openim.kill_worker(name)
    assert stalled.worker in [row[0] for row in openim.workers().rows]
    openim.start_worker("mongo")
    assert openim.account(wait_s=60).clean
    assert len(openim.inbox.messages("hans")) == before + 1
    with pytest.raises(ConfigurationError, match="no worker 'nobody'"):
        openim.kill_worker("nobody")
    with pytest.raises(ConfigurationError, match="group of the pipeline"):
        openim.start_worker("readers")


def test_a_killed_worker_tells_nobody(lab: Lab, openim: OpenIM) -> None:
    # Its session must end first: 6 s, less a heartbeat.
    assert unread_after_a_kill_s(lab, openim, "mysql-1") > 2


def stall_reasons(lab: Lab, worker: str) -> str:
    """Return why a worker stalled."""
    stalls = (event for event in lab.timeline if isinstance(event, WorkerStalled))
    return " ".join(stall.reason for stall in stalls if stall.worker == worker)


def test_the_real_designs_weak_spots(own_lab: Lab) -> None:
    """Offsets before storing lose a batch; a repeated request is one message only if that is asked for."""
    openim = own_lab.openim(commit="before_store", idempotent=True)
    # One copy each, to ada herself: what the worker had not read when it is killed would come again.
    stored(own_lab, openim.send("ada", "before", sendID="ada"), "ada")
    with openim.inbox.locked():
        openim.send("ada", "lost", sendID="ada")
        until(lambda: "locked" in stall_reasons(own_lab, "mongo-1"))
        openim.kill_worker("mongo-1")
    openim.start_worker("mongo")
    stored(own_lab, openim.send("ada", "after"), "ada")
    assert [m.text for m in openim.inbox.messages("ada")] == ["before", "after"]
    account = openim.account(wait_s=3)
    assert len(account.missing) == 1
    first = openim.send("ada", "once", operationID="same")
    assert openim.send("ada", "once", operationID="same") == first
    with pytest.raises(ConfigurationError, match="runs already"):
        own_lab.openim(seq="get_set")
    own_lab.close_openim()
    other = own_lab.openim(partitioner="murmur2", seq="get_set")
    assert stored(own_lab, other.send("u3", "hello"), "u3").partition == 6  # FNV: 1
    assert other.inbox.messages("ada")
    with pytest.raises(ConfigurationError, match="no commit 'sometimes'"):
        own_lab.openim(commit="sometimes")
    with pytest.raises(ConfigurationError, match="unexpected keyword"):
        own_lab.openim(speed=3)


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
    with pytest.raises(ClosedError):
        openim.start_worker("mongo")
    with pytest.raises(ClosedError):
        openim.start_gateway()


def test_an_office_notifies_until_it_is_closed(lab: Lab, openim: OpenIM) -> None:
    office = openim.office("office-ada", "office-ben", per_s=50)
    until(lambda: office.answers["accepted"] >= 4, timeout_s=30)
    office.close()
    assert "closed" in repr(office)
    assert openim.account(wait_s=30).clean
    assert openim.inbox.newest_seq("office-ada") >= 2
    assert lab.timeline.find(NotificationStored, user="office-ben")
    for people, per_s in (((), 5), (("ada",), 0), (("",), 5)):
        with pytest.raises(ConfigurationError):
            openim.office(*people, per_s=per_s)
