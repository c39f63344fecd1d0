// The page of a recording: pictures, slider, events, keys, and a link to a moment.
import { makePicture } from "./scene.js";
import { makePlayer, timeText } from "./player.js";
import { Film } from "./film.js";

const LINK_MS = 300; // browsers refuse an address that changes all the time

export function momentOf(hash) {
  const match = /^#t=(\d+(?:\.\d+)?)$/.exec(hash);
  return match ? Number(match[1]) : null;
}

export async function unpack(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function element(tag, text, className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function makeViews(main, nav, names, draw) {
  return names.map((name) => {
    const section = document.createElement("section");
    section.setAttribute("aria-label", name);
    const title = element("label", "");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    title.append(box, name);
    nav.append(title);
    main.append(section);
    const view = { film: null, show: makePicture(section), visible: true };
    box.onchange = () => {
      view.visible = box.checked;
      section.hidden = !box.checked;
      draw();
    };
    return view;
  });
}

function makeEvents(aside, marks, go) {
  const list = document.createElement("ol");
  const buttons = marks.map(([at, text]) => {
    const button = element("button", `${timeText(at)} ${text}`);
    button.type = "button";
    button.onclick = () => go(at);
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
    return button;
  });
  aside.append(element("h2", `Events (${marks.length})`), list);
  let current = null;
  return (at) => {
    const index = marks.findLastIndex(([when]) => when <= at + 0.0005);
    if (current === index) return;
    buttons[current]?.removeAttribute("aria-current");
    current = index;
    if (!buttons[index]) return;
    buttons[index].setAttribute("aria-current", "true");
    const place = buttons[index].offsetTop - aside.offsetTop;
    if (place < aside.scrollTop || place > aside.scrollTop + aside.clientHeight - 40) aside.scrollTop = place - 80;
  };
}

export async function start(document) {
  const [head, ...films] = document.getElementById("recording").textContent.trim().split(" ");
  const { title, length_s, marks, names } = await unpack(head);
  const main = document.querySelector("main");
  document.querySelector("h1").textContent = title;
  const shown = makeViews(main, document.querySelector("nav"), names, () => show(at));
  let queued = false;
  let at = 0;
  const draw = () => {
    queued = false;
    for (const view of shown) if (view.visible && view.film) view.show(view.film.at(at));
    select(at);
  };
  let linking = null;
  const link = () => history.replaceState(null, "", `#t=${at.toFixed(1)}`);
  const show = (seconds) => {
    at = seconds ?? length_s;
    if (!queued) {
      queued = true;
      requestAnimationFrame(draw);
    }
    clearTimeout(linking);
    linking = setTimeout(link, LINK_MS);
  };
  const player = makePlayer(document.querySelector("footer"), show);
  const select = makeEvents(document.querySelector("aside"), marks, player.go);
  document.querySelector("footer").append(document.querySelector(".keys"));
  player.update({ length: length_s, live: false, marks, follows: false });
  const KEYS = {
    " ": player.toggle,
    ArrowLeft: () => player.move(-1),
    ArrowRight: () => player.move(1),
    n: () => player.jump(1),
    p: () => player.jump(-1),
    Home: () => player.go(0),
    End: () => player.go(length_s),
  };
  document.addEventListener("keydown", (event) => {
    const inControl = event.target.closest?.("button, select, input, summary");
    if (event.ctrlKey || event.altKey || event.metaKey || (inControl && event.key !== "n" && event.key !== "p")) return;
    const act = KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  addEventListener("hashchange", () => {
    const asked = momentOf(location.hash);
    if (asked !== null && asked.toFixed(1) !== at.toFixed(1)) player.go(asked);
  });
  player.go(momentOf(location.hash) ?? 0);
  for (const [i, film] of films.entries()) {
    shown[i].film = new Film(await unpack(film)); // the first ones are there while the others are unpacked
    show(at);
  }
  document.body.dataset.ready = "true";
}
