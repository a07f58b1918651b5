// What the pages that answer share: words, weights, layers, plots, keys, a pad to draw on.
"use strict";
const live = { section: document.getElementById("live") };
live.words = JSON.parse(live.section.dataset.words);
live.get = name => document.getElementById(`live-${name}`);
live.color = name => getComputedStyle(live.section).getPropertyValue(`--${name}`).trim();
live.clip = (value, low, high) => Math.min(high, Math.max(low, value));
live.range = (length, make) => Array.from({ length }, (_, i) => make(i));
live.sum = values => values.reduce((sum, value) => sum + value, 0);
live.say = text => { live.get("said").textContent = text; };

// Without JavaScript all of it stays hidden. Who came with a link to it is brought to it.
live.section.hidden = false;
document.querySelector(".to-live").hidden = false;
if (location.hash.startsWith("#live")) live.section.scrollIntoView();

// What the run learned: a script that calls `live.given` with it, loaded once.
live.load = () => live.loading ??= new Promise(done => {
  live.say(live.words.loading);
  live.given = ({ layers = [], ...others }) => {
    live.say("");
    done({ layers: layers.map(layer => layer.map(live.unpack)), ...others });
  };
  const script = document.createElement("script");
  script.src = live.section.dataset.learned;
  script.onerror = () => live.say(live.words.missing);
  document.head.append(script);
});

// What live.py packed: numbers in base64, and a scale for each column.
live.unpack = ({ kind, data, scale }) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const numbers = new globalThis[kind](bytes.buffer);  // such as an Int8Array
  return Float32Array.from(numbers, (number, i) => number * scale[i % scale.length]);
};

// A page sets live.draw to what is drawn again in another size or other colours.
addEventListener("resize", () => live.draw?.());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => live.draw?.());

live.sigmoid = z => 1 / (1 + Math.exp(-z));
live.dense = (input, [W, b], activation = z => z) => {
  const output = Array.from(b), units = b.length;
  input.forEach((value, i) => {
    if (value) for (let k = 0; k < units; k++) output[k] += value * W[i * units + k];
  });
  return output.map(z => activation(z));
};

// The k-th of the square pictures on a canvas: black where a value is 1, but white in the dark.
live.picture = (name, values, k = 0) => {
  const side = Math.sqrt(values.length), image = new ImageData(side, side);
  values.forEach((value, i) => { image.data[4 * i + 3] = 255 * value; });
  live.get(name).getContext("2d").putImageData(image, k * (side + 1), 0);
};

// A frame on a canvas, from the first to the last of the numbers at its sides, and what draws in
// it; `back` tells which x and y are at a place of the canvas.
live.plot = (name, xs, ys, xlabel, ylabel = "", write = String) => {
  const canvas = live.get(name), ctx = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  const left = 46, top = 8, wide = width - 60, high = height - 42;
  const [x0, y0, dx, dy] = [xs[0], ys[0], xs.at(-1) - xs[0], ys.at(-1) - ys[0]];
  const X = x => left + ((x - x0) / dx) * wide, Y = y => top + high - ((y - y0) / dy) * high;
  const back = (u, v) => [x0 + ((u - left) / wide) * dx, y0 + ((top + high - v) / high) * dy];
  const line = (points, color, lineWidth) => {
    Object.assign(ctx, { strokeStyle: color, lineWidth, lineJoin: "round" });
    ctx.beginPath();
    for (const [x, y] of points) ctx.lineTo(X(x), Y(y));
    ctx.stroke();
  };
  const dot = ([x, y], size, fillStyle, strokeStyle) => {
    Object.assign(ctx, { fillStyle, strokeStyle, lineWidth: 2.5 });
    ctx.beginPath();
    ctx.arc(X(x), Y(y), size, 0, 7);
    ctx.fill();
    ctx.stroke();
  };
  [canvas.width, canvas.height] = [width, height].map(length => length * devicePixelRatio);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  Object.assign(ctx, { font: `12px ${live.color("sans")}`, fillStyle: live.color("soft") });
  ctx.fillText(ylabel, 0, 14);
  ctx.textAlign = "right";
  for (const y of ys) ctx.fillText(write(y), left - 5, Y(y) + 4);
  ctx.textAlign = "center";
  for (const x of xs) ctx.fillText(x, X(x), top + high + 14);
  ctx.fillText(xlabel, left + wide / 2, height - 5);
  for (const y of ys) line([[x0, y], [xs.at(-1), y]], live.color("line"), 1);
  ctx.beginPath();
  ctx.rect(left, top, wide, high);
  ctx.clip();
  return { ctx, X, Y, back, line, dot, box: [left, top, wide, high] };
};

