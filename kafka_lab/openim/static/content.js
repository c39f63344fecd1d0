// What a message says. Its content is untrusted: texts stay texts, and only http and https are addresses.

const KINDS = {
  102: "picture", 103: "voice", 104: "video", 105: "file", 106: "mention", 107: "merged messages", 108: "card",
  109: "location", 110: "custom", 111: "revoked", 112: "read receipt", 114: "quote",
};
const LONGEST = 4000;

export function safeURL(text) {
  if (typeof text !== "string" || !/^https?:\/\//i.test(text)) {
    return "";
  }
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : "";
  } catch {
    return "";
  }
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function object(value) {
  return value && typeof value === "object" ? value : {};
}

function words(value) {
  return typeof value === "string" || typeof value === "number" ? String(value).slice(0, LONGEST) : "";
}

// Returns title, text, face, and the addresses of what mixType shows: 1 a picture, 2 a video, 3 a file.
export function contentOf(message) {
  const content = message.contentType === 101 || message.contentType === 111 ? null : parsed(message.content);
  if (!content) {
    const text = message.contentType === 111 ? "[revoked]" : words(message.content);
    return { title: "", text, face: "", picture: "", video: "", file: "", fileName: "", link: "" };
  }
  const one = message.contentType === 1400;
  const mix = one ? Number(content.mixType) : 0;
  const picture = object(mix === 1 ? content.pictureElem : message.contentType === 102 ? content : null);
  const video = object(mix === 2 ? content.videoElem : message.contentType === 104 ? content : null);
  const file = object(mix === 3 ? content.fileElem : message.contentType === 105 ? content : null);
  return {
    title: words(content.notificationName),
    text: words(content.text) || words(content.description) || (one ? "" : `[${KINDS[message.contentType] || "message"}]`),
    face: one ? safeURL(content.notificationFaceURL) : "",
    picture: safeURL(object(picture.snapshotPicture).url) || safeURL(object(picture.sourcePicture).url)
      || safeURL(object(picture.bigPicture).url),
    video: safeURL(video.videoUrl),
    file: safeURL(file.sourceUrl),
    fileName: words(file.fileName) || "file",
    link: one ? safeURL(content.externalUrl) || safeURL(content.url) : "",
  };
}
