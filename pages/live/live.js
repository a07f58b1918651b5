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
    script.onerror = reject;
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
