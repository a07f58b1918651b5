// Lesson 21: a start on the map of the cost, a learning rate, and the path that follows.
"use strict";
const functions = {
  network: (a, b, x) => Math.sin(b * Math.cos(a * x)),
  line: (a, b, x) => a * x + b,
  formula: (a, b, x) => a * x ** 3 + b * x ** 2,
};
const x = live.range(200, i => -1 + (2 * i) / 199);
const STEPS = 400, LOW = -2, HIGH = 7, GRID = 100, HAIR = 1e-5;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const state = { function: "network", a: 2, b: 4.5, rate: 0.1 }, maps = {};
let ys, path, end, jumps, timer, map;

function cost(a, b) {
  const pred = functions[state.function], y = ys[state.function];
  return live.sum(x.map((value, i) => (pred(a, b, value) - y[i]) ** 2)) / 200;
}

// A point of the path, with the slopes: how fast the cost rises when a or b rises by a hair.
function at(a, b) {
  const slopeA = (cost(a + HAIR, b) - cost(a - HAIR, b)) / (2 * HAIR);
  const slopeB = (cost(a, b + HAIR) - cost(a, b - HAIR)) / (2 * HAIR);
  return { a, b, cost: cost(a, b), slopeA, slopeB };
}

// One step of gradient descent, and what there is to say after it.
function step() {
  const now = path.at(-1), before = path.at(-2), { words } = live;
  const next = at(now.a - state.rate * now.slopeA, now.b - state.rate * now.slopeB);
  const far = point => Math.hypot(point.a - next.a, point.b - next.b);
  jumps = before && far(now) > 0.03 && far(before) < 0.002 * far(now);  // back where it was
  path.push(next);
  if (Math.hypot(next.a, next.b) > 100) end = words.away;
  else if (jumps) end = words.jumps;
  else if (path.length <= STEPS) end = "";
  else if (Math.hypot(next.slopeA, next.slopeB) > 0.01) end = words.underway;
  else end = words.arrived + (next.cost > 1.5 * maps[state.function].lowest ? words.lower : "");
}

// Some steps at once and, if those are not the only ones, step by step to the end.
function run(steps, only = false) {
  stop();
  for (let i = 0; i < steps; i++) if (only || jumps || !end) step();
  draw();
  if (only || still.matches || (end && !jumps)) return;
  live.get("run").textContent = live.words.stop;
  const pause = jumps ? 400 : Math.max(16, 200 * 0.9 ** path.length);
  timer = setTimeout(run, pause, jumps ? 1 : 1 + path.length / 40);
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  live.get("run").textContent = live.words.run;
}

// The costs in twenty greys, and the lowest of them.
function drawnMap() {
  const canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
  canvas.width = canvas.height = GRID;
  const place = k => LOW + ((HIGH - LOW) * (k + 0.5)) / GRID;
  const costs = live.range(GRID ** 2, i => cost(place(i % GRID), place(Math.floor(i / GRID))));
  const lowest = Math.min(...costs), highest = Math.max(...costs);
  costs.forEach((cost, i) => {
    const level = Math.floor((20 * (cost - lowest)) / (highest - lowest));
    ctx.fillStyle = `hsl(0 0% ${43 + 2.7 * level}%)`;
    ctx.fillRect(i % GRID, GRID - 1 - Math.floor(i / GRID), 1, 1);
  });
  return { canvas, lowest };
}

function draw() {
  const { canvas, lowest } = maps[state.function], now = path.at(-1), y = ys[state.function];
  const points = path.map(({ a, b }) => [a, b]), sides = live.range(10, i => LOW + i);
  map = live.plot("map", sides, sides, "a", "b");
  map.ctx.drawImage(canvas, ...map.box);
  map.line(points, "#fff", 5);
  map.line(points, "#0a5a86", 2.5);
  map.dot(points[0], 6, "#fff", "#0a5a86");
  map.dot(points.at(-1), 6, "#a3301f", "#fff");

  const low = Math.floor(Math.min(...y) - 0.5), high = Math.ceil(Math.max(...y) + 0.5);
  const fit = live.plot("fit", [-1, 0, 1], live.range(high - low + 1, i => low + i), "x", "y");
  x.forEach((x, i) => fit.ctx.fillRect(fit.X(x) - 1, fit.Y(y[i]) - 1, 2, 2));
  fit.line(x.map(x => [x, functions[state.function](now.a, now.b, x)]), live.color("no"), 2.5);

  const steps = [0, Math.max(50, path.length - 1)], powers = [-4, -3, -2, -1, 0, 1, 2];
  const costs = live.plot("cost", steps, powers, live.words.step, "", p => Number(`1e${p}`));
  costs.line(path.map(({ cost }, i) => [i, Math.log10(cost)]), live.color("link"), 2);
  const numbers = { step: path.length - 1, a: now.a, b: now.b, cost: now.cost, lowest };
  for (const [name, value] of Object.entries(numbers))
    live.get(`now-${name}`).textContent = +value.toPrecision(4);
  if (live.get("said").textContent !== end) live.say(end);
}

// What the reader sets, or an address; what is no number and no function is passed over.
function set(changes, slowly = false) {
  if (Object.hasOwn(functions, changes.function)) state.function = changes.function;
  for (const [name, low, high] of [["a", LOW, HIGH], ["b", LOW, HIGH], ["rate", 0.01, 1.2]]) {
    const value = live.clip(parseFloat(changes[name]), low, high);
    if (!Number.isNaN(value)) state[name] = +value.toFixed(2);
  }
  maps[state.function] ??= drawnMap();
  live.get("function").value = state.function;
  live.get("rate").value = live.get("rate-now").textContent = state.rate;
  path = [at(state.a, state.b)];
  end = "";
  run(slowly && !still.matches ? 0 : STEPS);
}
const read = () => set(Object.fromEntries(new URLSearchParams(location.hash.slice(6))));
const keep = () => history.replaceState(null, "", `#live&${new URLSearchParams(state)}`);

live.load().then(data => {
  ys = data;
  read();
  live.draw = draw;
  addEventListener("hashchange", read);
  live.steer(live.get("map"), (left, top, first) => {
    const [a, b] = map.back(left, top);
    set({ a, b }, first);
  }, (right, up) => set({ a: state.a + right / 10, b: state.b + up / 10 }));
  live.get("function").onchange = event => set({ function: event.target.value }, true);
  live.get("rate").oninput = event => set({ rate: event.target.value });
  live.get("run").onclick = () => (timer ? stop() : set({}, true));
  live.get("step").onclick = () => run(1, true);
  for (const event of ["change", "pointerup", "keyup"]) live.section.addEventListener(event, keep);
  for (const link of document.querySelectorAll(".languages a"))  // the same path, in Chinese
    link.onclick = () => { link.hash = location.hash; };
});
