// The demo page: a drawing becomes a digit of the data's form, and ONNX models answer in the page.
const SIDE = 32, COARSE = 8;
const WARM_UP = 3, RUNS = 7, CALLS = 20; // browsers round their clock: a run times several calls
const base = new URL("../demo/", import.meta.url);

// Bilinear resize with half-pixel centres, as in torch.nn.functional.interpolate.
export function resize(image, height, width, toHeight, toWidth) {
  const out = new Float32Array(toHeight * toWidth);
  const place = (i, from, to) => {
    const x = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(x), from - 1);
    return [low, Math.min(low + 1, from - 1), x - low];
  };
  for (let r = 0; r < toHeight; r++) {
    const [top, bottom, dy] = place(r, height, toHeight);
    for (let c = 0; c < toWidth; c++) {
      const [left, right, dx] = place(c, width, toWidth);
      const row = (y) => image[y * width + left] * (1 - dx) + image[y * width + right] * dx;
      out[r * toWidth + c] = row(top) * (1 - dy) + row(bottom) * dy;
    }
  }
  return out;
}

// kdlab.widgets.as_digit: cut out, centred, means of 4 x 4 blocks, shown at 32 x 32. Null if empty.
export function asDigit(ink) {
  let top = SIDE, bottom = -1, left = SIDE, right = -1;
  ink.forEach((value, i) => {
    if (value <= 0.1) return;
    const r = Math.floor(i / SIDE), c = i % SIDE;
    [top, bottom, left, right] = [Math.min(top, r), Math.max(bottom, r), Math.min(left, c), Math.max(right, c)];
  });
  if (bottom < 0) return null;
  const height = bottom - top + 1, width = right - left + 1;
  const cut = new Float32Array(height * width);
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) cut[r * width + c] = ink[(top + r) * SIDE + left + c];
  const scale = SIDE / Math.max(height, width);
  const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // Python rounds half to even
  const [h, w] = [Math.max(1, even(scale * height)), Math.max(1, even(scale * width))];
  const large = resize(cut, height, width, h, w);
  const down = Math.floor((SIDE - h) / 2), across = Math.floor((SIDE - w) / 2);
  const centred = new Float32Array(SIDE * SIDE);
  for (let r = 0; r < h; r++)
    for (let c = 0; c < w; c++) centred[(r + down) * SIDE + c + across] = large[r * w + c];
  const block = SIDE / COARSE, coarse = new Float32Array(COARSE * COARSE);
  centred.forEach((value, i) => {
    const r = Math.floor(i / SIDE / block), c = Math.floor((i % SIDE) / block);
    coarse[r * COARSE + c] += value / block ** 2;
  });
  return resize(coarse, COARSE, COARSE, SIDE, SIDE).map((x) => Math.min(1, Math.max(0, x)));
}

export function softmax(logits, temperature) {
  const scaled = Array.from(logits, (z) => z / temperature), top = Math.max(...scaled);
  const powers = scaled.map((z) => Math.exp(z - top)), sum = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / sum);
}

async function run(model, image) {
  const images = new model.runtime.Tensor("float32", image, [1, 1, SIDE, SIDE]);
  const { session } = model, answers = await session.run({ [session.inputNames[0]]: images });
  return answers[session.outputNames[0]].data;
}

async function milliseconds(model, image) {
  for (let i = 0; i < WARM_UP; i++) await run(model, image);
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    for (let call = 0; call < CALLS; call++) await run(model, image);
    times.push((performance.now() - start) / CALLS);
  }
  return times.sort((a, b) => a - b)[(RUNS - 1) / 2];
}

async function load(card) {
  const runtime = await import(new URL("ort.wasm.min.mjs", base));
  runtime.env.wasm.wasmPaths = base.href;
  runtime.env.wasm.numThreads = 1;
  const models = [];
  for (const entry of card.models) {
    const bytes = await (await fetch(new URL(entry.file, base))).arrayBuffer();
    const session = await runtime.InferenceSession.create(bytes);
    models.push({ ...entry, runtime, session, bytes: bytes.byteLength });
  }
  return models;
}

