// What a phone knows: messages by seq, without a gap and without a repeat, and the conversations they make.

export const MOST_KEPT = 500;
const LONGEST_NAME = 120;

export class Inbox {
  constructor(user) {
    this.user = user;
    this.messages = []; // in the order of their seq; online-only ones, which have none, as they came
    this.newestOf = new Map(); // by owner of an inbox: every seq up to this one is here, or was
    this.readUpTo = new Map();
    this.ids = new Set();
  }

  // Takes a message; returns "new", "known", or "gap" if some before it are missing: they are to be pulled.
  // A super group's messages have the seqs of the group's inbox, not of the user's own.
  take(message) {
    const seq = message.seq || 0;
    const owner = message.sessionType === 3 ? message.groupID : "";
    if (this.ids.has(message.clientMsgID) || (seq && seq <= this.newest(owner))) {
      return "known";
    }
    if (seq > this.newest(owner) + 1 && !message.pulled) {
      return "gap";
    }
    this.ids.add(message.clientMsgID);
    this.messages.push({ ...message, seq });
    this.beginAfter(seq, owner);
    if (this.messages.length > MOST_KEPT) {
      this.ids.delete(this.messages.shift().clientMsgID);
    }
    return "new";
  }

  // The newest seq of the user's own inbox (""), or of a super group's.
  newest(owner = "") {
    return this.newestOf.get(owner) || 0;
  }

  // Begins after a seq: what is older is not shown.
  beginAfter(seq, owner = "") {
    this.newestOf.set(owner, Math.max(this.newest(owner), seq));
  }

  read(conversationID, seq) {
    this.readUpTo.set(conversationID, Math.max(seq, this.readUpTo.get(conversationID) || 0));
  }

  conversations() {
    const found = new Map();
    for (const message of this.messages) {
      const id = conversationOf(this.user, message);
      const known = found.get(id) || { id, unread: 0, messages: [] };
      known.messages.push(message);
      known.latest = message;
      known.upTo = Math.max(known.upTo || 0, message.seq);
      const counts = message.sendID !== this.user && (message.options || {}).unreadCount !== false;
      if (counts && message.seq > (this.readUpTo.get(id) || 0)) {
        known.unread += 1;
      }
      found.set(id, known);
    }
    return [...found.values()].reverse().sort((a, b) => order(b.latest) - order(a.latest));
  }
}

function order(message) {
  return message.sendTime || 0;
}

// All notifications of one account are one conversation, as in OpenIM's clients.
export function conversationOf(user, message) {
  if (message.sessionType === 4) {
    return `notification_${message.sendID}`;
  }
  if (message.sessionType === 2 || message.sessionType === 3) {
    return `${message.sessionType === 3 ? "super_" : ""}group_${message.groupID}`;
  }
  return `single_${message.sendID === user ? message.recvID : message.sendID}`;
}

export function nameOf(user, conversation) {
  const { latest } = conversation;
  if (latest.sessionType === 2 || latest.sessionType === 3) {
    return cut(latest.groupID);
  }
  return cut(latest.sendID === user ? latest.recvID || latest.sendID : latest.senderNickname || latest.sendID);
}

// A name as long as a name may be: it is untrusted.
export function cut(name) {
  return String(name || "").slice(0, LONGEST_NAME);
}
