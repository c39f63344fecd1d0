// The pure functions of the page code. A data: address stands for the file, which Node would take for CommonJS.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../../kafka_lab/views/static/", import.meta.url);
const load = (name) => import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL(name, folder), "utf8"))}`);
const { timeText, nextMark, markAt } = await load("player.js");
const { Film, changed, countAt } = await load("film.js");

const MARKS = [[1, "one"], [1, "another"], [2.5, "two"]];

test("times are said as people say them", () => {
  assert.equal(timeText(0), "0.0 s");
  assert.equal(timeText(59.94), "59.9 s");
  assert.equal(timeText(125.5), "2 min 5.5 s");
  assert.equal(timeText(599.97), "10 min 0.0 s");
});

test("from mark to mark", () => {
  assert.deepEqual(nextMark(MARKS, 0, 1), [1, "one"]);
  assert.deepEqual(nextMark(MARKS, 1, 1), [2.5, "two"]);
  assert.equal(nextMark(MARKS, 2.5, 1), null);
  assert.deepEqual(nextMark(MARKS, 2.5, -1), [1, "another"]);
  assert.equal(nextMark(MARKS, 1, -1), null);
  assert.deepEqual(markAt(MARKS, 1.7), [1, "another"]);
  assert.equal(markAt(MARKS, 0.5), null);
});

test("a change adds, replaces and removes items, and leaves the picture before as it was", () => {
  const before = { title: "a", items: { x: ["layer", 1], y: ["layer", 2] } };
  const after = changed(before, { title: "b", items: { x: null, y: ["layer", 3], z: ["layer", 4] } });
  assert.deepEqual(after, { title: "b", items: { y: ["layer", 3], z: ["layer", 4] } });
  assert.deepEqual(before.items.x, ["layer", 1]);
  assert.deepEqual(changed(before, {}), before);
});

test("a film is the same from either end", () => {
  const frames = Array.from({ length: 503 }, (_, i) => [i / 10, { title: `${i}`, items: { [`k${i % 7}`]: ["layer", i] } }]);
  const [forwards, backwards] = [new Film(frames), new Film(frames)];
  for (let i = 502; i >= 0; i -= 1) assert.equal(backwards.at(i / 10).title, `${i}`);
  for (let i = 0; i < 503; i += 1) assert.deepEqual(forwards.at(i / 10), backwards.at(i / 10));
  assert.equal(forwards.at(-1).title, "0");
  assert.equal(forwards.at(1e9).title, "502");
  assert.deepEqual(forwards.at(30).items.k0, ["layer", 294]);
});

test("counting up to a moment", () => {
  const frames = [[0, {}], [1, {}], [1, {}], [4, {}]];
  assert.deepEqual([-1, 0, 0.5, 1, 3.9, 4, 9].map((at) => countAt(frames, at)), [0, 1, 1, 3, 3, 4, 4]);
});
