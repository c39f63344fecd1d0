// Draws a scene, {size, title, desc, table, layers, items: {key: [layer, element]}}, and patches it by key when another comes.
// An element is [tag, attributes, text | elements]. Nothing is ever parsed as HTML: message text is untrusted.
const SVG = "http://www.w3.org/2000/svg";
const TAGS = new Set(["g", "rect", "path", "text", "title"]);

export function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

function setAttribute(node, name, value) {
  if (!name.startsWith("on") && name !== "href") node.setAttribute(name, value);
}

export function build([tag, attributes, body]) {
  if (!TAGS.has(tag)) throw new Error(`a scene may not hold <${tag}>`);
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  if (typeof body === "string") node.textContent = body;
  else node.append(...body.map(build));
  return node;
}

// Changes a node from one element to another, keeping the node (and the focus on it) where the tag stays.
function patch(node, before, after) {
  if (before[0] !== after[0]) {
    const fresh = build(after);
    node.replaceWith(fresh);
    return fresh;
  }
  for (const [name, value] of Object.entries(after[1])) if (before[1][name] !== value) setAttribute(node, name, value);
  for (const name of Object.keys(before[1])) if (!(name in after[1])) node.removeAttribute(name);
  const [old, now] = [before[2], after[2]];
  if (typeof now === "string") {
    if (old !== now) node.textContent = now;
  } else if (typeof old === "string" || old.length !== now.length) {
    node.replaceChildren(...now.map(build));
  } else {
    const children = [...node.children];
    now.forEach((element, i) => patch(children[i], old[i], element));
  }
  return node;
}

function cell(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  if (tag === "th") node.scope = "col";
  return node;
}

function fillTable(table, { columns, rows }) {
  const line = (tag, cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text) => cell(tag, text)));
    return row;
  };
  table.replaceChildren(line("th", columns), ...rows.map((row) => line("td", row)));
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

// Makes a picture one stop of the Tab key, however many items it has; arrows go from item to item.
function makeOneStop(el, svg) {
  let current = null;
  const settle = () => {
    const items = [...svg.querySelectorAll("[tabindex]")];
    if (!items.includes(current)) current = items[0];
    for (const item of items) {
      const wanted = item === current ? "0" : "-1";
      if (item.getAttribute("tabindex") !== wanted) item.setAttribute("tabindex", wanted);
    }
    return items;
  };
  // On the element around it: Chromium gives an SVG that listens for the focus a stop of its own.
  el.addEventListener("focusin", ({ target }) => {
    if (svg.contains(target)) current = target;
    settle();
  });
  el.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const here = svg.contains(event.target) && event.target.matches(":focus-visible"); // not by a mere click
    if (!step || !here || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // the page has plans of its own for arrows
    const items = settle();
    items[Math.min(Math.max(items.indexOf(current) + step, 0), items.length - 1)].focus();
  });
  return settle;
}

// Draws into an element; returns what shows a scene there.
export function makePicture(el) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("role", "group");
  const details = document.createElement("details");
  const table = document.createElement("table");
  details.append(cell("summary", "As text"), table);
  el.classList.add("kafka-lab-picture");
  el.append(svg, details);
  const layers = new Map();
  const shown = new Map();
  const settle = makeOneStop(el, svg);
  let latest = null;
  let shownTable = null;

  const layer = (name) => {
    if (!layers.has(name)) {
      const group = document.createElementNS(SVG, "g");
      layers.set(name, group);
      svg.append(group);
    }
    return layers.get(name);
  };
  const drawTable = () => {
    if (details.open && latest && shownTable !== latest.table) {
      fillTable(table, latest.table);
      shownTable = latest.table;
    }
  };
  const show = (scene) => {
    if (!scene?.size) return;
    latest = scene;
    svg.setAttribute("viewBox", `0 0 ${scene.size[0]} ${scene.size[1]}`);
    svg.style.maxWidth = `${scene.size[0]}px`;
    svg.setAttribute("aria-label", `${scene.title}. ${scene.desc}`);
    scene.layers.forEach(layer);
    for (const [key, item] of shown) {
      if (!(key in scene.items) || scene.items[key][0] !== item.layer) {
        item.node.remove();
        shown.delete(key);
      }
    }
    for (const [key, [name, element]] of Object.entries(scene.items)) {
      const item = shown.get(key);
      if (!item) {
        const node = build(element);
        layer(name).append(node);
        shown.set(key, { node, element, layer: name });
      } else if (!same(item.element, element)) {
        item.node = patch(item.node, item.element, element);
        item.element = element;
      }
    }
    settle();
    drawTable();
  };
  details.addEventListener("toggle", drawTable);
  return show;
}
