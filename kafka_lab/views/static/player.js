// The slider over a timeline: drag, play, go from event to event, and back to the present.
const STEP_MS = 100;
const SPEEDS = [0.25, 0.5, 1, 2, 5, 10];

export function timeText(seconds) {
  const tenths = Math.round(10 * seconds);
  const minutes = Math.floor(tenths / 600);
  const rest = ((tenths - 600 * minutes) / 10).toFixed(1);
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

// The next mark after a time, or the last one before it; marks are [seconds, text], in order.
export function nextMark(marks, at, direction) {
  const tolerance = 0.0005;
  if (direction > 0) return marks.find(([when]) => when > at + tolerance) ?? null;
  return marks.findLast(([when]) => when < at - tolerance) ?? null;
}

export function markAt(marks, at) {
  return marks.findLast(([when]) => when <= at + 0.0005) ?? null;
}

function control(tag, label, text = "") {
  const node = document.createElement(tag);
  node.setAttribute("aria-label", label);
  node.title = label;
  node.textContent = text;
  if (tag === "button") node.type = "button";
  return node;
}

// `seek(seconds)` is called when a person chooses a moment; null is the present one.
export function makePlayer(el, seek) {
  const bar = document.createElement("div");
  bar.className = "kafka-lab-player";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Time");
  const back = control("button", "Previous event", "«");
  const play = control("button", "Play", "▶");
  const on = control("button", "Next event", "»");
  const slider = control("input", "Moment");
  Object.assign(slider, { type: "range", min: 0, max: 0, step: 0.01, value: 0 });
  const time = document.createElement("output");
  const speed = control("select", "Speed");
  for (const value of SPEEDS) speed.append(new Option(`${value}×`, value, value === 1, value === 1));
  const now = control("button", "Back to now", "now");
  const said = document.createElement("div");
  said.className = "kafka-lab-said";
  const spoken = document.createElement("div"); // the same for screen readers, at most once a second
  spoken.className = "kafka-lab-spoken";
  spoken.setAttribute("aria-live", "polite");
  bar.append(back, play, on, slider, time, speed, now);
  el.append(bar, said, spoken);
  let speaking = null;
  const speak = (text) => {
    if (speaking !== null || spoken.textContent === text) return;
    speaking = setTimeout(() => {
      speaking = null;
      spoken.textContent = said.textContent;
    }, 1000);
  };
  let state = { at: 0, length: 0, live: false, marks: [], follows: true };
  let timer = null;

  const draw = () => {
    slider.max = Math.max(Math.ceil(state.length * 100) / 100, 0.01); // the steps reach the end
    slider.value = state.at;
    slider.setAttribute("aria-valuetext", timeText(state.at));
    time.textContent = `${timeText(state.at)} of ${timeText(state.length)}`;
    now.disabled = state.follows;
    now.textContent = state.live ? "now" : "end";
    now.title = state.live ? "Back to now" : "To the end";
    now.setAttribute("aria-label", now.title);
    const mark = markAt(state.marks, state.at);
    const text = mark ? `${timeText(mark[0])}: ${mark[1]}` : "";
    if (said.textContent !== text) said.textContent = text;
    speak(text);
  };
  const go = (at) => {
    state = { ...state, follows: at === null, at: at === null ? state.length : Math.min(Math.max(at, 0), state.length) };
    seek(at === null ? null : state.at);
    draw();
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.title = "Play";
    play.setAttribute("aria-label", "Play");
  };
  const start = () => {
    if (state.at >= state.length) go(0);
    play.textContent = "❚❚";
    play.title = "Pause";
    play.setAttribute("aria-label", "Pause");
    let last = performance.now();
    timer = setInterval(() => {
      const passed = (performance.now() - last) / 1000;
      last = performance.now();
      if (state.at >= state.length) {
        pause();
        go(null);
      } else go(state.at + passed * Number(speed.value));
    }, STEP_MS);
  };
  const toggle = () => (timer === null ? start() : pause());
  const jump = (direction) => {
    const mark = nextMark(state.marks, state.at, direction);
    if (mark) go(mark[0]);
  };
  play.onclick = toggle;
  back.onclick = () => jump(-1);
  on.onclick = () => jump(1);
  now.onclick = () => {
    pause();
    go(null);
  };
  slider.oninput = () => {
    pause();
    go(Number(slider.value));
  };
  draw();
  return {
    go,
    toggle,
    jump,
    move: (seconds) => go(state.at + seconds),
    at: () => state.at,
    close() {
      pause();
      clearTimeout(speaking);
    },
    // What is known of the timeline: its length, whether it grows, its marks; and the moment while nobody chose one.
    update(known) {
      state = { ...state, ...known };
      if (state.follows) state.at = state.length;
      draw();
    },
  };
}
