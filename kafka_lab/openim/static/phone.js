// One user's phone: the list of conversations, and the messages of one of them.
import { contentOf, safeURL } from "./content.js";
import { Inbox, cut, nameOf } from "./inbox.js";
import { Connection } from "./connection.js";

const STATES = {
  connecting: "connecting …",
  online: "online",
  away: "away: trying again",
  refused: "refused: open the address that the lab gives now",
};
const COLOURS = ["#0072b2", "#8a4b8f", "#00664b", "#8a5a00", "#374151", "#9b2242", "#4a5ab0"];
const MOST_SHOWN = 200;
const MOST_FAILED = 1000;
const failed = new Set(); // faces that cannot be loaded: they are not asked for again

export function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className || "";
  if (text !== undefined) {
    element.textContent = text;
    element.dir = "auto";
  }
  return element;
}

function face(name, url) {
  const element = make("span", "face");
  const letter = () => {
    element.replaceChildren([...(name || "?")][0]);
  };
  let sum = 0;
  for (const character of name) {
    sum += character.codePointAt(0);
  }
  element.style.background = COLOURS[sum % COLOURS.length];
  element.setAttribute("aria-hidden", "true");
  letter();
  if (url && !failed.has(url)) {
    const image = picture(url, "", "");
    image.onload = () => element.replaceChildren(image);
    image.onerror = () => {
      if (failed.size >= MOST_FAILED) {
        failed.clear();
      }
      failed.add(url);
    };
  }
  return element;
}

function picture(url, className, alt) {
  const image = make("img", className);
  image.alt = alt;
  image.referrerPolicy = "no-referrer";
  image.decoding = "async";
  image.src = url;
  return image;
}

function link(className, url, text) {
  const anchor = make("a", className, text);
  anchor.href = url;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}

function time(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function card(user, message) {
  const content = contentOf(message);
  const name = cut(message.senderNickname || message.sendID);
  const item = make("li", message.sendID === user ? "mine" : "");
  const body = make("article", "card");
  const from = make("p", "from");
  from.append(make("span", "", name), make("time", "", time(message.sendTime)));
  body.append(from);
  if (content.title) {
    body.append(make("h3", "", content.title));
  }
  if (content.text) {
    body.append(make("p", "text", content.text));
  }
  if (content.picture) {
    const image = picture(content.picture, "picture", content.title || "picture");
    image.onerror = () => image.replaceWith(make("p", "missing", "The picture cannot be loaded."));
    body.append(image);
  }
  if (content.video) {
    const video = make("video");
    video.controls = true;
    video.preload = "none";
    video.src = content.video;
    body.append(video);
  }
  if (content.file) {
    body.append(link("file", content.file, `⬇ ${content.fileName}`));
  }
  if (content.link) {
    body.append(link("more", content.link, "Details ↗"));
  }
  if (!message.seq) {
    body.append(make("p", "passing", "online only: it is kept nowhere"));
  }
  item.append(face(name, content.face || safeURL(message.senderFaceURL)), body);
  return item;
}

export class Phone {
  constructor(user, secret, gone) {
    this.user = user;
    this.inbox = new Inbox(user);
    this.selected = "";
    this.drawn = new Map(); // by clientMsgID, of the conversation that is shown
    this.element = make("section", "phone");
    this.element.setAttribute("aria-label", `The phone of ${user}`);
    const head = make("header");
    this.status = make("span", "status", "");
    this.status.setAttribute("role", "status");
    const close = make("button", "close", "✕");
    close.setAttribute("aria-label", `Put the phone of ${user} away`);
    close.onclick = () => {
      this.connection.close();
      this.element.remove();
      gone(this);
    };
    head.append(make("h2", "", user), this.status, close);
    this.list = make("ul", "list");
    this.list.setAttribute("aria-label", "Conversations");
    const talk = make("div", "talk");
    const talkHead = make("header");
    const back = make("button", "back", "‹ Back");
    back.onclick = () => this.show("");
    this.title = make("strong", "name", "");
    talkHead.append(back, this.title);
    this.messages = make("ol", "messages");
    this.messages.setAttribute("aria-label", "Messages");
    this.messages.setAttribute("role", "log");
    this.messages.tabIndex = 0;
    talk.append(talkHead, this.messages);
    this.element.append(head, this.list, talk);
    this.queued = false;
    this.connection = new Connection(user, secret, this.inbox, (state) => this.changed(state));
    this.draw();
  }

  changed(state) {
    if (state) {
      this.status.textContent = STATES[state];
      this.status.dataset.state = state;
    }
    if (!this.queued) {
      this.queued = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  show(id) {
    this.selected = id;
    this.drawn.clear();
    this.messages.replaceChildren();
    this.element.classList.toggle("phone-open", Boolean(id));
    this.draw();
    if (!id) {
      this.list.querySelector("button")?.focus();
    }
  }

  draw() {
    this.queued = false;
    const conversations = this.inbox.conversations();
    const shown = conversations.find((each) => each.id === this.selected);
    if (shown && shown.unread && shown.upTo > (this.inbox.readUpTo.get(shown.id) || 0) && document.visibilityState === "visible") {
      this.connection.read(shown.id, shown.upTo);
      shown.unread = 0;
    }
    this.drawList(conversations);
    this.drawTalk(shown);
  }

  drawList(conversations) {
    const focused = document.activeElement?.dataset?.id;
    this.list.replaceChildren(...conversations.map((each) => {
      const content = contentOf(each.latest);
      const name = nameOf(this.user, each);
      const said = content.title ? `${content.title}: ${content.text}` : content.text;
      const button = make("button");
      button.dataset.id = each.id;
      button.setAttribute("aria-current", String(each.id === this.selected));
      button.setAttribute("aria-label", `${name}, ${each.unread} unread: ${said}`);
      button.append(
        face(name, content.face || safeURL(each.latest.senderFaceURL)),
        make("span", "name", name), make("span", "when", time(each.latest.sendTime)),
        make("span", "said", said), make("span", "unread", each.unread ? String(each.unread) : ""),
      );
      button.onclick = () => this.show(each.id);
      const item = make("li");
      item.append(button);
      return item;
    }));
    if (focused) {
      [...this.list.querySelectorAll("button")].find((each) => each.dataset.id === focused)?.focus();
    }
  }

  drawTalk(shown) {
    const list = this.messages;
    if (!shown) {
      list.replaceChildren(make("li", "nothing", "Choose a conversation."));
      return;
    }
    this.title.textContent = nameOf(this.user, shown);
    list.querySelector(".nothing")?.remove();
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const last = shown.messages.slice(-MOST_SHOWN);
    const wanted = new Set(last.map((message) => message.clientMsgID));
    for (const [id, item] of this.drawn) {
      if (!wanted.has(id)) {
        item.remove();
        this.drawn.delete(id);
      }
    }
    for (const message of last) {
      if (!this.drawn.has(message.clientMsgID)) {
        const item = card(this.user, message);
        this.drawn.set(message.clientMsgID, item);
        list.append(item);
      }
    }
    if (atEnd) {
      list.scrollTop = list.scrollHeight;
    }
  }
}
