"""The chat page: in a real browser, with real brokers, through what a day brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Locator, Page, expect

from kafka_lab import Lab
from kafka_lab.openim.chat import chat_router
from kafka_lab.openim.gateway import Gateway
from kafka_lab.openim.inbox import Inbox
from kafka_lab.openim.message import SendMsgRequest, to_message
from kafka_lab.openim.records import Copy
from kafka_lab.openim.service import OpenIM
from kafka_lab.openim.tokens import Tokens

from .conftest import content, request

HOSTILE = "<img src=x onerror=alert(1)>"


def test_what_the_page_knows_and_shows() -> None:
    node = shutil.which("node")
    if node is None and "KAFKA_LAB_NEEDS_BROWSER" not in os.environ:
        pytest.skip("there is no Node.js")
    assert node is not None
    test = Path(__file__).parent / "js" / "chat.test.mjs"
    done = subprocess.run([node, "--test", test], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    message = to_message(SendMsgRequest(**request()))
    inbox.store([
        Copy("ada", msgspec.structs.replace(message, clientMsgID=f"m{n}"), "op", "t", 0, n) for n in range(7)
    ])
    yield inbox
    inbox.close()


@pytest.fixture
def client(inbox: Inbox, tokens: Tokens) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.include_router(
        chat_router(inbox, tokens, "the secret", lambda user: ["club"] if user == "ada" else [])
    )
    gateway = Gateway(app)
    gateway.start()
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        yield client
    gateway.close()


def test_who_knows_the_secret_gets_a_token_and_with_it_its_users_messages(
    client: httpx.Client, inbox: Inbox
) -> None:
    assert client.post("/auth/user_token", json={"secret": "x", "userID": "ada"}).json()["errCode"] == 401
    assert client.post("/auth/user_token", content="nothing").status_code == 400
    assert client.post("/auth/user_token", content=b"x" * 5000).status_code == 413
    answer = client.post("/auth/user_token", json={"secret": "the secret", "userID": "ada"}).json()
    headers = {"token": answer["data"]["token"]}
    pulled = client.get("/chat/messages?userID=ada&after_seq=-3&most=2", headers=headers).json()["data"]
    assert [message["seq"] for message in pulled["messages"]] == [5, 6]
    assert pulled["after_seq"] == 4
    assert client.get("/chat/messages?userID=ben&after_seq=0", headers=headers).status_code == 400
    assert client.get("/chat/messages?userID=ada&after_seq=0").json()["errMsg"] == "parse token failed"
    assert client.get("/chat/messages?userID=ada&after_seq=0&most=9999", headers=headers).status_code == 422
    (conversation,) = inbox.conversations("ada")
    read = {"userID": "ada", "conversationID": conversation.conversationID}
    assert client.post("/chat/read", json=read, headers=headers).json()["errCode"] == 0
    assert inbox.read_marks("ada") == {conversation.conversationID: 7}


def test_a_super_groups_inbox_is_read_by_its_members_and_by_nobody_else(
    client: httpx.Client, inbox: Inbox, tokens: Tokens
) -> None:
    said = to_message(SendMsgRequest(**request(sessionType=3, groupID="club", contentType=101, recvID="")))
    of_a_user = msgspec.structs.replace(said, clientMsgID="m9", sessionType=1)
    inbox.store([Copy("club", said, "op", "t", 0, 0), Copy("club", of_a_user, "op", "t", 0, 1)])
    headers = {"token": tokens.issue("ada")}
    asked = "/chat/messages?userID=ada&after_seq=0"
    assert client.get(asked, headers=headers).json()["data"]["groups"] == ["club"]
    pulled = client.get(f"{asked}&groupID=club", headers=headers).json()["data"]
    assert [message["clientMsgID"] for message in pulled["messages"]] == [said.clientMsgID]
    refused = client.get(f"{asked}&groupID=others", headers=headers)
    assert (refused.status_code, refused.json()["errMsg"]) == (400, "not a member of the group")
    called_like_it = "/chat/messages?userID=club&after_seq=0"
    own = client.get(called_like_it, headers={"token": tokens.issue("club")}).json()["data"]
    assert [message["clientMsgID"] for message in own["messages"]] == ["m9"]
    read = {"userID": "ada", "conversationID": "super_group_club"}
    assert client.post("/chat/read", json=read, headers=headers).json()["errCode"] == 0
    assert inbox.read_marks("ada") == {"super_group_club": 1}


def test_the_page_is_ours_alone(client: httpx.Client) -> None:
    page = client.get("/chat/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert client.get("/chat/phone.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/chat/..%2fchat.py").status_code == 404
    assert client.get("/chat/service.py").status_code == 404


@pytest.fixture
def openim(lab: Lab) -> Iterator[OpenIM]:
    yield lab.openim()
    lab.close_openim()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    yield page
    page.close()
    assert errors == []


def phone(page: Page, user: str) -> Locator:
    return page.get_by_label(f"The phone of {user}", exact=True)


def messages(phone: Locator) -> Locator:
    return phone.locator(".messages .text")


@pytest.mark.browser
def test_what_cannot_be_shown_is_said(client: httpx.Client, page: Page) -> None:
    address = f"{client.base_url}/chat/#secret=the%20secret"
    page.goto(f"{address}&user=" + "&user=".join(f"u{number}" for number in range(7)))
    problem = page.get_by_role("alert")
    expect(problem).to_have_text("6 phones are shown, and more do not fit: put one away for that of u6.")
    page.get_by_label("Show the phone of").fill("u3")
    page.get_by_role("button", name="Add").click()
    expect(problem).to_have_text("The phone of u3 is shown already.")
    page.get_by_label("Put the phone of u0 away").click()
    page.get_by_label("Show the phone of").fill("u6")
    page.get_by_role("button", name="Add").click()
    expect(phone(page, "u6")).to_be_visible()
    expect(problem).to_be_hidden()


@pytest.mark.browser
def test_who_opens_an_old_address_is_told_so_and_does_not_ask_on(client: httpx.Client, page: Page) -> None:
    logins: list[str] = []
    page.on("request", lambda asked: logins.append(asked.url) if "user_token" in asked.url else None)
    page.clock.install()
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"{client.base_url}/chat/#secret=of-another-lab&user=ada")
    expect(phone(page, "ada").get_by_role("status")).to_contain_text("refused: open the address")
    expect(phone(page, "ada").get_by_role("heading", name="ada")).to_be_visible()
    page.clock.fast_forward("05:00")
    page.get_by_label("Show the phone of").fill("ben")
    page.get_by_role("button", name="Add").click()
    expect(phone(page, "ben").get_by_role("status")).to_contain_text("refused: open the address")
    assert len(logins) == 2


@pytest.mark.jvm
@pytest.mark.browser
def test_what_was_read_on_a_bad_line_is_told_when_it_is_better(openim: OpenIM, page: Page) -> None:
    openim.send("bad-line", "hello")
    page.goto(str(openim.phones("bad-line")))
    page.route("**/chat/read", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda asked: asked.url.endswith("/chat/read")):
        phone(page, "bad-line").get_by_role("button", name="Office, 1 unread").click()
    assert openim.inbox.read_marks("bad-line") == {}
    page.unroute("**/chat/read")
    page.context.set_offline(True)
    with page.expect_response("**/chat/read"):
        page.context.set_offline(False)
    assert list(openim.inbox.read_marks("bad-line").values()) == [1]


@pytest.mark.jvm
@pytest.mark.browser
def test_two_phones_through_a_kill_a_reload_and_a_tunnel(lab: Lab, openim: OpenIM, page: Page) -> None:
    openim.send("chat-ada", "before", senderNickname="Canteen")
    page.goto(str(openim.phones("chat-ada", "chat-ben")))
    ada, ben = phone(page, "chat-ada"), phone(page, "chat-ben")
    ada.get_by_role("button", name="Canteen").click()
    expect(messages(ada)).to_have_text(["before"])
    openim.send("chat-ben", "to ben", senderNickname="HR")
    ben.get_by_role("button", name="HR, 1 unread").click()
    lab.kill(lab.leader_of("ws2ms_chat", 0) or "")
    for number in range(5):
        openim.send("chat-ada", f"through the kill {number}")
    said = ["before", *(f"through the kill {number}" for number in range(5))]
    expect(messages(ada)).to_have_text(said, timeout=30_000)
    page.reload()
    ada.get_by_role("button", name="Office, 0 unread").click()
    expect(messages(ada)).to_have_text(said)
    ben.get_by_role("button", name="HR, 0 unread").click()
    page.context.set_offline(True)
    expect(ada.get_by_role("status")).to_have_text("away: trying again")
    openim.send("chat-ada", "in the tunnel")
    page.context.set_offline(False)
    openim.send("chat-ada", "after it")
    expect(messages(ada)).to_have_text([*said, "in the tunnel", "after it"], timeout=15_000)
    openim.kill_gateway()
    expect(ben.get_by_role("status")).to_have_text("away: trying again")
    openim.start_gateway()
    openim.send("chat-ben", "again")
    expect(messages(ben)).to_have_text(["to ben", "again"], timeout=15_000)
    assert openim.account(wait_s=30).clean


@pytest.mark.jvm
@pytest.mark.browser
def test_a_super_groups_messages_are_there_after_a_tunnel_and_a_reload(openim: OpenIM, page: Page) -> None:
    openim.create_group("chat-club", ["chat-cy", "chat-dan"])

    def say(text: str) -> None:
        to_all = {"sessionType": 3, "groupID": "chat-club", "recvID": "", "sendID": "openIM333"}
        answer = openim.post(request(**to_all, contentType=101, content={"text": text}))
        assert answer.json()["errCode"] == 0

    say("one")
    page.goto(str(openim.phones("chat-cy")))
    cy = phone(page, "chat-cy")
    cy.get_by_role("button", name="chat-club, 1 unread").click()
    expect(messages(cy)).to_have_text(["one"])
    page.context.set_offline(True)
    expect(cy.get_by_role("status")).to_have_text("away: trying again")
    say("in the tunnel")
    page.context.set_offline(False)
    expect(messages(cy)).to_have_text(["one", "in the tunnel"], timeout=15_000)
    say("live")
    expect(messages(cy)).to_have_text(["one", "in the tunnel", "live"])
    expect(cy.locator(".passing")).to_have_count(0)
    page.reload()
    cy.get_by_role("button", name="chat-club, 0 unread").click()
    expect(messages(cy)).to_have_text(["one", "in the tunnel", "live"])


@pytest.mark.jvm
@pytest.mark.browser
def test_hostile_messages_are_shown_as_what_they_are(openim: OpenIM, page: Page) -> None:
    evil = content(
        notificationName=HOSTILE,
        text=HOSTILE + "\u202e" + "x" * 20_000,
        externalUrl="javascript:alert(1)",
        mixType=1,
        pictureElem={"sourcePicture": {"url": "data:text/html,<script>alert(1)</script>"}},
    )
    fine = content(text="fine", externalUrl="https://example.org/details", mixType=0)
    for each in (evil, fine):
        answer = openim.post(request(recvID="chat-eve", senderNickname=HOSTILE, content=each))
        assert answer.json()["errCode"] == 0
    page.set_viewport_size({"width": 390, "height": 720})
    page.goto(str(openim.phones("chat-eve")))
    eve = phone(page, "chat-eve")
    eve.get_by_role("button", name=HOSTILE).click()
    expect(messages(eve)).to_have_count(2)
    expect(eve.locator("h3").first).to_have_text(HOSTILE)
    expect(eve.locator("a")).to_have_count(1)
    link = eve.get_by_role("link", name="Details")
    assert link.get_attribute("href") == "https://example.org/details"
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert link.get_attribute("target") == "_blank"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(eve.locator(".list")).to_be_hidden()
    eve.get_by_role("button", name="Back").click()
    expect(eve.locator(".list")).to_be_visible()
    page.goto(openim.url + "/chat/")
    expect(page.get_by_role("alert")).to_contain_text("lacks its secret")


@pytest.mark.jvm
def test_a_killed_gateway_leaves_nobody_in_error_about_what_is_known(openim: OpenIM) -> None:
    url = openim.url
    openim.kill_gateway()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/chat/", trust_env=False)
    openim.start_gateway()
    assert openim.url == url
    assert openim.web_url.startswith(f"{url}/chat/#secret=")
    assert json.loads(httpx.get(f"{url}/openapi.json", trust_env=False).text)["info"]["version"] == "2.1.0"
    assert f"<iframe src='{url}/chat/" in openim.phones("<b>")._repr_html_()
