"""OpenIM as a learner uses it: a gateway to send to, workers to kill, inboxes to look into."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from kafka_lab.closing import Closers
from kafka_lab.errors import (
    BrokerUnavailableError,
    ClosedError,
    ConfigurationError,
    DeliveryUnknownError,
    InvalidNotificationError,
    unknown,
)
from kafka_lab.ledger import Account, account
from kafka_lab.openim import records as r
from kafka_lab.openim.chat import chat_router
from kafka_lab.openim.clients import CLIENTS, PARTITIONERS, Library, Producer
from kafka_lab.openim.content import FOLLOWS
from kafka_lab.openim.device import Device
from kafka_lab.openim.garbage import collect_seldom
from kafka_lab.openim.gateway import Gateway, make_app
from kafka_lab.openim.hub import Hub
from kafka_lab.openim.inbox import SEQS, Inbox
from kafka_lab.openim.management import KAFKA_FAILED, Management
from kafka_lab.openim.message import BATCH_PATH, PATH, notification_request
from kafka_lab.openim.office import Office
from kafka_lab.openim.publisher import Publisher
from kafka_lab.openim.stages import History, Push
from kafka_lab.openim.tokens import ADMINS, Tokens
from kafka_lab.openim.worker import COMMITS, Worker
from kafka_lab.table import Table
from kafka_lab.timeline import Timeline

__all__ = ["GROUPS", "OpenIM", "Options", "Phones", "Receipt"]

#: The consumer groups of the pipeline, and the topic that each reads.
GROUPS = {
    r.HISTORY_GROUP: r.MESSAGES_TOPIC,
    r.CHAT_LOG_GROUP: r.MESSAGES_TOPIC,
    r.MONGO_GROUP: r.MONGO_TOPIC,
    r.PUSH_GROUP: r.PUSH_TOPIC,
}
_RECOUNT_S = 0.05
_MOST_PER_S = 200
_CLOSE_S = 2
_CLOSED = "OpenIM is closed, or was not started: call lab.openim()"
_LETTER_BYTES = 400_000  # of a record that is set aside


@dataclass(frozen=True)
class Receipt:
    """The ``data`` of a successful answer; ``sendTime`` is in milliseconds since 1970."""

    serverMsgID: str  # noqa: N815 - OpenIM's spelling
    clientMsgID: str  # noqa: N815
    sendTime: int  # noqa: N815


@dataclass(frozen=True)
class Phones:
    """The chat page; a notebook shows it in place, where the browser is on the lab's machine."""

    url: str

    def __str__(self) -> str:
        return self.url

    def _repr_html_(self) -> str:
        url = escape(self.url, quote=True)
        return (
            f"<iframe src='{url}' title='The chat page' style='width:100%;height:34em;border:0'></iframe>"
            f"<p><a href='{url}' target='_blank' rel='noopener'>Open it in a window of its own</a></p>"
        )


@dataclass(frozen=True)
class Options:
    """How an OpenIM is to behave; :meth:`kafka_lab.Lab.openim` describes each.

    Raises
    ------
    ConfigurationError
        There is no such way.
    """

    follow: str = FOLLOWS[0]
    idempotent: bool = False
    commit: str = COMMITS[0]
    seq: str = SEQS[0]
    partitioner: str = PARTITIONERS[0]
    client: str = CLIENTS[0]

    def __post_init__(self) -> None:
        for name, known in (
            ("follow", FOLLOWS),
            ("commit", COMMITS),
            ("seq", SEQS),
            ("partitioner", PARTITIONERS),
            ("client", CLIENTS),
        ):
            if getattr(self, name) not in known:
                raise ConfigurationError(unknown(name, getattr(self, name), known))