// Mouse and finger: `move(x, y, first)`. Arrow keys: `step(dx, dy)`. Space: `step(0, 0)`.
live.steer = (canvas, move, step) => {
  canvas.onpointerdown = event => {
    canvas.setPointerCapture(event.pointerId);
    move(event.offsetX, event.offsetY, true);
  };
  canvas.onpointermove = event => event.buttons && move(event.offsetX, event.offsetY, false);
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  canvas.onkeydown = event => {
    const way = event.key === " " ? [0, 0] : ways[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    step(...way.map(size => size * (event.shiftKey ? 5 : 1)));
  };
};

// What common.load_digit makes of ink: 20 pixels large, its center of mass in the middle of 28.
live.digit = (ink, side) => {
  const { range, sum } = live, limit = 0.2 * ink.reduce((a, b) => Math.max(a, b));
  const inked = [...ink.keys()].filter(i => ink[i] > limit);
  const xs = inked.map(i => i % side).sort((a, b) => a - b), left = xs[0];
  const ys = inked.map(i => Math.floor(i / side)), top = ys[0];
  const wide = xs.at(-1) + 1 - left, high = ys.at(-1) + 1 - top, large = Math.max(wide, high);
  const lines = range(high, y => range(wide, x => ink[side * (top + y) + left + x]));
  // As NumPy rounds: a half goes to the even neighbour
  const round = value => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
  // n parts of each line, each the sum of what lies in it; rows become columns
  const shrink = (lines, n) => range(n, i => lines.map(line => {
    const from = (i * line.length) / n, to = ((i + 1) * line.length) / n;
    const share = k => Math.max(0, Math.min(k + 1, to) - Math.max(k, from));
    return sum(line.map((value, k) => value * share(k)));
  }));
  const [columns, rows] = [wide, high].map(n => Math.max(1, round((20 * n) / large)));
  const digit = shrink(shrink(lines, columns), rows);
  const most = Math.max(...digit.flat()), total = sum(digit.flat());
  const down = round(14 - sum(digit.map((line, y) => y * sum(line))) / total);
  const right = round(14 - sum(digit.flatMap(line => line.map((value, x) => x * value))) / total);
  return range(784, i => (digit[Math.floor(i / 28) - down]?.[(i % 28) - right] ?? 0) / most);
};

// A pad for mouse, finger and keys; whenever ink has come, `changed(digit)` is called.
live.pad = changed => {
  const canvas = live.get("pad"), pen = live.get("pen"), side = canvas.width;
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(ctx, { lineWidth: side / 13, lineCap: "round" });
  let at = [side / 2, side / 2], down = false;
  const ink = () => ctx.getImageData(0, 0, side, side).data.filter((_, i) => i % 4 === 3);
  const clear = () => ctx.clearRect(0, 0, side, side);
  const go = (x, y, draws) => {
    ctx.beginPath();
    ctx.moveTo(...at);
    at = [live.clip(x, 0, side), live.clip(y, 0, side)];
    ctx.lineTo(at[0], at[1] + 0.01);  // a dot where it does not move
    [pen.style.left, pen.style.top] = at.map(value => `${(100 * value) / side}%`);
    if (!draws) return;
    ctx.stroke();
    changed(live.digit(ink(), side));
  };
  live.steer(canvas, (left, top, first) => {
    const [x, y] = [left, top].map(value => (value * side) / canvas.clientWidth);
    if (first) at = [x, y];
    go(x, y, true);
  }, (right, up) => {
    if (!right && !up) down = pen.classList.toggle("down");
    go(at[0] + 6 * right, at[1] - 6 * up, down);
  });
  live.get("clear").onclick = clear;
  return { ctx, ink, clear };
};
