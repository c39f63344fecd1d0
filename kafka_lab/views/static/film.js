// The pictures of a recording: the first one whole, then what changed, as [seconds, changes] in order.
const EVERY = 50; // changes between two pictures that are kept

export function changed(scene, { items = {}, ...fields }) {
  const kept = { ...scene.items };
  for (const [key, item] of Object.entries(items)) {
    if (item === null) delete kept[key];
    else kept[key] = item;
  }
  return { ...scene, ...fields, items: kept };
}

// The number of changes up to a moment.
export function countAt(frames, at) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle][0] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Film {
  constructor(frames) {
    this.frames = frames;
    this.kept = [{ items: {} }];
  }

  at(seconds) {
    return this.after(Math.max(1, countAt(this.frames, seconds)));
  }

  after(count) {
    while (this.kept.length <= count / EVERY) {
      const begin = (this.kept.length - 1) * EVERY;
      this.kept.push(this.run(this.kept.at(-1), begin, begin + EVERY));
    }
    const kept = Math.floor(count / EVERY);
    return this.run(this.kept[kept], kept * EVERY, count);
  }

  run(scene, begin, end) {
    for (let i = begin; i < Math.min(end, this.frames.length); i++) scene = changed(scene, this.frames[i][1]);
    return scene;
  }
}
