// A live widget: one or several pictures over one slider. Python draws; the page only asks for a moment.
import { makePicture } from "./scene.js";
import { makePlayer } from "./player.js";

const PATIENCE_MS = 800;
const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", " "]);

// Leaves the slider and the pictures the keys that they know. JupyterLab would go to another cell by an arrow, unless
// the element that has the focus has this attribute when its own listener, at the document, is called.
function guardKeys(el) {
  const guard = new AbortController();
  const onKey = (event) => {
    if (!el.contains(event.target)) return;
    const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    event.target.toggleAttribute("data-lm-suppress-shortcuts", plain && KEYS.has(event.key));
  };
  window.addEventListener("keydown", onKey, { capture: true, signal: guard.signal });
  return guard;
}

function render({ model, el }) {
  el.classList.add("kafka-lab");
  const guard = guardKeys(el);
  const pictures = document.createElement("div");
  pictures.className = "kafka-lab-pictures";
  const foot = document.createElement("div");
  const busy = document.createElement("div");
  busy.className = "kafka-lab-busy";
  busy.setAttribute("role", "status");
  el.append(pictures, foot, busy);
  const shows = [];
  let queued = false;
  let waiting = null;

  const ask = (at) => {
    model.set("asked_s", at);
    model.save_changes();
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      busy.textContent = "The kernel is busy with a cell: the picture follows when that has ended.";
    }, PATIENCE_MS);
  };
  const player = makePlayer(foot, ask);
  const draw = () => {
    queued = false;
    const scenes = model.get("scenes");
    while (shows.length < scenes.length) {
      const part = document.createElement("div");
      pictures.append(part);
      shows.push(makePicture(part));
    }
    scenes.forEach((scene, i) => shows[i](scene));
  };
  const queue = () => {
    if (!queued) {
      queued = true;
      requestAnimationFrame(draw); // at most one change of the page per frame
    }
  };
  const drawTime = () => {
    const { length_s, live, answered } = model.get("moment");
    if (answered === model.get("asked_s")) {
      clearTimeout(waiting);
      busy.textContent = "";
    }
    player.update({ length: length_s, live, marks: model.get("marks") });
  };
  draw();
  drawTime();
  const follow = () => {
    const asked = model.get("asked_s");
    player.update(asked === null ? { follows: true } : { follows: false, at: asked });
  };
  follow(); // the page was loaded anew, or another view of this output went to a moment
  model.on("change:asked_s", follow);
  model.on("change:scenes", queue);
  model.on("change:moment", drawTime);
  model.on("change:marks", drawTime);
  return () => {
    guard.abort();
    player.close();
    clearTimeout(waiting);
    model.off("change:scenes", queue);
    model.off("change:moment", drawTime);
    model.off("change:marks", drawTime);
    model.off("change:asked_s", follow);
  };
}

export default { render };
