// The conditional generator: z and a class to a digit, in a plane and along an arc.

import { digitButtons, latest, load, paint } from "./common.js";

const SIDE = 32;
const Z = 100;
const PLACES = 7; // pictures along a side of the plane
const REACH = 3;
const root = document.getElementById("latent");
const at = (id) => root.querySelector(`#${id}`);

/** Return a generator of numbers from N(0, 1) that a seed decides. */
function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const dot = (u, v) => u.reduce((sum, x, i) => sum + x * v[i], 0);
const length = (u) => Math.sqrt(dot(u, u));
const scaled = (u, s) => u.map((x) => x * s);
const plus = (u, v) => u.map((x, i) => x + v[i]);

/** Return the z between `a` and `b` at a fraction t, as gan.style.on_the_sphere does. */
export function onTheSphere(a, b, t) {
  const [la, lb] = [length(a), length(b)];
  const [u, v] = [scaled(a, 1 / la), scaled(b, 1 / lb)];
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(u, v))));
  if (Math.sin(angle) < 1e-6) return [...a];
  const turned = plus(scaled(u, Math.sin((1 - t) * angle) / Math.sin(angle)),
    scaled(v, Math.sin(t * angle) / Math.sin(angle)));
  return scaled(turned, (1 - t) * la + t * lb);
}

/** Return slant and thickness of a picture of ink in [0, 1], as gan.style measures them. */
export function measured(ink) {
  let [total, row, column] = [0, 0, 0];
  ink.forEach((v, i) => { total += v; row += v * Math.floor(i / SIDE); column += v * (i % SIDE); });
  row /= total; column /= total;
  let [mixed, upright, edge] = [0, 0, 0];
  const pixel = (y, x) => (y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : ink[y * SIDE + x]);
  for (let y = -1; y < SIDE + 1; y += 1) {
    for (let x = -1; x < SIDE + 1; x += 1) {
      const v = pixel(y, x);
      mixed += v * (x - column) * (y - row);
      upright += v * (y - row) ** 2;
      if (y < SIDE && x < SIDE) edge += Math.hypot(pixel(y + 1, x) - v, pixel(y, x + 1) - v);
    }
  }
  return { slant: -mixed / upright, thickness: (2 * total) / edge };
}

const loaded = await load(root);
if (loaded) await begin(loaded);

