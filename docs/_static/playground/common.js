// What both playgrounds share: loading networks, saying why that fails, drawing grey pictures.

const HERE = new URL(".", import.meta.url);
const MODELS = new URL("../models/", HERE);
const ORT = new URL("../vendor/ort/", HERE);

/** Load the networks that the page needs; show the controls, or say why there are none. */
export async function load(root) {
  const status = root.querySelector(".status");
  const say = (text) => { status.textContent = text; root.dataset.state = "stopped"; return null; };
  if (typeof WebAssembly !== "object") {
    return say("This browser has no WebAssembly, which runs the networks: the playground cannot start here.");
  }
  const facts = await (await fetch(new URL("models.json", MODELS))).json();
  if (!facts.runtime) {
    return say("This copy of the site was built without npm, so the program that runs networks in a browser is missing.");
  }
  const needs = root.dataset.needs.split(" ");
  const missing = needs.filter((name) => !facts.files.includes(name));
  if (missing.length) {
    return say(`Not here yet: ${missing.join(", ")}. The published run of the notebook writes it; the playground starts by itself then.`);
  }
  try {
    const ort = await import(new URL("ort.wasm.min.mjs", ORT));
    ort.env.wasm.wasmPaths = ORT.href;
    ort.env.wasm.numThreads = 1;
    const found = {};
    for (const name of needs) {
      const answer = await fetch(new URL(name, MODELS));
      if (name.endsWith(".json")) found[name] = await answer.json();
      else found[name] = await ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()));
    }
    status.textContent = "";
    status.hidden = true;
    root.querySelector(".controls").hidden = false;
    return { ort, found };
  } catch (error) {
    return say(`The network could not be started: ${error.message}`);
  }
}

/** Fill a group of ten radio buttons. */
export function digitButtons(fieldset, chosen, onChange) {
  for (let digit = 0; digit < 10; digit += 1) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "digit", value: digit, checked: digit === chosen });
    input.addEventListener("change", () => onChange(digit));
    label.append(input, document.createTextNode(digit));
    fieldset.append(label);
  }
}

/** Draw grey values, 0 to 1, of n pictures of side × side beside and below each other. */
export function paint(canvas, values, side, columns) {
  const n = values.length / (side * side);
  const rows = Math.ceil(n / columns);
  canvas.width = columns * side;
  canvas.height = rows * side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let k = 0; k < n; k += 1) {
    const left = (k % columns) * side;
    const top = Math.floor(k / columns) * side;
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < side; x += 1) {
        const grey = 255 * Math.min(1, Math.max(0, values[(k * side + y) * side + x]));
        image.data.set([grey, grey, grey, 255], 4 * ((top + y) * canvas.width + left + x));
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** Return a function that runs `job` again until no call came in between: one at a time. */
export function latest(job) {
  let running = false;
  let again = false;
  return async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      do { again = false; await job(); } while (again);
    } finally { running = false; }
  };
}
