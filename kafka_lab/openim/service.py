"""OpenIM as a learner uses it: a gateway to send to, inboxes to look into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kafka_lab.closing import Closers
from kafka_lab.errors import (
    BrokerUnavailableError,
    ClosedError,
    ConfigurationError,
    DeliveryUnknownError,
    InvalidNotificationError,
)
from kafka_lab.ledger import Account, account
from kafka_lab.openim.content import OA_NOTIFICATION
from kafka_lab.openim.gateway import PATH, Gateway, make_app
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.management import KAFKA_FAILED, SendMsg
from kafka_lab.openim.message import NOTIFICATION
from kafka_lab.openim.partitioner import SaramaHashPartitioner
from kafka_lab.openim.pipeline import HISTORY_GROUP, MESSAGES_TOPIC, InboxWorker, Publisher
from kafka_lab.openim.tokens import ADMINS, Tokens
from kafka_lab.timeline import Timeline

__all__ = ["PARTITIONS", "OpenIM", "Receipt"]

#: Of ``ws2ms_chat``, as OpenIM's docker-compose.yaml has it from v2.1.0 on.
PARTITIONS = 8
_RECOUNT_S = 0.05


@dataclass(frozen=True)
class Receipt:
    """The ``data`` of a successful answer; ``sendTime`` is in milliseconds since 1970."""

    serverMsgID: str  # noqa: N815 - OpenIM's spelling
    clientMsgID: str  # noqa: N815
    sendTime: int  # noqa: N815


class OpenIM:
    """A gateway for ``POST /manager/send_msg`` and a worker that fills the inboxes; made by ``lab.openim()``.

    Parameters
    ----------
    timeline : Timeline
        Gets what becomes of each notification.
    producer, consumer : callable
        Make kafka-python clients; they take kafka-python's settings.
    database : pathlib.Path
        The inboxes' SQLite file.
    delivery_timeout_ms : int
        How long the producers try to deliver a record.

    Attributes
    ----------
    url : str
        Where the gateway is, such as ``http://127.0.0.1:40123``; its documentation is at ``/docs``.
    inbox : Inbox
        Everybody's messages.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        producer: Callable[..., Any],
        consumer: Callable[..., Any],
        database: Path,
        delivery_timeout_ms: int,
    ) -> None:
        self._timeline = timeline
        self._producer = producer
        self._consumer = consumer
        self._database = database
        self._delivery_timeout_s = delivery_timeout_ms / 1000
        self._tokens = Tokens()
        self._closers = Closers()
        self._http: httpx.Client | None = None
        self.url = ""

    def start(self) -> None:
        """Open the inboxes, start the worker and the gateway."""
        self.inbox = Inbox(self._database)
        self._closers.add(self.inbox.close)
        consumer = self._consumer(MESSAGES_TOPIC, group_id=HISTORY_GROUP, client_id="msg-transfer")
        worker = InboxWorker(consumer, self.inbox, self._timeline)
        self._closers.add(worker.close)
        worker.start()
        producer = self._producer(client_id="msg-rpc", partitioner=SaramaHashPartitioner())
        publisher = Publisher(producer, wait_s=self._delivery_timeout_s + 1)
        gateway = Gateway(make_app(SendMsg(publisher.publish, self._tokens, self._timeline)))
        self._closers.add(gateway.close)
        gateway.start()
        self.url = gateway.url
        self._http = httpx.Client(
            base_url=self.url, timeout=3 * self._delivery_timeout_s + 5, trust_env=False
        )
        self._closers.add(self._http.close)

    def close(self) -> None:
        """Stop gateway and worker.

        Raises
        ------
        ExceptionGroup
            The worker had failed; everything is closed all the same.
        """
        self._http = None
        self._closers.close("OpenIM")

    def token(self, user: str = ADMINS[0]) -> str:
        """Return a token for the header ``token``, by default an administrator's."""
        return self._tokens.issue(user)

    def post(self, body: object, token: str | None = None) -> httpx.Response:
        """Send any JSON body over HTTP, by default with an administrator's token; return the raw answer.

        Raises
        ------
        ClosedError
            OpenIM does not run.
        """
        if self._http is None:
            raise ClosedError("OpenIM is closed, or was not started: call lab.openim()")
        headers = {"token": self.token() if token is None else token}
        return self._http.post(PATH, json=body, headers=headers)

    def send(
        self,
        recvID: str,  # noqa: N803 - OpenIM's spelling, here and below
        text: str,
        *,
        sendID: str = ADMINS[0],  # noqa: N803
        senderNickname: str = "Office",  # noqa: N803
        notificationName: str = "Notice",  # noqa: N803
        isOnlineOnly: bool = False,  # noqa: N803
    ) -> Receipt:
        """Notify a user over HTTP (contentType 1400); return when Kafka acknowledged it.

        Parameters
        ----------
        recvID : str
            The user.
        text : str
            What to tell them.
        sendID, senderNickname : str
            The sending account, and the name that it shows with this message.
        notificationName : str
            The title.
        isOnlineOnly : bool, default False
            True: it is not stored; who is offline never sees it.

        Raises
        ------
        ConfigurationError
            ``recvID`` is empty.
        InvalidNotificationError
            It was refused; sending it again will not help.
        DeliveryUnknownError
            Kafka did not acknowledge it in time (errCode 201): it may be delivered or not.
        BrokerUnavailableError
            The gateway could not be reached: it was not sent.
        """
        if not recvID:
            raise ConfigurationError("recvID is empty; expected a user, such as '18712345678'")
        body = {
            "operationID": f"kafka-lab-{time.time_ns()}",
            "sendID": sendID,
            "recvID": recvID,
            "senderNickname": senderNickname,
            "content": {
                "notificationName": notificationName,
                "notificationFaceURL": "http://localhost/faces/office.png",
                "notificationType": 1,
                "text": text,
                "mixType": 0,
            },
            "contentType": OA_NOTIFICATION,
            "sessionType": NOTIFICATION,
            "isOnlineOnly": isOnlineOnly,
        }
        try:
            response = self.post(body)
        except httpx.ConnectError as error:
            raise BrokerUnavailableError(f"the gateway does not answer: {error}") from error
        except httpx.TransportError as error:
            raise DeliveryUnknownError(f"the gateway did not answer: {error!r}") from error
        return _receipt(response)

    def account(self, wait_s: float = 0.0) -> Account:
        """Return what was accepted, stored, lost or doubled; wait up to ``wait_s`` for what is on its way."""
        deadline = time.monotonic() + wait_s
        pause = threading.Event()
        while True:
            now = account(self._timeline)
            if not now.missing or time.monotonic() > deadline:
                return now
            pause.wait(_RECOUNT_S)


def _receipt(response: httpx.Response) -> Receipt:
    """Return the data of a successful answer.

    Raises
    ------
    DeliveryUnknownError
        errCode 201, or no answer in OpenIM's envelope.
    InvalidNotificationError
        Any other errCode but 0.
    """
    try:
        answer = response.json()
    except ValueError as error:
        raise DeliveryUnknownError(f"the gateway failed with HTTP {response.status_code}") from error
    if answer["errCode"] == 0:
        return Receipt(**answer["data"])
    said = f"errCode {answer['errCode']}: {answer['errMsg']}"
    if answer["errCode"] == KAFKA_FAILED:
        raise DeliveryUnknownError(said)
    raise InvalidNotificationError(said, http_status=response.status_code, err_code=answer["errCode"])
