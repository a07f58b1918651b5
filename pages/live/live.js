// What the pages that answer share: words, plots, weights, layers, a pad to draw on, keys.
"use strict";
const live = { section: document.getElementById("live"), data: {} };
live.words = JSON.parse(live.section.dataset.words);
live.still = matchMedia("(prefers-reduced-motion: reduce)");
live.get = name => document.getElementById(`live-${name}`);
live.color = name => getComputedStyle(live.section).getPropertyValue(`--${name}`).trim();
live.say = text => { live.get("said").textContent = text; };
live.clip = (value, low, high) => Math.min(high, Math.max(low, value));

// Without JavaScript all of it stays hidden. Who came with a link to it is brought to it.
live.show = () => {
  live.section.hidden = false;
  document.querySelector(".to-live").hidden = false;
  if (location.hash.startsWith("#live")) live.section.scrollIntoView();
};

// The file live/data<name>.js calls `given` with what it holds; it is loaded once.
live.load = name => {
  live.data[name] ??= new Promise((resolve, reject) => {
    live.given = resolve;
    const script = document.createElement("script");
    script.src = `${live.section.dataset.root}live/data${name}.js`;
    script.onerror = () => { live.say(live.words.missing); reject(new Error(script.src)); };
    document.head.append(script);
  });
  return live.data[name];
};

// What live.py packed: base64 of uint8, or of float16, or of int8 with a scale for each column.
live.unpack = ({ kind, data, scale }) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  if (kind === "uint8") return bytes;
  if (kind === "int8") {
    const columns = live.unpack(scale), whole = new Int8Array(bytes.buffer);
    return Float32Array.from(whole, (value, i) => value * columns[i % columns.length]);
  }
  return Float32Array.from(new Uint16Array(bytes.buffer), bits => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    return bits >> 15 ? -size : size;
  });
};

live.sigmoid = z => 1 / (1 + Math.exp(-z));
live.relu = z => Math.max(0, z);
live.dense = (input, [W, b], activation = z => z) => {
  const output = Float32Array.from(b), units = b.length;
  input.forEach((value, i) => {
    if (value) for (let k = 0; k < units; k++) output[k] += value * W[i * units + k];
  });
  return output.map(activation);
};

// A canvas that `draw(ctx, width, height)` fills, also in another size or in other colours.
live.plot = (name, draw) => {
  const canvas = live.get(name);
  const again = () => {
    const { clientWidth: width, clientHeight: height } = canvas, ctx = canvas.getContext("2d");
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    ctx.scale(devicePixelRatio, devicePixelRatio);
    ctx.font = `12px ${live.color("sans")}`;
    draw(ctx, width, height);
  };
  addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  return again;
};

// A frame with numbers at its sides; returns where on the canvas x and y are, and the way back.
live.axes = (ctx, width, height, [x0, x1], [y0, y1], xs, ys, xlabel, ylabel, write = String) => {
  const left = 40, right = width - 14, top = 8, bottom = height - 34;
  const X = x => left + ((x - x0) / (x1 - x0)) * (right - left);
  const Y = y => bottom - ((y - y0) / (y1 - y0)) * (bottom - top);
  ctx.fillStyle = live.color("soft");
  ctx.strokeStyle = live.color("line");
  ctx.strokeRect(left, top, right - left, bottom - top);
  ctx.textAlign = "center";
  for (const x of xs) ctx.fillText(String(x), X(x), bottom + 14);
  ctx.fillText(xlabel, (left + right) / 2, height - 5);
  ctx.textAlign = "right";
  for (const y of ys) {
    ctx.fillText(write(y), left - 5, Y(y) + 4);
    ctx.strokeRect(left, Y(y), right - left, 0);
  }
  ctx.textAlign = "left";
  ctx.fillText(ylabel, 0, 14);
  const back = (x, y) => [
    x0 + ((x - left) / (right - left)) * (x1 - x0), y0 + ((bottom - y) / (bottom - top)) * (y1 - y0),
  ];
  ctx.beginPath();
  ctx.rect(left, top, right - left, bottom - top);
  ctx.clip();
  return { X, Y, back, left, top, wide: right - left, high: bottom - top };
};

