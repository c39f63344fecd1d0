// A phone's line to the gateway: live by WebSocket, and by pulling what is missing whenever it was away.

const FIRST_MS = 300;
const LONGEST_MS = 5000;
const CHECK_MS = 30000;
const STEADY_MS = 3000;
const PATIENCE_MS = 10000;
const PAGE = 100;
const SHOWN = 300;

class Refused extends Error {}

export class Connection {
  constructor(user, secret, inbox, changed) {
    this.user = user;
    this.secret = secret;
    this.inbox = inbox;
    this.changed = changed; // is told the state, and called when there is something new
    this.token = "";
    this.wait = FIRST_MS;
    this.closed = false;
    this.opening = false;
    this.socket = null;
    this.pulling = null;
    this.again = false; // a gap was seen while messages were pulled
    this.begun = new Set(); // inboxes of which something was pulled: the user's own, "", and super groups'
    this.untold = new Set(); // conversations that were read, and the gateway does not know it yet
    this.retry = 0;
    this.steady = 0;
    this.check = setInterval(() => { // a line can be dead unseen
      if (this.socket) {
        this.pull().catch(() => this.lost());
      }
    }, CHECK_MS);
    this.nowOnline = () => this.open();
    this.nowOffline = () => this.lost();
    addEventListener("online", this.nowOnline);
    addEventListener("offline", this.nowOffline);
    this.open();
  }

  async open() {
    clearTimeout(this.retry);
    if (this.closed || this.opening || this.socket) {
      return;
    }
    this.opening = true;
    this.changed("connecting");
    try {
      if (!this.token) {
        await this.login();
      }
      if (!this.closed) {
        this.connect();
      }
    } catch (error) {
      this.lost();
      if (error instanceof Refused) { // asking again would not help
        clearTimeout(this.retry);
        this.changed("refused");
      }
    } finally {
      this.opening = false;
    }
  }

  connect() {
    const query = new URLSearchParams({ userID: this.user, token: this.token });
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws?${query}`);
    this.socket = socket;
    const slow = setTimeout(() => this.socket === socket && this.lost(), PATIENCE_MS);
    socket.onopen = () => {
      clearTimeout(slow);
      this.steady = setTimeout(() => { // who is refused is refused after it was opened
        this.wait = FIRST_MS;
      }, STEADY_MS);
      this.pull().then(
        () => this.socket === socket && this.changed("online"),
        () => this.socket === socket && this.lost(),
      );
      this.tellRead();
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = (event) => {
      clearTimeout(slow);
      if (event.code === 1008) {
        this.token = ""; // expired: ask for another one
      }
      if (this.socket === socket) {
        this.lost();
      }
    };
  }

  lost() {
    const { socket } = this;
    this.socket = null;
    clearTimeout(this.steady);
    if (socket) {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
    }
    if (this.closed) {
      return;
    }
    this.changed("away");
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), this.wait * (0.5 + Math.random()));
    this.wait = Math.min(2 * this.wait, LONGEST_MS);
  }

  take(message) {
    const what = this.inbox.take(message);
    if (what === "gap") {
      this.again = true;
      this.pull().catch(() => this.lost());
    } else if (what === "new") {
      this.changed();
    }
  }

  // Asks for everything after the newest seq, page by page; one at a time.
  pull() {
    this.pulling ||= this.pullAll().finally(() => {
      this.pulling = null;
    });
    return this.pulling;
  }

  async pullAll() {
    do {
      this.again = false;
      for (const group of await this.pullInbox("")) {
        await this.pullInbox(group);
      }
    } while (this.again);
  }

  // Pulls the user's own inbox, or a super group's; returns the user's groups.
  async pullInbox(groupID) {
    let page;
    do {
      page = await this.pullPage(groupID);
    } while (page.messages.length && page.more);
    return page.groups;
  }

  async pullPage(groupID) {
    const first = this.begun.has(groupID) ? this.inbox.newest(groupID) : -SHOWN; // at first the last ones
    const page = await this.ask("/chat/messages", { after_seq: first, most: PAGE, groupID });
    if (!this.begun.has(groupID)) {
      this.begun.add(groupID);
      this.inbox.beginAfter(page.after_seq, groupID);
      Object.entries(page.read).forEach(([id, seq]) => this.inbox.read(id, seq));
    }
    page.messages.forEach((message) => this.inbox.take({ ...message, pulled: true }));
    if (page.messages.length) {
      this.changed();
    }
    return page;
  }

  async login() {
    const body = { secret: this.secret, platform: 5, userID: this.user, operationID: `chat-${Date.now()}` };
    const answer = await this.fetched("/auth/user_token", { method: "POST", body: JSON.stringify(body) });
    const said = await answer.json();
    if (said.errCode) {
      throw new Refused(said.errMsg);
    }
    this.token = said.data.token;
  }

  async ask(path, values) {
    const query = new URLSearchParams({ userID: this.user, ...values });
    const response = await this.fetched(`${path}?${query}`, { headers: { token: this.token } });
    if (response.status === 400) {
      this.token = "";
    }
    if (!response.ok) {
      throw new Error(`HTTP ${response.status}`);
    }
    return (await response.json()).data;
  }

  fetched(address, how) {
    return fetch(address, { ...how, signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  read(conversationID, seq) {
    this.inbox.read(conversationID, seq);
    this.untold.add(conversationID);
    this.tellRead();
  }

  // What cannot be told now is told when the line is back.
  tellRead() {
    for (const conversationID of this.untold) {
      const body = JSON.stringify({ userID: this.user, conversationID });
      this.fetched("/chat/read", { method: "POST", headers: { token: this.token }, body })
        .then((response) => response.ok && this.untold.delete(conversationID))
        .catch(() => {});
    }
  }

  close() {
    this.closed = true;
    clearInterval(this.check);
    clearTimeout(this.retry);
    removeEventListener("online", this.nowOnline);
    removeEventListener("offline", this.nowOffline);
    this.lost();
  }
}
