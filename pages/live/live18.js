// Lesson 18: a drawn digit becomes a point of the plane, and any point becomes a digit.
"use strict";
// Such as the median of the first numbers of some points: part(some, 0, 0.5)
const part = (some, i, share) =>
  some.map(one => one[i]).sort((a, b) => a - b)[Math.floor(share * (some.length - 1))];
let encode, decode, points, labels, point, plane;

function draw() {
  const [xs, ys] = [0, 1].map(i =>  // the few far ones would press the others together
    [Math.floor(part(points, i, 0.02)), Math.ceil(part(points, i, 0.98))]);
  plane = live.plot("plane", xs, ys, live.words.first);
  const { ctx, X, Y } = plane, [ink, paper] = ["ink", "paper"].map(live.color);
  points.forEach(([x, y], i) => {
    ctx.fillStyle = `hsl(${36 * labels[i]} ${labels[i] % 2 ? 45 : 80}% 50%)`;
    ctx.fillRect(X(x) - 1.5, Y(y) - 1.5, 3, 3);
  });
  for (let digit = 0; digit < 10; digit++) {
    const own = points.filter((_, i) => labels[i] === digit);
    const middle = [0, 1].map(i => part(own, i, 0.5));
    plane.dot(middle, 8, paper, paper);
    Object.assign(ctx, { fillStyle: ink, font: `bold 13px ${live.color("sans")}` });
    ctx.fillText(digit, X(middle[0]), Y(middle[1]) + 4);
  }
  plane.dot(point, 7, paper, ink);
}

function move([x, y]) {
  point = [x, y];
  live.picture("drawn", decode(point));
  draw();
  const far = i => Math.hypot(points[i][0] - x, points[i][1] - y);
  const nearest = [...points.keys()].sort((a, b) => far(a) - far(b)).slice(0, 10);
  const digits = nearest.map(i => labels[i]).sort().join(" ");
  live.say(`(${x.toFixed(2)}, ${y.toFixed(2)}) · ${live.words.nearest} ${digits}`);
}

const pad = live.pad(image => encode && move(encode(image)));
new IntersectionObserver(async ([seen], observer) => {
  if (!seen.isIntersecting) return;
  observer.disconnect();
  const data = await live.load(), through = (layers, values) =>
    layers.reduce((values, layer) => live.dense(values, layer, live.sigmoid), values);
  encode = image => live.dense(through(data.layers.slice(0, 3), image), data.layers[3]);
  decode = point => through(data.layers.slice(4), point);
  ({ points, labels } = data);
  move(points[0]);
  live.draw = draw;
  live.steer(live.get("plane"), (left, top) => move(plane.back(left, top)),
    (right, up) => move([point[0] + right / 10, point[1] + up / 10]));
}).observe(live.section);