class OpenIM:
    """The gateway, the workers of the pipeline, and the inboxes; made by ``lab.openim()``.

    Parameters
    ----------
    timeline : Timeline
        Gets what becomes of each notification.
    library : Library
        Makes the pipeline's clients.
    database : pathlib.Path
        The inboxes' SQLite file.
    delivery_timeout_ms : int
        How long the producers try to deliver a record.
    options : Options
        How it is to behave.

    Attributes
    ----------
    url : str
        Where the gateway is, such as ``http://127.0.0.1:40123``; its documentation is at ``/docs``.
    inbox : Inbox
        Everybody's messages.
    options : Options
        How it behaves.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        library: Library,
        database: Path,
        delivery_timeout_ms: int,
        options: Options,
    ) -> None:
        self._timeline = timeline
        self._library = library
        self._database = database
        self._delivery_timeout_s = delivery_timeout_ms / 1000
        self.options = options
        self._tokens = Tokens()
        self._secret = secrets.token_urlsafe(24)
        self._gateway: Gateway | None = None
        self._hub = Hub()
        self._closers = Closers()
        self._groups: dict[str, tuple[str, ...]] = {}
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._ended = False
        self._began = len(timeline)
        self.url = ""

    def start(self) -> None:
        """Open the inboxes, start one worker of each group, and the gateway."""
        self._closers.add(collect_seldom())
        self.inbox = Inbox(self._database, seq=self.options.seq, groups=self._groups_of)
        self._closers.add(self.inbox.close)
        self._forwarding = self._pipeline_producer("msg-transfer", one_by_one=False)
        self._closers.add(self._close_workers)
        for group in GROUPS:
            self.start_worker(group)
        publisher = Publisher(
            self._pipeline_producer("msg-rpc", one_by_one=True), wait_s=self._delivery_timeout_s + 1
        )
        management = Management(
            publisher.begin,
            self._tokens,
            self._timeline,
            members=self._groups.__getitem__,
            users=self.inbox.users,
            follow=self.options.follow,
            idempotent=self.options.idempotent,
        )
        chat = chat_router(self.inbox, self._tokens, self._secret, self._groups_of)
        self._app = make_app(management, self._hub, self._tokens, chat)
        self._closers.add(self._close_gateway)
        self.start_gateway()
        self._http = httpx.Client(
            base_url=self.url, timeout=3 * self._delivery_timeout_s + 5, trust_env=False
        )
        self._closers.add(self._http.close)

    def close(self) -> None:
        """Stop gateway and workers.

        Raises
        ------
        ExceptionGroup
            A worker had failed; everything is closed all the same.
        """
        with self._lock:
            self._ended = True
        self._http = None
        self._closers.close("OpenIM")

    # The gateway ---------------------------------------------------------------------------------

    def start_gateway(self) -> None:
        """Start the gateway again after :meth:`kill_gateway`, where it was.

        Raises
        ------
        ConfigurationError
            It runs.
        ClosedError
            OpenIM is closed.
        """
        with self._lock:
            self._check_not_ended()
            if self._gateway is not None:
                raise ConfigurationError("the gateway runs already")
            gateway = Gateway(self._app, port=int(self.url.rpartition(":")[2] or 0))
            gateway.start()
            self.url, self._gateway = gateway.url, gateway

    def kill_gateway(self) -> None:
        """End the gateway as a crash does; who was just asking gets no answer, and cannot know.

        What had been handed to Kafka goes its way. :meth:`start_gateway` starts it again.

        Raises
        ------
        ConfigurationError
            It does not run.
        """
        if self._gateway is None:
            raise ConfigurationError("the gateway does not run: start_gateway() starts it")
        gateway, self._gateway = self._gateway, None
        gateway.kill()

    def _close_gateway(self) -> None:
        if self._gateway is not None:
            self._gateway.close()

    @property
    def web_url(self) -> str:
        """Where the chat page is, with the phones of two who have messages; what follows # lets one in."""
        return self.phones(*[user for user in self.inbox.users() if user not in ADMINS][:2]).url

    def phones(self, *users: str) -> Phones:
        """Return the chat page with these users' phones side by side; a notebook shows it.

        Parameters
        ----------
        *users : str
            Whose; the page has a form for more.

        Examples
        --------
        ``lab.openim().phones("ada", "ben")``
        """
        fragment = urlencode([("secret", self._secret), *(("user", user) for user in users)])
        return Phones(f"{self.url}/chat/#{fragment}")

    # Workers -------------------------------------------------------------------------------------

    def workers(self) -> Table:
        """Return the workers: their names, groups, topics, and whether they run."""
        rows = [
            (name, group, GROUPS[group], "running" if worker.running else "ended")
            for name, worker in sorted(self._workers.items())
            if (group := name.rpartition("-")[0])
        ]
        return Table(("worker", "group", "topic", "state"), rows)

    def start_worker(self, group: str) -> str:
        """Start one more member of a group, and return its name; Kafka gives it a share of the partitions.

        Parameters
        ----------
        group : str
            ``"mongo"`` (seqs and inboxes), ``"mysql"`` (chat log), ``"mongo_ex"`` (history) or ``"push"``.

        Raises
        ------
        ConfigurationError
            There is no such group.
        ClosedError
            OpenIM is closed.
        """
        if group not in GROUPS:
            raise ConfigurationError(unknown("group of the pipeline", group, GROUPS))
        with self._lock:
            self._check_not_ended()
            number = sum(name.rpartition("-")[0] == group for name in self._workers) + 1
            name = f"{group}-{number}"
            worker = Worker(
                name,
                self._library.consumer(GROUPS[group], group_id=group, client_id=name),
                self._stage(group),
                self._timeline,
                set_aside=self._set_aside,
                commit=self.options.commit,
            )
            self._workers[name] = worker
            worker.start()
        return name

    def stop_worker(self, name: str) -> None:
        """Let a worker end after the batch in hand; the others of its group take its partitions.

        Raises
        ------
        ConfigurationError
            There is no such worker.
        """
        self._worker(name).close()

    def kill_worker(self, name: str) -> None:
        """End a worker as a crash would: what it has in memory is gone; Kafka delivers it again, or does not.

        Nobody tells the group: another worker gets its partitions when its session has ended, after 6 s.

        Raises
        ------
        ConfigurationError
            There is no such worker.
        """
        self._worker(name).kill()

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            raise ConfigurationError(unknown("worker", name, self._workers))
        return self._workers[name]

    def _close_workers(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.ask_to_end()
        deadline = time.monotonic() + _CLOSE_S
        ended = all(worker.wait(max(0.0, deadline - time.monotonic())) for worker in workers)
        if not ended and self.options.commit == COMMITS[0]:
            self._forwarding.close(timeout=0)  # a batch waits for brokers that do not answer: it comes again
        closers = Closers()
        for worker in workers:
            closers.add(worker.close)
        closers.close("the workers")

    def _stage(self, group: str) -> Callable[[Sequence[r.Copy]], None]:
        """Return what a group's workers do with a batch."""
        if group == r.HISTORY_GROUP:
            return History(self.inbox, self._forwarding, self._timeline, self._delivery_timeout_s + 1)
        if group == r.PUSH_GROUP:
            return Push(self.inbox, self._hub, self._timeline, lambda group: self._groups.get(group, ()))
        return self.inbox.keep_chat_log if group == r.CHAT_LOG_GROUP else self.inbox.keep_history

    def _pipeline_producer(self, client_id: str, *, one_by_one: bool) -> Producer:
        producer = self._library.producer(client_id, one_by_one=one_by_one)
        self._closers.add(lambda: producer.close(timeout=_CLOSE_S))
        return producer

    def _set_aside(self, record: Any, reason: str) -> None:  # noqa: ANN401 - kafka-python has no types
        """Put a record that cannot be read where somebody can look at it."""
        where = f"{record.topic}-{record.partition}@{record.offset}"
        key, value = record.key or b"none", record.value or b""
        self._forwarding.send(
            r.DEAD_LETTERS,
            key=key[:_LETTER_BYTES],
            value=value[:_LETTER_BYTES],  # with its headers it would be too large for Kafka else
            headers=[("reason", reason.encode()), ("from", where.encode())],
        ).get(self._delivery_timeout_s + 1)

    # What a person does --------------------------------------------------------------------------

    def create_group(self, groupID: str, members: Iterable[str]) -> None:  # noqa: N803 - OpenIM's spelling
        """Make a group, or give it other members; for sessionType 2 (a copy each) and 3 (one for all).

        Raises
        ------
        ConfigurationError
            The ID or the list is empty.
        """
        everybody = tuple(dict.fromkeys(members))
        if not groupID or not everybody or not all(everybody):
            raise ConfigurationError(
                f"group {groupID!r} with members {everybody}: expected an ID and user IDs"
            )
        self._groups[groupID] = everybody

    def _groups_of(self, user: str) -> list[str]:
        return [group for group, members in list(self._groups.items()) if user in members]

    def device(self, user: str) -> Device:
        """Return a device of a user, online from now on; ``close()`` or ``with`` takes it off.

        Raises
        ------
        ClosedError
            OpenIM does not run, or its gateway was killed.
        """
        self._check_running()
        device = Device(self.url, user, self._tokens.issue(user))
        self._closers.add(device.close)
        return device

    def _check_not_ended(self) -> None:
        """Refuse to start what nobody would end.

        Raises
        ------
        ClosedError
            OpenIM is closed.
        """
        if self._ended:
            raise ClosedError(_CLOSED)

    def _check_running(self) -> httpx.Client:
        """Return what asks the gateway.

        Raises
        ------
        ClosedError
            OpenIM does not run.
        """
        if self._http is None:
            raise ClosedError(_CLOSED)
        return self._http

    @property
    def online(self) -> dict[str, int]:
        """How many devices each user has who is online."""
        return self._hub.online

    def token(self, user: str = ADMINS[0]) -> str:
        """Return a token for the header ``token``, by default an administrator's."""
        return self._tokens.issue(user)

    def post(self, body: object, token: str | None = None, *, path: str = PATH) -> httpx.Response:
        """Send any JSON body over HTTP, by default with an administrator's token; return the raw answer.

        Parameters
        ----------
        body : object
            The request.
        token : str, optional
            The header.
        path : str
            Of the call: ``"/manager/send_msg"`` or ``"/manager/batch_send_msg"``.

        Raises
        ------
        ClosedError
            OpenIM does not run.
        """
        headers = {"token": self.token() if token is None else token}
        return self._check_running().post(path, json=body, headers=headers)

    def send(
        self,
        recvID: str,  # noqa: N803 - OpenIM's spelling, here and below
        text: str,
        *,
        sendID: str = ADMINS[0],  # noqa: N803
        senderNickname: str = "Office",  # noqa: N803
        notificationName: str = "Notice",  # noqa: N803
        isOnlineOnly: bool = False,  # noqa: N803
        operationID: str | None = None,  # noqa: N803
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
        operationID : str, optional
            The request's trace ID; by default a new one.

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
            **notification_request(
                text,
                sendID=sendID,
                senderNickname=senderNickname,
                notificationName=notificationName,
                isOnlineOnly=isOnlineOnly,
                operationID=operationID,
            ),
            "recvID": recvID,
        }
        return Receipt(**self._ask(body, PATH))

    def _ask(self, body: object, path: str) -> dict[str, Any]:
        """Return what a call answers.

        Raises
        ------
        BrokerUnavailableError
            The gateway does not answer.
        DeliveryUnknownError
            The answer did not come.
        """
        try:
            response = self.post(body, path=path)
        except httpx.ConnectError as error:
            raise BrokerUnavailableError(f"the gateway does not answer: {error}") from error
        except httpx.TransportError as error:
            raise DeliveryUnknownError(f"the gateway did not answer: {error!r}") from error
        return _answer(response)

    def send_many(self, recvIDs: Sequence[str], text: str, **more: Any) -> list[Receipt]:  # noqa: N803, ANN401
        """Notify many users with one call (``batch_send_msg``); return their receipts, in the same order.

        Parameters
        ----------
        recvIDs : sequence of str
            The users; each gets a message of their own.
        text : str
            What to tell them.
        **more
            Further fields of :meth:`send`.

        Raises
        ------
        InvalidNotificationError
            The request was refused.
        DeliveryUnknownError
            Some did not get it, or it is not known whether they did.
        """
        body = {**notification_request(text, **more), "recvIDList": list(recvIDs)}
        data = self._ask(body, BATCH_PATH)
        if failed := data["failedIDList"]:
            raise DeliveryUnknownError(
                f"{len(failed)} of {len(recvIDs)} recipients were not reached, or it is not known: "
                f"{', '.join(failed[:5])}{' ...' if len(failed) > 5 else ''}"
            )
        return [
            Receipt(**{name: each[name] for name in ("serverMsgID", "clientMsgID", "sendTime")})
            for each in data["resultList"]
        ]

    def office(self, *people: str, per_s: float = 5.0) -> Office:
        """Notify people from now on, each in turn; ``close()`` ends it, as OpenIM's does.

        Parameters
        ----------
        *people : str
            To whom.
        per_s : float, default 5
            How many a second to all together, 200 at most.

        Raises
        ------
        ConfigurationError
            There is nobody to notify, or ``per_s`` is out of range.
        ClosedError
            OpenIM does not run.
        """
        self._check_running()
        if not people or not all(people):
            raise ConfigurationError(f"people is {people}; expected user IDs")
        if not 0 < per_s <= _MOST_PER_S:
            raise ConfigurationError(f"per_s is {per_s}; expected above 0, at most {_MOST_PER_S}")
        office = Office(self.send, tuple(dict.fromkeys(people)), per_s)
        self._closers.add(office.close)
        office.start()
        return office

    def account(self, wait_s: float = 0.0) -> Account:
        """Return what this OpenIM accepted, stored, lost or doubled.

        Parameters
        ----------
        wait_s : float, default 0
            How long to wait for what is on its way, in seconds.
        """
        deadline = time.monotonic() + wait_s
        pause = threading.Event()
        while True:
            begin = time.monotonic()
            now = account(self._timeline.since(self._began))
            if not now.missing or time.monotonic() > deadline:
                return now
            cost_s = time.monotonic() - begin  # which the workers do without
            pause.wait(max(_RECOUNT_S, 4 * cost_s))


def _answer(response: httpx.Response) -> dict[str, Any]:
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
        return dict(answer["data"])
    said = f"errCode {answer['errCode']}: {answer['errMsg']}"
    if answer["errCode"] == KAFKA_FAILED:
        raise DeliveryUnknownError(said)
    raise InvalidNotificationError(said, http_status=response.status_code, err_code=answer["errCode"])
