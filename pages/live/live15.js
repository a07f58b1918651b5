// Lesson 15: a digit on its way through the network of this run, and ten probabilities.
"use strict";
function conv(input, side, depth, [W, b]) {
  const units = b.length, output = new Float32Array(side * side * units);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const at = (y * side + x) * units;
    output.set(b, at);
    for (let patch = 0; patch < 25; patch++) {  // padding="same": outside are zeros
      const u = x + (patch % 5) - 2, v = y + Math.floor(patch / 5) - 2;
      if (u < 0 || v < 0 || u >= side || v >= side) continue;
      for (let c = 0; c < depth; c++) {
        const value = input[(v * side + u) * depth + c], w = (patch * depth + c) * units;
        if (value) for (let k = 0; k < units; k++) output[at + k] += value * W[w + k];
      }
    }
  }
  return output.map(live.relu);
}

function pool(input, side, depth) {
  const half = side / 2, output = new Float32Array(half * half * depth);  // after a relu: >= 0
  input.forEach((value, i) => {
    const k = i % depth, x = Math.floor(i / depth) % side, y = Math.floor(i / depth / side);
    const at = ((y >> 1) * half + (x >> 1)) * depth + k;
    if (value > output[at]) output[at] = value;
  });
  return output;
}

function answer([conv1, conv2, fc1, last], image) {
  const h_conv1 = conv(image, 28, 1, conv1), h_pool1 = pool(h_conv1, 28, 32);
  const h_conv2 = conv(h_pool1, 14, 32, conv2), h_pool2 = pool(h_conv2, 14, 64);
  const logits = live.dense(live.dense(h_pool2, fc1, live.relu), last);
  const powers = logits.map(logit => Math.exp(logit - Math.max(...logits)));
  const sum = powers.reduce((a, b) => a + b);
  return { stages: [h_conv1, h_pool1, h_conv2, h_pool2], probabilities: powers.map(p => p / sum) };
}

async function network() {
  if (!network.layers) live.say(live.words.loading);
  const data = await live.load(15);
  network.layers ??= data.layers.map(layer => layer.map(live.unpack));
  network.digits ??= live.unpack(data.digits);
  network.labels = data.labels;
  return network.layers;
}

async function ask(image, label = "") {
  const { stages, probabilities } = answer(await network(), image);
  if (!image.some(value => value)) return live.say("");  // cleared: the last answer stays
  live.pictures("seen", 28, [image]);
  stages.forEach((values, stage) => {
    const side = [28, 14, 14, 7][stage], depth = values.length / side / side;
    const images = Array.from({ length: 8 }, (_, k) => values.filter((_, i) => i % depth === k));
    live.pictures(`stage${stage}`, side, images.map(one => {  // each from its darkest on
      const low = Math.min(...one), high = Math.max(...one);
      return one.map(value => (value - low) / (high - low || 1));
    }));
  });
  probabilities.forEach((probability, digit) => {
    live.get(`bar${digit}`).style.width = `${100 * probability}%`;
    live.get(`probability${digit}`).textContent = probability.toFixed(3);
  });
  const best = probabilities.indexOf(Math.max(...probabilities));
  live.say(`${live.words.answer} ${best} (${probabilities[best].toFixed(3)})${label}`);
}

live.show();
const pad = live.pad(image => ask(image));
live.get("pad").addEventListener("focus", network);
let next = 0;
live.get("next").addEventListener("click", async () => {
  await network();
  const pixels = network.digits.slice(784 * next, 784 * (next + 1));
  live.pictures("seen", 28, [Float32Array.from(pixels, value => value / 255)]);
  pad.clear();
  pad.ctx.drawImage(live.get("seen"), 0, 0, 280, 280);
  ask(Float32Array.from(pixels, value => value / 255), ` · ${live.words.label} ${network.labels[next]}`);
  next = (next + 1) % network.labels.length;
});
