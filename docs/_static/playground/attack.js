// Two digit networks under the fast gradient sign method, whose gradient their files compute.

import { digitButtons, latest, load, paint } from "./common.js";

const SIDE = 28;
const NAMES = { plain: "Plain", robust: "Adversarially trained" };
const root = document.getElementById("attack");
const at = (id) => root.querySelector(`#${id}`);

const loaded = await load(root);
if (loaded) await begin(loaded);

async function begin({ ort, found }) {
  const examples = found["adversarial-digits.json"].digits.map((d) => Float32Array.from(d, (v) => v / 255));
  const state = { pixels: examples[3].slice(), label: 3, pen: [14, 14], down: false };

  /** Return logits and gradient of one picture. */
  async function ask(name, pixels, label) {
    const answer = await found[`adversarial-${name}.onnx`].run({
      pixels: new ort.Tensor("float32", pixels, [1, 1, SIDE, SIDE]),
      label: new ort.Tensor("int64", BigInt64Array.from([BigInt(label)]), [1]),
    });
    return { logits: [...answer.logits.data], gradient: answer.gradient.data };
  }

  /** Return the picture that one step in the direction of the gradient's sign makes. */
  async function fgsm(name, pixels, label, eps) {
    const before = await ask(name, pixels, label);
    const changed = pixels.map((v, i) => Math.min(1, Math.max(0, v + eps * Math.sign(before.gradient[i]))));
    const after = await ask(name, changed, label);
    return { before: before.logits, after: after.logits, changed };
  }

  function chances(logits) {
    const top = Math.max(...logits);
    const raised = logits.map((x) => Math.exp(x - top));
    const sum = raised.reduce((a, b) => a + b, 0);
    return raised.map((x) => x / sum);
  }
  const best = (values) => values.indexOf(Math.max(...values));
  const percent = (x) => `${(100 * x).toFixed(0)} %`;

  const panels = Object.fromEntries(Object.entries(NAMES).map(([name, title]) => {
    const panel = document.createElement("section");
    panel.innerHTML = `<h2>${title}</h2><p class="answer"></p>
      <div class="pair"><figure><canvas class="seen" role="img" aria-label="The changed digit"></canvas>
      <figcaption>what it sees</figcaption></figure>
      <figure><canvas class="change" role="img" aria-label="The change, middle grey for none"></canvas>
      <figcaption>the change</figcaption></figure></div>
      <ol class="bars" start="0">${"<li><span class='name'></span><span class='track'><span class='bar'></span></span><span class='value'></span></li>".repeat(10)}</ol>`;
    at("networks").append(panel);
    return [name, panel];
  }));

  function show(name, { before, after, changed }) {
    const panel = panels[name];
    const [first, second] = [chances(before), chances(after)];
    const [was, is] = [best(first), best(second)];
    paint(panel.querySelector(".seen"), changed, SIDE, 1);
    paint(panel.querySelector(".change"), changed.map((v, i) => 0.5 + (v - state.pixels[i])), SIDE, 1);
    panel.querySelector(".answer").textContent =
      `reads ${was} (${percent(first[was])}), then ${is} (${percent(second[is])})`;
    panel.querySelectorAll("li").forEach((line, digit) => {
      line.querySelector(".name").textContent = digit;
      line.querySelector(".bar").style.width = `${100 * second[digit]}%`;
      line.querySelector(".value").textContent = percent(second[digit]);
      line.classList.toggle("right", digit === state.label);
    });
    return is;
  }

  const update = latest(async () => {
    const eps = Number(at("eps").value);
    at("eps-value").textContent = eps.toFixed(2);
    const said = [];
    for (const name of Object.keys(NAMES)) {
      const is = show(name, await fgsm(name, state.pixels, state.label, eps));
      said.push(`${NAMES[name]}: ${is === state.label ? "right" : "fooled"} (${is}).`);
    }
    at("verdict").textContent = said.join(" ");
    root.dataset.drawn = `${state.label} ${eps.toFixed(2)}`;
  });

  const drawing = at("drawing");
  function sheet() {
    const shown = state.pixels.slice();
    paint(drawing, shown, SIDE, 1);
    if (document.activeElement === drawing) { // the pen, for those who draw with keys
      const context = drawing.getContext("2d");
      context.fillStyle = state.down ? "#e8590c" : "#4dabf7";
      context.fillRect(state.pen[0], state.pen[1], 1, 1);
    }
  }

  /** Put ink on the paper: a soft round pen of about two pixels, as in MNIST. */
  function ink(x, y) {
    for (let row = Math.floor(y) - 2; row <= y + 2; row += 1) {
      for (let column = Math.floor(x) - 2; column <= x + 2; column += 1) {
        if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const i = row * SIDE + column;
        state.pixels[i] = Math.max(state.pixels[i], Math.min(1, Math.max(0, 1.8 - far)));
      }
    }
    for (const button of root.querySelectorAll("#digits input")) button.checked = false;
  }
  function stroke(from, to) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let i = 0; i <= steps; i += 1) ink(from[0] + ((to[0] - from[0]) * i) / steps, from[1] + ((to[1] - from[1]) * i) / steps);
    sheet();
    update();
  }
  function clear() {
    state.pixels = new Float32Array(SIDE * SIDE);
    for (const button of root.querySelectorAll("#digits input")) button.checked = false;
    sheet();
    update();
  }
  const spot = (event) => {
    const box = drawing.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  let last = null;
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    last = spot(event);
    stroke(last, last);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!last || !event.buttons) return;
    const next = spot(event);
    stroke(last, next);
    last = next;
  });
  drawing.addEventListener("pointerup", () => { last = null; });
  drawing.addEventListener("focus", sheet);
  drawing.addEventListener("blur", () => { state.down = false; sheet(); });
  drawing.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) {
      const next = state.pen.map((v, i) => Math.min(SIDE - 1, Math.max(0, v + ways[event.key][i])));
      const middle = (pen) => pen.map((v) => v + 0.5);
      if (state.down) stroke(middle(state.pen), middle(next));
      state.pen = next;
      sheet();
    } else if (event.key === " ") {
      state.down = !state.down;
      if (state.down) stroke(state.pen.map((v) => v + 0.5), state.pen.map((v) => v + 0.5));
      sheet();
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else return;
    event.preventDefault();
  });

  for (let digit = 0; digit < 10; digit += 1) at("label").append(new Option(digit, digit));
  const choose = (digit) => {
    state.pixels = examples[digit].slice();
    state.label = digit;
    at("label").value = digit;
    sheet();
    return update();
  };
  digitButtons(at("digits"), state.label, choose);
  at("label").addEventListener("change", () => { state.label = Number(at("label").value); update(); });
  at("eps").addEventListener("input", update);
  at("clear").addEventListener("click", clear);

  await choose(state.label);
  window.playground = { ask, fgsm, examples, state };
  root.dataset.state = "ready";
}
