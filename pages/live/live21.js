// Lesson 21: a start on the map of the cost, a learning rate, and the path that follows.
"use strict";
const x = Array.from({ length: 200 }, (_, i) => -1 + (2 * i) / 199);
// pred, and how fast it rises with a and with b
const functions = {
  network: (a, b, x) => {
    const cos = Math.cos(a * x), outer = Math.cos(b * cos);
    return [Math.sin(b * cos), -outer * b * x * Math.sin(a * x), outer * cos];
  },
  line: (a, b, x) => [a * x + b, x, 1],
  formula: (a, b, x) => [a * x ** 3 + b * x ** 2, x ** 3, x ** 2],
};
const STEPS = 400, LOW = -2, HIGH = 7, GRID = 61, SIDE = 270;
const state = { function: "network", a: 2, b: 4.5, rate: 0.1 };
let path, jumps, timer, place, lowest;
const maps = {};  // for each function the costs of the lesson's 61 x 61 points

function descent(a, b) {
  const y = ys[state.function], curve = functions[state.function];
  let cost = 0, slopeA = 0, slopeB = 0;
  for (let i = 0; i < 200; i++) {
    const [pred, withA, withB] = curve(a, b, x[i]), off = pred - y[i];
    cost += off * off / 200;
    slopeA += 2 * off * withA / 200;
    slopeB += 2 * off * withB / 200;
  }
  return { a, b, cost, slopeA, slopeB };
}

// One step of gradient descent, and whether that was the last one worth making.
function step() {
  const now = path.at(-1), before = path.at(-2);
  const a = now.a - state.rate * now.slopeA, b = now.b - state.rate * now.slopeB;
  if (before) {  // back by as much as it came, for ever
    const [u, v] = [now.a - before.a, now.b - before.b], length = u * u + v * v;
    const back = ((a - now.a) * u + (b - now.b) * v) / length;
    jumps = length > 1e-3 && Math.abs(back + 1) < 0.002;
  }
  path.push(descent(a, b));
  if (Math.hypot(a, b) > 1e6) return live.words.away;
  if (jumps) return live.words.jumps;
  if (path.length <= STEPS) return "";
  const slope = point => Math.hypot(point.slopeA, point.slopeB);
  if (slope(now) > slope(path[0]) / 100) return live.words.underway;
  return live.words.arrived + (now.cost > 1.5 * lowest ? live.words.lower : "");
}

function restart(animated) {
  stop();
  path = [descent(state.a, state.b)];
  jumps = false;
  live.say("");
  animated && !live.still.matches ? run() : whole();
}

function whole() {
  let end = "";
  while (path.length <= STEPS && !(end && !jumps)) end = step();
  live.say(end);
  draw();
  if (jumps && !live.still.matches) run();
}

// Slowly at first, and always where it jumps, so that one sees single steps.
function run() {
  live.get("run").textContent = live.words.stop;
  const tick = () => {
    const steps = jumps ? 1 : 1 + Math.floor(path.length / 40);
    let end = "";
    for (let i = 0; i < steps && !end; i++) end = step();
    if (end !== live.get("said").textContent) live.say(end);
    draw();
    if (end && !jumps) return stop();
    timer = setTimeout(tick, jumps ? 400 : Math.max(16, 200 * 0.9 ** path.length));
  };
  timer = setTimeout(tick, 200);
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  live.get("run").textContent = live.words.run;
}

const drawMap = live.plot("map", (ctx, width, height) => {
  const ticks = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7];
  place = live.axes(ctx, width, height, [LOW, HIGH], [LOW, HIGH], ticks, ticks, "a", "b");
  ctx.drawImage(bands(), place.left, place.top, place.wide, place.high);
  const line = points => {
    ctx.beginPath();
    for (const { a, b } of points) ctx.lineTo(place.X(a), place.Y(b));
    ctx.stroke();
  };
  const dot = ({ a, b }, size, fill) => {
    ctx.beginPath();
    ctx.arc(place.X(a), place.Y(b), size, 0, 7);
    ctx.fillStyle = fill;
    ctx.fill();
    ctx.stroke();
  };
  ctx.lineJoin = "round";
  for (const [color, width] of [["#fff", 5], ["#0a5a86", 2.5]]) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    line(path);
  }
  if (path.length < 60) path.forEach(point => dot(point, 1.5, "#0a5a86"));
  dot(path[0], 6, "#fff");
  ctx.strokeStyle = "#fff";
  dot(path.at(-1), 6, "#a3301f");
});