// `move(x, y, first)` where a mouse or a finger is pressed; `step(dx, dy)` for the arrow keys.
live.steer = (canvas, move, step) => {
  const at = (event, first) => {
    const box = canvas.getBoundingClientRect();
    move(event.clientX - box.left, event.clientY - box.top, first);
  };
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    at(event, true);
  });
  canvas.addEventListener("pointermove", event => event.buttons && at(event, false));
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  canvas.addEventListener("keydown", event => {
    if (!arrows[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const size = event.shiftKey ? 5 : 1;
    step(arrows[event.key][0] * size, arrows[event.key][1] * size);
  });
};

// Values from 0 to 1 as pictures beside each other, black where they are 1; style.css turns that
// round in the dark.
live.pictures = (name, side, images) => {
  const canvas = live.get(name);
  canvas.width = images.length * (side + 1) - 1;
  canvas.height = side;
  images.forEach((values, k) => {
    const image = new ImageData(side, side);
    values.forEach((value, i) => { image.data[4 * i + 3] = 255 * value; });
    canvas.getContext("2d").putImageData(image, k * (side + 1), 0);
  });
};

// What common.load_digit makes of ink: 20 pixels large, its center of mass in the middle of 28.
live.digit = (ink, side) => {
  const most = ink.reduce((a, b) => Math.max(a, b), 0), square = new Float32Array(784);
  let [left, top, right, bottom] = [side, side, 0, 0];
  ink.forEach((value, i) => {
    if (!(value > 0.2 * most)) return;
    const x = i % side, y = (i - x) / side;
    [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
  });
  if (!most) return square;
  const [wide, high] = [right - left, bottom - top], large = Math.max(wide, high);
  const [columns, rows] = [wide, high].map(n => Math.max(1, Math.round((20 * n) / large)));
  const digit = new Float32Array(rows * columns);  // each pixel the mean of the ink below it
  const share = (i, from, to) => Math.min(i + 1, to) - Math.max(i, from);
  let sum = 0, sumX = 0, sumY = 0, max = 0;
  for (let k = 0; k < digit.length; k++) {
    const column = k % columns, row = (k - column) / columns;
    const [x0, x1] = [(column * wide) / columns, ((column + 1) * wide) / columns];
    const [y0, y1] = [(row * high) / rows, ((row + 1) * high) / rows];
    for (let y = Math.floor(y0); y < y1; y++) for (let x = Math.floor(x0); x < x1; x++)
      digit[k] += ink[(top + y) * side + left + x] * share(x, x0, x1) * share(y, y0, y1);
    [sum, sumX, sumY] = [sum + digit[k], sumX + digit[k] * column, sumY + digit[k] * row];
    max = Math.max(max, digit[k]);
  }
  const [dx, dy] = [Math.round(14 - sumX / sum), Math.round(14 - sumY / sum)];
  digit.forEach((value, k) => {
    const x = (k % columns) + dx, y = Math.floor(k / columns) + dy;
    if (x >= 0 && x < 28 && y >= 0 && y < 28) square[28 * y + x] = value / max;
  });
  return square;
};

// A pad for mouse, finger and keys; whenever ink has come, `changed(digit)` is called.
live.pad = changed => {
  const canvas = live.get("pad"), pen = live.get("pen"), side = canvas.width;
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(ctx, { lineWidth: side / 13, lineCap: "round" });
  let at = [side / 2, side / 2], down = false, asked = 0;
  const ink = () => {
    const pixels = ctx.getImageData(0, 0, side, side).data;
    return Float32Array.from({ length: side * side }, (_, i) => pixels[4 * i + 3] / 255);
  };
  const ask = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => changed(live.digit(ink(), side)));
  };
  const go = (x, y, draws) => {
    if (draws) {
      ctx.beginPath();
      ctx.moveTo(...at);
      ctx.lineTo(x, y + 0.01);
      ctx.stroke();
      ask();
    }
    at = [live.clip(x, 0, side), live.clip(y, 0, side)];
    [pen.style.left, pen.style.top] = at.map(value => `${(100 * value) / side}%`);
  };
  live.steer(canvas, (left, top, first) => {
    const [x, y] = [left, top].map(value => (value * side) / canvas.clientWidth);
    if (first) at = [x, y];
    go(x, y, true);
  }, (right, up) => go(at[0] + 6 * right, at[1] - 6 * up, down));
  canvas.addEventListener("keydown", event => {
    if (event.key !== " ") return;
    event.preventDefault();
    down = pen.classList.toggle("down");
    go(...at, down);
  });
  const clear = () => ctx.clearRect(0, 0, side, side);
  live.get("clear").addEventListener("click", () => { clear(); ask(); });
  return { ctx, ink, clear };
};