async function begin({ ort, found }) {
  const session = found[root.dataset.needs];
  const random = normals(Date.now());
  const drawn = (next = random) => Array.from({ length: Z }, next);
  const state = { digit: 7, base: drawn(normals(7)), a: 0, b: 0, ends: [] };
  state.ends = [state.base, drawn(normals(8))];

  /** Return ink in [0, 1] of z (a list of lists) in the classes given. */
  async function draw(zs, classes) {
    const flat = Float32Array.from(zs.flat());
    const answer = await session.run({
      z: new ort.Tensor("float32", flat, [zs.length, Z]),
      digit: new ort.Tensor("int64", BigInt64Array.from(classes.map(BigInt)), [zs.length]),
    });
    return answer.pictures.data.map((x) => (x + 1) / 2);
  }

  /** Return a direction as long as a third of z, so that 3 on an axis turns z by 45 degrees. */
  const axis = (u) => scaled(u, length(state.base) / REACH / length(u));

  async function axes() {
    if (at("axes").value === "random") {
      const next = normals(99);
      return [axis(drawn(next)), axis(drawn(next))];
    }
    const next = normals(5);
    const zs = Array.from({ length: 200 }, () => drawn(next));
    const ink = await draw(zs, zs.map(() => state.digit));
    const facts = zs.map((z, i) => ({ z, ...measured(ink.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE)) }));
    return ["slant", "thickness"].map((name) => {
      const sorted = facts.filter((f) => Number.isFinite(f[name])).sort((p, q) => p[name] - q[name]);
      const part = Math.max(1, Math.floor(sorted.length / 5));
      const mean = (some) => scaled(some.map((f) => f.z).reduce(plus), 1 / some.length);
      return axis(plus(mean(sorted.slice(-part)), scaled(mean(sorted.slice(0, part)), -1)));
    });
  }

  const place = (a, b) => {
    const z = plus(state.base, plus(scaled(state.axes[0], a), scaled(state.axes[1], b)));
    return scaled(z, length(state.base) / length(z));
  };
  const current = () => place(state.a, state.b);

  const one = latest(async () => {
    const [all, digit, a, b] = [Array(10).fill(current()), state.digit, state.a, state.b];
    const ink = await draw(all, all.map((_, i) => i));
    paint(at("one"), ink.slice(digit * SIDE * SIDE, (digit + 1) * SIDE * SIDE), SIDE, 1);
    paint(at("classes"), ink, SIDE, 10);
    at("one").setAttribute("aria-label", `A ${digit} drawn at ${a.toFixed(1)} and ${b.toFixed(1)}`);
    at("place").textContent = `${digit} at (${a.toFixed(1)}, ${b.toFixed(1)})`;
    root.dataset.drawn = `${digit} ${a.toFixed(1)} ${b.toFixed(1)}`;
  });
  const plane = latest(async () => {
    const steps = Array.from({ length: PLACES }, (_, i) => REACH * ((2 * i) / (PLACES - 1) - 1));
    const zs = [...steps].reverse().flatMap((b) => steps.map((a) => place(a, b)));
    paint(at("plane"), await draw(zs, zs.map(() => state.digit)), SIDE, PLACES);
  });
  const arc = latest(async () => {
    const zs = Array.from({ length: 9 }, (_, i) => onTheSphere(...state.ends, i / 8));
    paint(at("arc"), await draw(zs, zs.map(() => state.digit)), SIDE, 9);
  });

  function move(a, b) {
    const inside = (x) => Math.min(REACH, Math.max(-REACH, Math.round(10 * x) / 10));
    [state.a, state.b] = [inside(a), inside(b)];
    [at("a").value, at("b").value] = [state.a, state.b];
    // A picture's middle is a place of the plane, so the outermost lie half a picture inside.
    const share = (x) => 100 * ((x / REACH) * ((PLACES - 1) / PLACES) + 1) / 2;
    at("dot").style.left = `${share(state.a)}%`;
    at("dot").style.top = `${share(-state.b)}%`;
    return one();
  }

  async function turn() { // after a new class, other axes, or another z
    state.axes = await axes();
    await Promise.all([move(state.a, state.b), plane(), arc()]);
  }

  digitButtons(at("digits"), state.digit, (digit) => { state.digit = digit; turn(); });
  at("axes").addEventListener("change", turn);
  at("new").addEventListener("click", () => { state.base = drawn(); move(0, 0); turn(); });
  for (const name of ["a", "b"]) {
    at(name).addEventListener("input", () => move(Number(at("a").value), Number(at("b").value)));
  }
  [at("set-a"), at("set-b")].forEach((button, i) => button.addEventListener("click", () => {
    state.ends[i] = current();
    arc();
  }));
  at("t").addEventListener("input", async () => {
    state.base = onTheSphere(...state.ends, Number(at("t").value));
    [state.a, state.b] = [0, 0];
    await move(0, 0);
    await plane();
  });

  const pad = at("pad");
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    const reach = REACH * (PLACES / (PLACES - 1));
    const share = (value, start, size) => reach * ((2 * (value - start)) / size - 1);
    move(share(event.clientX, box.left, box.width), -share(event.clientY, box.top, box.height));
  };
  pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); follow(event); });
  pad.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  pad.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 1 : 0.2;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key === "Home") move(0, 0);
    else if (ways[event.key]) move(state.a + ways[event.key][0], state.b + ways[event.key][1]);
    else return;
    event.preventDefault();
  });

  await turn();
  window.playground = { draw, onTheSphere, measured, current };
  root.dataset.state = "ready";
}