function block(model) {
  const element = document.createElement("section");
  element.innerHTML = `<h2></h2><p class="demo-cost"></p><div class="demo-bars" role="img"></div>`;
  element.querySelector("h2").textContent = model.name;
  const bars = element.querySelector(".demo-bars");
  for (let digit = 0; digit < 10; digit++) bars.insertAdjacentHTML("beforeend", `<div><i></i><b>${digit}</b></div>`);
  return element;
}

function show(model, temperature) {
  const probabilities = softmax(model.logits, temperature), best = probabilities.indexOf(Math.max(...probabilities));
  const bars = model.element.querySelector(".demo-bars");
  bars.setAttribute("aria-label", `${model.name}: ${best}, with probability ${probabilities[best].toFixed(2)}`);
  [...bars.children].forEach((bar, digit) => {
    bar.firstChild.style.height = `${100 * probabilities[digit]}%`;
    bar.classList.toggle("best", digit === best);
  });
  model.element.dataset.answer = best;
  const time = model.ms === undefined ? "" : `, ${model.ms.toFixed(2)} ms`;
  model.element.querySelector(".demo-cost").textContent = `${Math.round(model.bytes / 1000)} kB${time}; says ${best}`;
}

function pad(canvas, changed) {
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(pen, { lineWidth: 20, lineCap: "round", lineJoin: "round" });
  const at = (event) => [event.offsetX * (canvas.width / canvas.clientWidth), event.offsetY * (canvas.height / canvas.clientHeight)];
  const ink = () => {
    const small = document.createElement("canvas");
    small.width = small.height = SIDE;
    const pixels = small.getContext("2d");
    pixels.drawImage(canvas, 0, 0, SIDE, SIDE);
    const data = pixels.getImageData(0, 0, SIDE, SIDE).data;
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i + 3] / 255);
  };
  let drawing = false;
  canvas.onpointerdown = (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...at(event));
    pen.lineTo(...at(event));
    pen.stroke();
  };
  canvas.onpointermove = (event) => {
    if (!drawing) return;
    pen.lineTo(...at(event));
    pen.stroke();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { drawing = false; changed(asDigit(ink())); };
  const clear = () => pen.clearRect(0, 0, canvas.width, canvas.height);
  const put = (image) => {
    clear();
    const pixel = canvas.width / SIDE;
    image.forEach((value, i) => {
      pen.fillStyle = `rgba(0, 0, 0, ${value})`;
      pen.fillRect((i % SIDE) * pixel, Math.floor(i / SIDE) * pixel, pixel, pixel);
    });
  };
  return { clear, put };
}

async function start() {
  const get = (name) => document.getElementById(`demo-${name}`);
  const state = get("state"), slider = get("temperature");
  let card, models;
  try {
    card = await (await fetch(new URL("card.json", base))).json();
    models = await load(card);
  } catch (error) {
    state.textContent = `The models could not be loaded (${error.message}). The page needs a web server, and a site built with onnxruntime-web.`;
    return;
  }
  state.textContent = "Draw a digit, large, in one or more strokes.";
  for (const model of models) get("answers").append((model.element = block(model)));
  const all = () => models.forEach((model) => model.logits && show(model, Number(slider.value)));
  const answer = async (image, timed) => {
    for (const model of models) {
      model.logits = await run(model, image);
      if (timed || model.ms === undefined) model.ms = await milliseconds(model, image);
    }
    all();
    state.textContent = "";
  };
  let queue = Promise.resolve(); // a session answers one image at a time
  const ask = (image, timed) => image && (queue = queue.then(() => answer(image, timed)));
  const canvas = pad(get("pad"), (image) => ask(image, false));
  let next = 0;
  get("clear").onclick = () => canvas.clear();
  get("example").onclick = () => {
    const image = Float32Array.from(card.examples[next++ % card.examples.length], (x) => x / 255);
    canvas.put(image);
    ask(image, true);
  };
  slider.oninput = () => { get("T").textContent = slider.value; all(); };
  document.getElementById("demo").dataset.ready = "yes";
  get("example").onclick();
}

if (document.getElementById("demo")) start();
