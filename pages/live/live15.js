// Lesson 15: a digit on its way through the network of this run, and ten probabilities.
// A picture is a list of rows of pixels, and a pixel a list of numbers, one a feature.
"use strict";
const each = (side, pixel) => live.range(side, y => live.range(side, x => pixel(y, x)));
const relu = z => Math.max(0, z);

function conv(picture, layer) {
  const outside = picture[0][0].map(() => 0);  // padding="same"
  return each(picture.length, (y, x) => {
    const patch = each(5, (v, u) => picture[y + v - 2]?.[x + u - 2] ?? outside);
    return live.dense(patch.flat(2), layer, relu);
  });
}

const pool = picture => each(picture.length / 2, (y, x) => {
  const four = each(2, (v, u) => picture[2 * y + v][2 * x + u]).flat();
  return four[0].map((_, k) => Math.max(...four.map(pixel => pixel[k])));
});

function answer([conv1, conv2, fc1, fc2], image) {
  const h_conv1 = conv(each(28, (y, x) => [image[28 * y + x]]), conv1), h_pool1 = pool(h_conv1);
  const h_conv2 = conv(h_pool1, conv2), h_pool2 = pool(h_conv2);
  const logits = live.dense(live.dense(h_pool2.flat(2), fc1, relu), fc2);
  const powers = logits.map(logit => Math.exp(logit - Math.max(...logits)));
  const probabilities = powers.map(power => power / live.sum(powers));
  return { stages: [h_conv1, h_pool1, h_conv2, h_pool2], probabilities };
}

let latest, next = 0;
async function ask(image, label = "") {
  latest = image;
  const { layers } = await live.load();
  if (image !== latest) return;  // while the weights were loading, more was drawn
  const { stages, probabilities } = answer(layers, image);
  live.picture("seen", image);
  stages.forEach((stage, number) => live.range(8, k => {
    const values = stage.flat().map(pixel => pixel[k]), low = Math.min(...values);
    const range = Math.max(...values) - low || 1;  // each picture has its own
    live.picture(`stage${number}`, values.map(value => (value - low) / range), k);
  }));
  probabilities.forEach((probability, digit) => {
    live.get(`bar${digit}`).style.width = `${100 * probability}%`;
    live.get(`probability${digit}`).textContent = probability.toFixed(3);
  });
  const best = probabilities.indexOf(Math.max(...probabilities));
  live.say(`${live.words.answer} ${best} (${probabilities[best].toFixed(3)})${label}`);
}

const pad = live.pad(ask);
live.get("pad").onfocus = live.load;
live.get("next").onclick = async () => {
  const { digits, labels } = await live.load(), image = live.unpack(digits[next]);
  live.picture("seen", image);
  pad.clear();
  pad.ctx.drawImage(live.get("seen"), 0, 0, 280, 280);
  ask(image, ` · ${live.words.label} ${labels[next]}`);
  next = (next + 1) % labels.length;
};
