// What the chat page knows and shows of messages. A data: address stands for the file, as in the pages' tests.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../../kafka_lab/openim/static/", import.meta.url);
const load = (name) => import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL(name, folder), "utf8"))}`);
const { Inbox, MOST_KEPT, conversationOf, nameOf } = await load("inbox.js");
const { contentOf, safeURL } = await load("content.js");

const message = (seq, more = {}) => ({
  seq, clientMsgID: `m${seq}`, sendID: "oa", recvID: "ada", senderNickname: "Office", sessionType: 4, sendTime: seq,
  contentType: 1400, content: "{}", ...more,
});

test("neither gap nor repeat", () => {
  const inbox = new Inbox("ada");
  assert.equal(inbox.take(message(1)), "new");
  assert.equal(inbox.take(message(1)), "known");
  assert.equal(inbox.take(message(3)), "gap");
  assert.equal(inbox.take(message(2, { pulled: true })), "new");
  assert.equal(inbox.take(message(3)), "new");
  assert.equal(inbox.take(message(0, { clientMsgID: "passing" })), "new");
  assert.equal(inbox.take(message(0, { clientMsgID: "passing" })), "known");
  assert.deepEqual(inbox.messages.map((each) => each.seq), [1, 2, 3, 0]);
});

test("a super group's messages have seqs of another inbox", () => {
  const inbox = new Inbox("ada");
  assert.equal(inbox.take(message(1)), "new");
  const group = (seq, more) => message(seq, { clientMsgID: `g${seq}`, sessionType: 3, groupID: "g", ...more });
  inbox.beginAfter(7, "g");
  assert.equal(inbox.take(group(8)), "new");
  assert.equal(inbox.take(group(8)), "known");
  assert.equal(inbox.take(group(10)), "gap");
  assert.equal(inbox.take(group(9, { pulled: true })), "new");
  assert.equal(inbox.take(group(10)), "new");
  assert.equal(inbox.take(message(2)), "new");
  assert.deepEqual([inbox.newest(), inbox.newest("g"), inbox.newest("h")], [2, 10, 0]);
  const [own, ofGroup] = inbox.conversations().map((each) => each.unread).sort();
  assert.deepEqual([own, ofGroup], [2, 3]);
});

test("a night's messages do not fill the memory", () => {
  const inbox = new Inbox("ada");
  for (let seq = 1; seq <= 3 * MOST_KEPT; seq += 1) {
    inbox.take(message(seq));
  }
  assert.equal(inbox.messages.length, MOST_KEPT);
  assert.ok(inbox.ids.size <= MOST_KEPT);
  assert.equal(inbox.take(message(5)), "known");
});

test("one account's notifications are one conversation, with the latest name", () => {
  const inbox = new Inbox("ada");
  inbox.take(message(1));
  inbox.take(message(2, { senderNickname: "Canteen" }));
  inbox.take(message(3, { sendID: "hr", senderNickname: "HR" }));
  const [hr, office] = inbox.conversations();
  assert.equal(hr.id, "notification_hr");
  assert.equal(office.unread, 2);
  assert.equal(nameOf("ada", office), "Canteen");
  inbox.read("notification_oa", 2);
  assert.equal(inbox.conversations()[1].unread, 0);
  assert.equal(conversationOf("ada", message(4, { sessionType: 1, sendID: "ada", recvID: "ben" })), "single_ben");
  assert.equal(conversationOf("ada", message(4, { sessionType: 3, groupID: "g" })), "super_group_g");
});

test("only http and https are addresses", () => {
  assert.equal(safeURL("https://example.org/a b"), "https://example.org/a%20b");
  for (const wrong of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//example.org", "http://", 7, null]) {
    assert.equal(safeURL(wrong), "");
  }
});

test("mixType says what is shown", () => {
  const elements = {
    pictureElem: { sourcePicture: { url: "https://p/1.png" } }, videoElem: { videoUrl: "https://v/1.mp4" },
    fileElem: { sourceUrl: "https://f/1.pdf", fileName: "1.pdf" }, externalUrl: "javascript:alert(1)", text: "t",
  };
  const shown = (mixType) => contentOf(message(1, { content: JSON.stringify({ ...elements, mixType }) }));
  assert.deepEqual([shown(0).picture, shown(0).video, shown(0).file, shown(0).link], ["", "", "", ""]);
  assert.equal(shown(1).picture, "https://p/1.png");
  assert.equal(shown(2).video, "https://v/1.mp4");
  assert.equal(shown(3).fileName, "1.pdf");
});

test("whatever the content is, it is shown as text", () => {
  for (const content of ["", "null", "[1]", "{", '{"text": {"a": 1}}', '{"pictureElem": 7, "mixType": 1}']) {
    assert.equal(typeof contentOf(message(1, { content })).text, "string");
  }
  assert.equal(contentOf(message(1, { contentType: 101, content: "<b>" })).text, "<b>");
});