// The map itself: twenty bands between its lowest and its highest cost, the lowest the darkest.
function bands() {
  const costs = maps[state.function], highest = Math.max(...costs), pixel = (HIGH - LOW) / SIDE;
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const ctx = canvas.getContext("2d"), image = ctx.createImageData(SIDE, SIDE);
  const scale = (GRID - 1) / SIDE;
  for (let i = 0; i < SIDE * SIDE; i++) {
    const u = ((i % SIDE) + 0.5) * scale, v = (SIDE - Math.floor(i / SIDE) - 0.5) * scale;
    const at = Math.floor(v) * GRID + Math.floor(u), p = u % 1, q = v % 1;
    const low = costs[at] * (1 - p) + costs[at + 1] * p;
    const high = costs[at + GRID] * (1 - p) + costs[at + GRID + 1] * p;
    const level = (low * (1 - q) + high * q - lowest) / (highest - lowest);
    const grey = 110 + 140 * Math.floor(level * 20) / 20;
    image.data.set([grey, grey, grey, 255], 4 * i);
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

const drawFit = live.plot("fit", (ctx, width, height) => {
  const y = ys[state.function], { a, b } = path.at(-1);
  const low = Math.floor(Math.min(...y) - 0.5), high = Math.ceil(Math.max(...y) + 0.5);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const { X, Y } = live.axes(ctx, width, height, [-1, 1], [low, high], [-1, 0, 1], ticks, "x", "y");
  ctx.fillStyle = live.color("soft");
  x.forEach((value, i) => ctx.fillRect(X(value) - 1, Y(y[i]) - 1, 2, 2));
  ctx.strokeStyle = live.color("no");
  ctx.lineWidth = 2.5;
  ctx.beginPath();
  for (const value of x) ctx.lineTo(X(value), Y(functions[state.function](a, b, value)[0]));
  ctx.stroke();
});

const drawCost = live.plot("cost", (ctx, width, height) => {
  const first = Math.max(0, path.length - 1 - STEPS), last = Math.max(50, path.length - 1);
  const log = cost => Math.log10(cost + 1e-12), shown = path.slice(first);
  const low = Math.floor(Math.min(log(lowest), ...shown.map(p => log(p.cost))));
  const high = Math.ceil(Math.max(0, ...shown.map(p => log(p.cost))));
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const ticks = powers.filter((_, i) => i % Math.ceil(powers.length / 6) === 0);
  const { X, Y } = live.axes(ctx, width, height, [first, last], [low, high], [first, last], ticks,
    live.words.step, "", power => String(+(10 ** power).toPrecision(1)));
  ctx.strokeStyle = live.color("link");
  ctx.lineWidth = 2;
  ctx.beginPath();
  shown.forEach((point, i) => ctx.lineTo(X(first + i), Y(log(point.cost))));
  ctx.stroke();
});

function draw() {
  drawMap();
  drawFit();
  drawCost();
  const { a, b, cost } = path.at(-1), numbers = { step: path.length - 1, a, b, cost, lowest };
  for (const [name, value] of Object.entries(numbers))
    live.get(`now-${name}`).textContent = Number.isInteger(value) ? value : value.toPrecision(4);
}

// ------------------------------------------------- what the reader sets, also in the address

function set(changes, animated = false) {
  Object.assign(state, changes);
  for (const name of ["a", "b"]) state[name] = +live.clip(state[name], LOW, HIGH).toFixed(2);
  maps[state.function] ??= Array.from({ length: GRID * GRID }, (_, i) => {
    const at = k => LOW + ((HIGH - LOW) * k) / (GRID - 1);
    return descent(at(i % GRID), at(Math.floor(i / GRID))).cost;
  });
  lowest = Math.min(...maps[state.function]);
  live.get("function").value = state.function;
  live.get("rate").value = state.rate;
  live.get("rate-now").textContent = state.rate;
  restart(animated);
}
const address = () => `#live&${new URLSearchParams(state)}`;
const keep = () => history.replaceState(null, "", address());
function read() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.split("&").slice(1).join("&")));
  const changes = {};
  if (Object.hasOwn(functions, given.function ?? "")) changes.function = given.function;
  for (const name of ["a", "b"]) if (Number.isFinite(parseFloat(given[name]))) changes[name] = +given[name];
  if (given.rate > 0 && given.rate <= 1.2) changes.rate = +given.rate;
  set(changes);
}

let ys;
live.load(21).then(data => {
  ys = data;
  live.show();
  read();
  addEventListener("hashchange", read);
  live.steer(live.get("map"), (left, top, first) => {
    const [a, b] = place.back(left, top);
    set({ a, b }, first);
  }, (right, up) => { set({ a: state.a + right / 10, b: state.b + up / 10 }); keep(); });
  live.get("map").addEventListener("pointerup", keep);
  live.get("function").addEventListener("change", event => {
    set({ function: event.target.value }, true);
    keep();
  });
  live.get("rate").addEventListener("input", event => set({ rate: +event.target.value }));
  live.get("rate").addEventListener("change", keep);
  live.get("run").addEventListener("click", () => (timer ? stop() : restart(true)));
  live.get("step").addEventListener("click", () => { stop(); live.say(step()); draw(); });
  for (const link of document.querySelectorAll(".languages a"))  // the same path, in Chinese
    link.addEventListener("click", () => {
      const { top, bottom } = live.section.getBoundingClientRect();
      if (top < innerHeight && bottom > 0) link.hash = address();
    });
});
