// Lesson 18: a drawn digit becomes a point of the plane, and any point becomes a digit.
"use strict";
const through = (layers, input) =>
  layers.reduce((values, { weights, linear }) =>
    live.dense(values, weights, linear ? undefined : live.sigmoid), input);
let encoder, decoder, points, labels, place, point;

function draw(ctx, width, height) {
  if (!points) return;
  const part = (some, i, share) =>
    some.map(one => one[i]).sort((a, b) => a - b)[Math.floor(share * (some.length - 1))];
  const [xs, ys] = [0, 1].map(i => {  // the few far ones would press the others together
    const low = part(points, i, 0.02), high = part(points, i, 0.98), margin = (high - low) / 8;
    return [low - margin, high + margin];
  });
  const ticks = limits => [0.2, 0.8].map(t => +(limits[0] + t * (limits[1] - limits[0])).toFixed(1));
  place = live.axes(ctx, width, height, xs, ys, ticks(xs), ticks(ys), live.words.first, "");
  const hue = digit => `hsl(${36 * digit} ${digit % 2 ? 45 : 80}% 50%)`;
  points.forEach(([x, y], i) => {
    ctx.fillStyle = hue(labels[i]);
    ctx.fillRect(place.X(x) - 1.5, place.Y(y) - 1.5, 3, 3);
  });
  ctx.font = `bold ${ctx.font}`;
  for (let digit = 0; digit < 10; digit++) {
    const own = points.filter((_, i) => labels[i] === digit);
    const [x, y] = [place.X(part(own, 0, 0.5)), place.Y(part(own, 1, 0.5))];
    ctx.fillStyle = live.color("paper");
    ctx.fillRect(x - 8, y - 9, 16, 18);
    ctx.fillStyle = live.color("ink");
    ctx.fillText(digit, x - 4, y + 4);
  }
  ctx.beginPath();
  ctx.arc(place.X(point[0]), place.Y(point[1]), 7, 0, 7);
  ctx.fillStyle = live.color("paper");
  ctx.strokeStyle = live.color("ink");
  ctx.lineWidth = 3;
  ctx.fill();
  ctx.stroke();
}
const drawPlane = live.plot("plane", draw);

function move(x, y) {
  point = [x, y];
  live.pictures("drawn", 28, [through(decoder, Float32Array.of(x, y))]);
  drawPlane();
  const far = i => (points[i][0] - x) ** 2 + (points[i][1] - y) ** 2;
  const nearest = [...points.keys()].sort((a, b) => far(a) - far(b)).slice(0, 10);
  live.say(`(${x.toFixed(2)}, ${y.toFixed(2)}) · ${live.words.nearest} ` +
    nearest.map(i => labels[i]).sort().join(" "));
}

live.show();
const pad = live.pad(image => encoder && image.some(value => value) && move(...through(encoder, image)));
live.steer(live.get("plane"), (left, top) => place && move(...place.back(left, top)),
  (right, up) => {
    if (!place) return;
    const [x0, y0] = place.back(0, 2), [x1, y1] = place.back(2, 0);  // two pixels
    move(point[0] + right * (x1 - x0), point[1] + up * (y1 - y0));
  });
new IntersectionObserver(async ([seen], observer) => {
  if (!seen.isIntersecting) return;
  observer.disconnect();
  live.say(live.words.loading);
  const data = await live.load(18);
  const layers = data.layers.map((layer, i) => ({ weights: layer.map(live.unpack), linear: i === 3 }));
  [encoder, decoder] = [layers.slice(0, 4), layers.slice(4)];
  ({ points, labels } = data);
  move(...points[0]);
}).observe(live.section);
