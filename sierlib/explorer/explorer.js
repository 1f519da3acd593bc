/**
 * The explorer: one prediction, its explanation, and the controls to question it.
 *
 * The same module serves twice. In Jupyter anywidget calls `render({model, el})`; in the built page, which has no
 * kernel, `mount(el, data)` gives `render` a small model of its own. Everything lives in a shadow root, so that neither
 * the theme of a book nor JupyterLab's can restyle it. The payload is described at the top of explorer.py.
 * Text from a sample only ever becomes `textContent`.
 */

/** What a reader can change, with its defaults; the names are those of the traits in explorer.py. */
const STATE = {
  sample: "", target: "predicted", method: "", level: -1, threshold: 30, keep: "all", opacity: 70, smooth: false,
  compare: "none", sample2: "", method2: "", only_class: "", only_right: "", only_teachers: "", only_modality: "",
};
const KEEP = { all: "Everything", keep: "Keep only what matters", remove: "Remove what matters" };
const COMPARE = { none: "Nothing", sample: "Another sample", method: "Another method" };
const HINT = "Orange words speak for the class, blue ones against it; underlined ones matter. "
  + "Press a word to hear it and to see its value.";
const NEEDED = ["words", "image", "mel", "audio", "duration", "window", "classes", "scores", "explanations"];
const ALLOWED = { keep: Object.keys(KEEP), compare: Object.keys(COMPARE) };
const RANGES = { level: [-1, 99], threshold: [0, 100], opacity: [0, 100] };

// Blue against orange can be told apart with every common colour blindness; blue to yellow is the paper's waveform.
const FOR = [235, 110, 10], AGAINST = [38, 118, 232], LEAST = [64, 132, 226], MOST = [255, 220, 58];
const BLACK = "#0b0e12"; // what the model sees in place of a removed part
const PIXELS = 128, CANVAS = 512, WAVE = [840, 120], MEL = [840, 168], FADE = 0.008, ROUNDING = 0.002, HASH = "#explorer?";

// ------------------------------------------------------------------------------------------------ small helpers

/** Make an element: attributes and `on…` listeners from an object, children as nodes or as plain text. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const argmax = (values) => values.indexOf(Math.max(...values));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const largest = (values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
const count = (flags) => flags.filter(Boolean).length;
const mix = (a, b, t) => `rgb(${a.map((x, i) => Math.round(x + (b[i] - x) * t)).join(" ")})`;
const signed = (x, digits = 3) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(digits);

/** Do the work only when `key` differs from the last time; keeps a slider step cheap. */
function whenChanged(owner, slot, key, work) {
  if (owner[slot] === key) return;
  owner[slot] = key;
  work();
}

/** One stop of the Tab key for a whole row of buttons; arrows, Home and End move inside it. */
function roving(container) {
  const items = () => [...container.querySelectorAll("button")];
  container.addEventListener("focusin", ({ target }) => items().forEach((b) => (b.tabIndex = b === target ? 0 : -1)));
  container.addEventListener("keydown", (event) => {
    const all = items(), here = all.indexOf(event.target);
    const goal = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1,
      Home: 0, End: all.length - 1 }[event.key];
    if (goal === undefined || here < 0) return;
    event.preventDefault();
    all[clamp(goal, 0, all.length - 1)].focus();
  });
}

// ------------------------------------------------------------------------------------------------ reading a sample

/** Say what keeps a sample from being shown, or nothing. */
function problemOf(sample, id) {
  if (!sample || typeof sample !== "object") return `There is no sample “${id}” here.`;
  if (sample.error) return `Sample “${sample.id}” cannot be shown: ${sample.error}`;
  const missing = NEEDED.filter((name) => !sample[name]);
  if (missing.length) return `Sample “${sample.id}” cannot be shown: its data lack ${missing.join(", ")}.`;
  if (String(sample.image.src).startsWith("data:image/")) return ""; // anything else would be a request
  return `Sample “${sample.id}” cannot be shown: its photograph is not in its data.`;
}

const predictedOf = (sample) => sample.predicted ?? sample.classes[argmax(sample.scores)];
const sentenceOf = (sample) => (sample?.words ?? []).map((word) => word.text).join(" ");
const rightOf = (sample) => (sample.label == null ? "" : predictedOf(sample) === sample.label ? "right" : "wrong");

function teachersOf({ teachers: t }) {
  if (!t?.speech || !t?.image) return "";
  return argmax(t.speech) === argmax(t.image) ? "agree" : "conflict";
}

function modalityOf(sample, method) {
  const one = (sample.explanations[method] ?? Object.values(sample.explanations)[0])?.[predictedOf(sample)];
  if (!one) return "";
  return one.speech >= one.image ? "speech" : "image";
}

function checkGrid(grid) {
  if (grid.values.length !== grid.rows * grid.cols) throw new Error("a map has the wrong number of values");
  return grid;
}

/** Linear-interpolated percentile, as numpy's. */
function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * percent / 100, low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** Sum over frequency, one value per step of time; the paper (Section 3.3) averages, which only scales it. */
function columnsOf({ cols, values }) {
  const columns = new Array(cols).fill(0);
  values.forEach((value, i) => (columns[i % cols] += value));
  return columns;
}

/** Share of each word's value: steps of time, weighted by how much of them the word covers. */
function wordValues(columns, step, words) {
  return words.map(({ start, end }) =>
    sum(columns.map((v, i) => v * clamp(Math.min(end, (i + 1) * step) - Math.max(start, i * step), 0, step) / step)));
}

/** Sample and method of one side; a second one that was not chosen is the next that differs. */
function chosen(model, samples, second) {
  const id = model.get("sample"), method = model.get("method"), compare = second ? model.get("compare") : "none";
  const at = samples.findIndex((s) => s?.id === id), next = samples[(at + 1) % samples.length]?.id;
  const others = Object.keys(samples[at]?.explanations ?? {}).filter((name) => name !== method);
  return {
    id: compare === "sample" ? model.get("sample2") || next : id,
    method: compare === "method" ? model.get("method2") || others[0] || method : method,
  };
}

/** Everything that is drawn for one side, worked out from the state. Throws with a message for the reader. */
function viewOf(model, samples, second) {
  const { id, method } = chosen(model, samples, second);
  const sample = samples.find((s) => s?.id === id);
  const problem = problemOf(sample, id);
  if (problem) throw new Error(problem);
  const target = model.get("target") === "predicted" ? predictedOf(sample) : model.get("target");
  const one = sample.explanations[method]?.[target];
  if (!one?.levels?.length) throw new Error(`Sample “${id}” has no explanation of “${target}” by “${method}”.`);
  const depth = one.levels.length - 1, level = model.get("level") < 0 ? depth : Math.min(model.get("level"), depth);
  const image = checkGrid(one.levels[level].image), speech = checkGrid(one.levels[level].speech);
  const columns = columnsOf(speech), step = sample.window / columns.length;
  const spoken = columns.filter((_, i) => i * step < sample.duration); // padding is no speech to rank
  const percent = model.get("threshold");
  const least = percentile(image.values, percent), quiet = percentile(spoken, percent);
  const matter = columns.map((v, i) => v >= quiet && i * step < sample.duration);
  const given = sample.words.map((w) => w.importance?.[method]?.[target]);
  const useGiven = level === depth && given.length && given.every(Number.isFinite);
  return {
    sample, target, method, one, depth, level, image, speech, columns, spoken, step, matter,
    words: useGiven ? given : wordValues(columns, step, sample.words),
    keep: model.get("keep"), smooth: model.get("smooth"), opacity: model.get("opacity") / 100,
    imageMatter: image.values.map((v) => v >= least),
    imageScale: largest(image.values), speechScale: largest(speech.values),
  };
}

/** Which parts stay under the chosen way of looking; `matter` tells those at or above the threshold. */
const staying = (matter, keep) => matter.map((m) => keep === "all" || (keep === "keep") === m);

// ------------------------------------------------------------------------------------------------ drawing

/** Values of a grid on a finer lattice: blocks, or bilinear between the blocks' centres. */
function field({ rows, cols, values }, height, width, smooth) {
  const out = new Float32Array(height * width);
  const axis = (n, size) => Array.from({ length: size }, (_, i) => {
    if (!smooth) return [Math.floor(i * n / size), 0];
    const x = clamp((i + 0.5) * n / size - 0.5, 0, n - 1);
    return [Math.min(Math.floor(x), Math.max(0, n - 2)), x - Math.min(Math.floor(x), Math.max(0, n - 2))];
  });
  const ys = axis(rows, height), xs = axis(cols, width);
  const at = (r, c) => values[Math.min(r, rows - 1) * cols + Math.min(c, cols - 1)];
  ys.forEach(([r, fy], y) => xs.forEach(([c, fx], x) => {
    out[y * width + x] = fx || fy
      ? (1 - fy) * ((1 - fx) * at(r, c) + fx * at(r, c + 1)) + fy * ((1 - fx) * at(r + 1, c) + fx * at(r + 1, c + 1))
      : at(r, c);
  }));
  return out;
}

/** A map as a small canvas: hue by sign, strength by size; `flip` puts row 0 (lowest frequency) at the bottom. */
function mapCanvas(grid, scale, smooth, flip) {
  const height = grid.rows > 1 ? PIXELS : 1, values = field(grid, height, PIXELS, smooth);
  const canvas = h("canvas", { width: PIXELS, height }), context = canvas.getContext("2d");
  const pixels = context.createImageData(PIXELS, height);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / PIXELS), t = scale ? values[i] / scale : 0;
    const to = 4 * ((flip ? height - 1 - row : row) * PIXELS + i % PIXELS);
    pixels.data.set(t < 0 ? AGAINST : FOR, to);
    pixels.data[to + 3] = 255 * Math.min(1, Math.abs(t)) ** 0.8;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function line(context, x0, y0, x1, y1) {
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
}

/** A small tile of diagonal lines, dark beside light so that they show on any picture. */
const HATCH = (() => {
  const tile = h("canvas", { width: 16, height: 16 }), context = tile.getContext("2d");
  for (const [style, shift] of [["rgb(0 0 0 / 0.42)", 0], ["rgb(255 255 255 / 0.42)", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = 1.6;
    context.beginPath();
    for (const x of [-16, 0, 16]) line(context, x + shift - 2, 18, x + shift + 18, -2);
    context.stroke();
  }
  return tile;
})();

/** The photograph's map: colours, black over what is removed, and a line around what matters. */
function drawImageMap(canvas, view, scale) {
  const { rows, cols } = view.image, context = canvas.getContext("2d"), w = CANVAS / cols, t = CANVAS / rows;
  const stays = staying(view.imageMatter, view.keep);
  context.clearRect(0, 0, CANVAS, CANVAS);
  context.globalAlpha = view.opacity;
  context.imageSmoothingEnabled = view.smooth;
  context.drawImage(mapCanvas(view.image, scale, view.smooth, false), 0, 0, CANVAS, CANVAS);
  context.globalAlpha = 1;
  context.fillStyle = BLACK;
  stays.forEach((s, i) => s || context.fillRect((i % cols) * w, Math.floor(i / cols) * t, w, t));
  if (view.keep === "all") outline(context, view);
}

/** A line between the regions that matter and the others, and a hatch over those. */
function outline(context, { image: { rows, cols }, imageMatter }) {
  const w = CANVAS / cols, t = CANVAS / rows;
  context.fillStyle = context.createPattern(HATCH, "repeat");
  imageMatter.forEach((m, i) => m || context.fillRect((i % cols) * w, Math.floor(i / cols) * t, w, t));
  context.beginPath();
  imageMatter.forEach((m, i) => {
    const c = i % cols, r = Math.floor(i / cols), x = (c + 1) * w, y = (r + 1) * t;
    if (c + 1 < cols && m !== imageMatter[i + 1]) line(context, x, y - t, x, y);
    if (r + 1 < rows && m !== imageMatter[i + cols]) line(context, x - w, y, x, y);
  });
  for (const [style, width] of [["rgb(0 0 0 / 0.6)", 5], ["#fff", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/** The log-mel as a grey picture, low frequencies at the bottom; made once per sample. */
function melCanvas({ rows, cols, data }) {
  const bytes = bytesOf(data), canvas = h("canvas", { width: cols, height: rows }), context = canvas.getContext("2d");
  if (bytes.length !== rows * cols) throw new Error("the log-mel is incomplete");
  const pixels = context.createImageData(cols, rows);
  bytes.forEach((v, i) => {
    const to = 4 * ((rows - 1 - Math.floor(i / cols)) * cols + i % cols), grey = 18 + 0.86 * v;
    pixels.data.set([grey, grey + 2, grey + 5, 255], to);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** The log-mel under its map, over the spoken part of the window. */
function drawMel(canvas, view, mel, scale) {
  const [width, height] = MEL, context = canvas.getContext("2d"), { window: whole, duration } = view.sample;
  const share = Math.min(1, duration / whole), w = view.step / duration * width;
  context.imageSmoothingEnabled = true;
  context.drawImage(mel, 0, 0, mel.width * share, mel.height, 0, 0, width, height);
  context.imageSmoothingEnabled = view.smooth;
  context.globalAlpha = 0.8 * view.opacity;
  const map = mapCanvas(view.speech, scale, view.smooth, true);
  context.drawImage(map, 0, 0, map.width * share, map.height, 0, 0, width, height);
  context.globalAlpha = 1;
  context.fillStyle = BLACK;
  staying(view.matter, view.keep).forEach((s, i) => s || context.fillRect(i * w, 0, w + 0.5, height));
}

/** The waveform from blue (least important) to yellow (most), a flat line where it is silenced. */
function drawWave(canvas, view, peaks) {
  const [width, height] = WAVE, context = canvas.getContext("2d"), { columns, spoken } = view;
  const bar = width / peaks.length, middle = (height - 14) / 2;
  const perBar = view.sample.duration / view.step / peaks.length;
  const low = Math.min(...spoken), range = Math.max(...spoken) - low || 1, stays = staying(view.matter, view.keep);
  context.fillStyle = BLACK;
  context.fillRect(0, 0, width, height);
  peaks.forEach((peak, i) => {
    const at = Math.min(columns.length - 1, Math.floor((i + 0.5) * perBar));
    const size = stays[at] ? Math.max(1.5, peak * (middle - 2)) : 1;
    context.fillStyle = stays[at] ? mix(LEAST, MOST, (columns[at] - low) / range) : "#66707c";
    context.fillRect(i * bar, middle - size, bar - 1, 2 * size);
    context.fillStyle = view.matter[at] ? "#e8ebef" : "#2b333d"; // the strip below marks what matters
    context.fillRect(i * bar, height - 9, bar + 0.5, 5);
  });
}

// ------------------------------------------------------------------------------------------------ sound

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Undo G.711 mu-law; done here, so that nothing depends on the browser's codecs or on a running AudioContext. */
function soundOf({ encoding, data }) {
  if (encoding !== "mulaw") throw new Error(`sound encoded as “${encoding}” cannot be decoded`);
  return Float32Array.from(bytesOf(data), (code) => {
    const u = ~code & 255, size = (((u & 15) << 3) + 132 << (u >> 4 & 7)) - 132;
    return (u & 128 ? -size : size) / 32768;
  });
}

/** Highest absolute value in each of `count` stretches, relative to the loudest. */
function peaksOf(sound, count) {
  const peaks = Array.from({ length: count }, (_, i) =>
    largest(sound.subarray(Math.floor(i * sound.length / count), Math.floor((i + 1) * sound.length / count))));
  return peaks.map((p) => p / (largest(peaks) || 1));
}

/** Silence the steps that do not stay, with short fades against clicks. */
function muted(sound, rate, step, stays) {
  let gain = 0;
  const rise = 1 / (FADE * rate);
  return sound.map((x, i) => {
    const goal = stays[Math.min(stays.length - 1, Math.floor(i / rate / step))] ? 1 : 0;
    gain += clamp(goal - gain, -rise, rise);
    return x * gain;
  });
}

/** Plays one sound at a time; the audio context is made at the first press of a button, as browsers demand. */
class Player {
  constructor(onmove) {
    this.onmove = onmove;
    this.from = 0;
  }
  /** Play a stretch; `back`, if given, is where the sound stands afterwards. */
  start(samples, rate, from, until, back) {
    this.stop();
    this.context ??= new AudioContext();
    this.context.resume();
    const buffer = this.context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    Object.assign(this, { source, from, until, back, began: this.context.currentTime });
    source.start(0, from, Math.max(0.02, until - from));
    source.onended = () => this.source === source && this.stop(true);
    document.dispatchEvent(new CustomEvent("sier-explorer-plays", { detail: this }));
    this.follow(0);
  }
  get position() {
    return this.source ? Math.min(this.until, this.from + this.context.currentTime - this.began) : this.from;
  }
  follow(last) {
    if (!this.source) return;
    const now = performance.now(), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const due = !still || now - last > 500; // reduced motion: the cursor steps, it does not glide
    if (due) this.onmove(this.position, true);
    requestAnimationFrame(() => this.follow(due ? now : last));
  }
  stop(ended = false) {
    if (!this.source) return;
    this.from = this.back ?? (ended ? this.until : this.position);
    const { source } = this;
    this.source = null;
    source.stop();
    this.onmove(this.from, false);
  }
}

// ------------------------------------------------------------------------------------------------ one side: a panel

function legend(kind, low, middle, high) {
  const text = (words) => h("span", {}, words);
  return h("div", { class: `legend ${kind}`, "aria-hidden": "true" },
    text(low), h("i"), text(middle), h("i"), text(high));
}

/** The class scores beside both teachers' opinions. */
function scoreTable(sample, target, teachers) {
  const columns = [["Model", sample.scores], ["Speech teacher", teachers.speech], ["Image teacher", teachers.image]];
  const known = columns.filter(([, values]) => values), tag = (text) => h("em", {}, text);
  const heading = (name) => h("th", { scope: "col" }, name,
    ...(teachers.winner && name.toLowerCase().startsWith(teachers.winner) ? [" ", tag("gave the label")] : []));
  const cell = (v) => h("td", {}, h("i", { style: `--part:${100 * clamp(v, 0, 1)}%` }), v.toFixed(2));
  const row = (name, k) => h("tr", { class: name === target ? "target" : "" },
    h("th", { scope: "row" }, name, ...(name === predictedOf(sample) ? [" ", tag("predicted")] : []),
      ...(name === sample.label ? [" ", tag("true label")] : [])), ...known.map(([, values]) => cell(values[k])));
  return h("table", {}, h("caption", {}, known.length > 1 ? "Scores, and what the teachers said" : "Scores"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Class"), ...known.map(([name]) => heading(name)))),
    h("tbody", {}, ...sample.classes.map(row)));
}

/** What each modality brings to the score, and the interaction between them. */
function shareTable({ speech, image, interaction, base, value }, target) {
  const rows = [["Speech", speech], ["Photograph", image], ["Interaction", interaction ?? 0]];
  const scale = largest([speech, image, interaction ?? 0]) || 1;
  const share = Math.round(100 * Math.abs(speech) / (Math.abs(speech) + Math.abs(image) || 1));
  const bar = (v) => h("i", { class: v < 0 ? "against" : "for", style: `width:${50 * Math.abs(v) / scale}%` });
  const row = ([name, v]) => h("tr", {},
    h("th", { scope: "row" }, name), h("td", { class: "bar" }, bar(v)), h("td", {}, signed(v)));
  const ends = `${base.toFixed(3)} without any input, ${value.toFixed(3)} with both`, gap = value - base - speech - image;
  const adds = Math.abs(gap) <= ROUNDING * Math.max(1, scale); // not so by the method that the paper's authors published
  return [h("table", {}, h("caption", {}, `What “${target}” is made of`), h("tbody", {}, ...rows.map(row))),
    h("p", { class: "note" }, adds
      ? `${ends}. Speech carries ${share} % of the effect, the photograph ${100 - share} %. `
        + "The interaction is inside both, half each."
      : `${ends}: these parts miss the score by ${signed(gap)}.`)];
}

class Panel {
  constructor(signal) {
    this.player = new Player((at, playing) => this.moved(at, playing));
    const other = ({ detail }) => detail !== this.player && this.player.stop();
    document.addEventListener("sier-explorer-plays", other, { signal });
    signal.addEventListener("abort", () => { this.player.stop(); this.player.context?.close(); });
    this.build();
  }

  build() {
    const part = (name, tag, attributes = {}, ...children) => (this[name] = h(tag, attributes, ...children));
    const canvas = (name, [width, height]) => part(name, "canvas", { width, height, role: "img" });
    part("problem", "p", { class: "problem", role: "alert", hidden: true });
    part("title", "p", { class: "title" });
    part("sentence", "div", { class: "sentence", role: "group", "aria-label": "Sentence" });
    part("posted", "p", { class: "note posted" });
    part("hint", "p", { class: "note hint" });
    roving(this.sentence);
    part("img", "img", { onerror: () => this.fail("its photograph cannot be decoded") });
    const photo = h("figure", { class: "photo" },
      h("div", { class: "stack" }, this.img, canvas("imageMap", [CANVAS, CANVAS])),
      part("imageLegend", "div"), part("imageNote", "figcaption", { class: "note" }));
    const stack = h("div", { class: "stack", onclick: (e) => this.seek(e) },
      canvas("melMap", MEL), canvas("wave", WAVE),
      part("span", "i", { class: "span", hidden: true }), part("cursor", "i", { class: "cursor" }));
    const slide = () => this.jump(Number(this.position.value));
    const transport = h("div", { class: "transport" },
      part("button", "button", { type: "button", class: "play", onclick: () => this.toggle() }, "Play"),
      h("label", { class: "seek" }, h("span", { class: "hidden" }, "Position in the sound"),
        part("position", "input", { type: "range", min: 0, step: 0.05, value: 0, oninput: slide })),
      part("clock", "span", { class: "clock" }));
    const sound = h("figure", { class: "sound" }, stack,
      part("axis", "div", { class: "axis", "aria-hidden": "true" }), transport,
      part("soundLegend", "div"), part("soundNote", "figcaption", { class: "note" }));
    part("scores", "div", { class: "scores" });
    part("shares", "div", { class: "shares" });
    this.body = h("div", { class: "body" }, this.sentence, this.hint, this.posted, photo, sound, this.scores, this.shares);
    this.node = h("section", { class: "panel" }, this.title, this.problem, this.body);
  }

  /** Show an error for this sample only; the other side and the controls live on. */
  fail(message) {
    this.player.stop();
    this.loaded = null;
    this.title.textContent = "";
    const named = message.includes("“") ? "" : `Sample “${this.id ?? "?"}” cannot be shown: `;
    this.problem.textContent = named + message;
    this.problem.hidden = false;
    this.body.hidden = true;
  }

  update(view, scales) {
    this.id = view.sample.id;
    whenChanged(this, "loaded", view.sample, () => this.load(view.sample));
    this.problem.hidden = true;
    this.body.hidden = false;
    this.view = view;
    drawImageMap(this.imageMap, view, scales.image);
    drawMel(this.melMap, view, this.mel, scales.speech);
    drawWave(this.wave, view, this.peaks);
    this.shadeWords();
    this.describe(scales);
    const hearing = JSON.stringify([view.keep, staying(view.matter, view.keep)]);
    whenChanged(this, "heard", hearing, () => this.playing && this.play(this.player.position));
    whenChanged(this, "tabled", `${view.method}/${view.target}`, () => this.writeNumbers());
  }

  load(sample) {
    this.player.stop();
    this.player.from = 0;
    this.heard = this.tabled = this.pointed = null;
    this.mel = melCanvas(sample.mel);
    this.sound = soundOf(sample.audio);
    this.peaks = peaksOf(this.sound, 210);
    this.img.alt = sample.image.alt || `Photograph of sample ${sample.id}`;
    this.img.src = sample.image.src;
    this.position.max = sample.duration;
    this.words = sample.words.map((word) => h("button", { type: "button", tabindex: -1,
      onclick: () => this.speak(word), onfocus: () => this.point(word), onblur: () => this.point(),
      onmouseenter: () => this.point(word), onmouseleave: () => this.point() }, word.text));
    this.words[0]?.setAttribute("tabindex", 0);
    this.sentence.replaceChildren(...this.words.flatMap((b) => [b, " "]));
    if (!this.words.length) this.sentence.append("(no words)");
    const same = sentenceOf(sample) === sample.text;
    this.posted.textContent = sample.text && !same ? `As posted: ${sample.text}` : "";
    const seconds = Array.from({ length: Math.floor(sample.duration) + 1 }, (_, s) => s);
    const tick = (s) => h("span", { style: `left:${100 * s / sample.duration}%` }, `${s} s`);
    this.axis.replaceChildren(...seconds.map(tick));
    this.moved(0, false);
  }

  shadeWords() {
    const { words, sample, step, matter, keep } = this.view, scale = largest(words) || 1;
    const covered = wordValues(matter.map(Number), step, sample.words);
    this.words.forEach((button, i) => {
      const { start, end } = sample.words[i], counts = covered[i] * step >= (end - start) / 2;
      button.className = words[i] < 0 ? "against" : "for";
      button.classList.toggle("matters", counts);
      button.classList.toggle("silenced", !staying([counts], keep)[0]);
      button.style.setProperty("--share", (Math.abs(words[i]) / scale).toFixed(3));
      button.title = `${signed(words[i])}, ${start.toFixed(1)} to ${end.toFixed(1)} s`;
    });
    this.point(this.pointed);
  }

  /** Put the maps into words: titles, captions, and the labels that screen readers speak. */
  describe(scales) {
    const { sample, target, method, image, imageMatter, step, level, columns, keep } = this.view;
    const right = rightOf(sample), says = { right: "✓ right", wrong: "✗ wrong" }[right] ?? "";
    this.node.setAttribute("aria-label", `Sample ${sample.id}, ${target}, ${method}`);
    this.title.replaceChildren(h("b", {}, `Sample ${sample.id}`),
      h("em", { class: right }, says), h("span", {}, `why ${target}, by ${method}`));
    const best = argmax(image.values), row = Math.floor(best / image.cols) + 1, column = best % image.cols + 1;
    const fate = { all: "the others are hatched", keep: "the others are black", remove: "these are black" }[keep];
    this.imageNote.textContent = `Level ${level}: ${count(imageMatter)} of ${imageMatter.length} regions matter; `
      + `${fate}. Strongest: row ${row}, column ${column} of ${image.rows} × ${image.cols}, `
      + `${signed(image.values[best])}.`;
    this.imageMap.setAttribute("aria-label", `Map over the photograph. ${this.imageNote.textContent}`);
    const top = argmax(this.view.spoken), when = (top * step).toFixed(1), heard = this.audible();
    const steps = `${columns.length} steps of ${step.toFixed(step < 1 ? 2 : 1)} s`;
    this.soundNote.textContent = `Log-mel (0 to 8 kHz) above, waveform below; ${steps}. `
      + `Strongest: at ${when} s, ${signed(columns[top])}. White strip: what matters.`;
    this.melMap.setAttribute("aria-label", `Log-mel spectrogram with its map. ${steps}; strongest at ${when} seconds.`);
    this.wave.setAttribute("aria-label", "Waveform, blue least and yellow most important; "
      + `${heard.toFixed(1)} of ${sample.duration.toFixed(1)} seconds audible.`);
    this.wave.dataset.audible = heard.toFixed(2);
    this.label = { all: "Play", keep: "Play what matters", remove: "Play the rest" }[keep];
    this.moved(this.player.position, Boolean(this.player.source));
    whenChanged(this, "legends", `${scales.image}/${scales.speech}`, () => this.writeLegends(scales));
  }

  writeLegends(scales) {
    const text = (x) => (x < 0.0005 ? x.toExponential(0) : x.toFixed(3));
    const diverging = (x) => legend("diverging", `against −${text(x)}`, "0", `for +${text(x)}`);
    this.imageLegend.replaceChildren(diverging(scales.image));
    this.soundLegend.replaceChildren(diverging(scales.speech), legend("wave", "least", "waveform", "most"));
  }

  writeNumbers() {
    const { sample, one, target } = this.view, { teachers: t = {} } = sample;
    this.scores.replaceChildren(scoreTable(sample, target, t ?? {}));
    this.shares.replaceChildren(...shareTable(one, target));
  }

  // -- sound

  audible() {
    const { matter, keep, step, sample } = this.view;
    return sum(staying(matter, keep).map((s, i) => (s ? clamp(sample.duration - i * step, 0, step) : 0)));
  }
  /** Whether the whole plays, not a single word. */
  get playing() { return Boolean(this.player.source) && this.player.back === undefined; }
  play(from) {
    const { sample, step, matter, keep } = this.view, { rate } = sample.audio;
    const samples = keep === "all" ? this.sound : muted(this.sound, rate, step, staying(matter, keep));
    this.player.start(samples, rate, from, sample.duration);
  }
  toggle() {
    if (this.player.source) this.player.stop();
    else this.play(this.player.from > this.view.sample.duration - 0.05 ? 0 : this.player.from);
  }
  speak(word) {
    const { sample } = this.view;
    this.point(word);
    this.player.stop();
    this.player.start(this.sound, sample.audio.rate, word.start, Math.min(word.end, sample.duration), this.player.from);
  }
  /** Go there; what plays goes on from there, unless it is a single word. */
  jump(to) {
    if (this.playing) return this.play(to);
    this.player.stop();
    this.player.from = to;
    this.moved(to, false);
  }
  seek(event) {
    const box = event.currentTarget.getBoundingClientRect();
    this.jump(clamp((event.clientX - box.left) / box.width, 0, 0.99) * this.view.sample.duration);
  }
  moved(at, playing) {
    const whole = Number(this.position.max);
    this.cursor.style.left = `${100 * at / whole}%`;
    if (Math.abs(this.position.value - at) > 0.02) this.position.value = at;
    this.position.setAttribute("aria-valuetext", `${at.toFixed(1)} of ${whole.toFixed(1)} seconds`);
    this.clock.textContent = `${at.toFixed(1)} / ${whole.toFixed(1)} s`;
    this.button.textContent = playing ? "Pause" : this.label ?? "Play";
    this.button.dataset.playing = playing;
  }
  /** Mark a word's place in the sound, and tell its value; without a word, tell how to read the sentence. */
  point(word) {
    const at = this.view?.sample.words.indexOf(word) ?? -1;
    this.pointed = word;
    this.span.hidden = !word;
    this.hint.textContent = at < 0 ? HINT : `“${word.text}”: ${this.words[at].title}. Press it to hear it.`;
    if (!word) return;
    const whole = Number(this.position.max);
    this.span.style.left = `${100 * word.start / whole}%`;
    this.span.style.width = `${100 * (Math.min(word.end, whole) - word.start) / whole}%`;
  }
}

// ------------------------------------------------------------------------------------------------ controls

/** Set a trait and tell the kernel, if there is one. */
function put(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

function slider(model, name, label, min, max, unit) {
  const input = h("input", { type: "range", min, max, step: 1, oninput: () => put(model, name, Number(input.value)) });
  const output = h("b"); // no <output>: the label would name that instead of the slider
  const update = (value = model.get(name), top = max, text = `${value}${unit}`) => {
    input.max = top;
    input.value = value;
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  return { node: h("label", { class: "field" }, h("span", {}, label, output), input), update };
}

/** A drop-down; `options` is an object from value to text and is only rebuilt when it changes. */
function choice(model, name, label) {
  const select = h("select", { onchange: () => put(model, name, select.value) });
  const node = h("label", { class: "field" }, h("span", {}, label), select);
  const update = (options, shown = true) => {
    whenChanged(select, "known", JSON.stringify(options), () =>
      select.replaceChildren(...Object.entries(options).map(([value, text]) => h("option", { value }, text))));
    select.value = model.get(name);
    node.hidden = !shown;
  };
  return { node, update };
}

function radios(model, name, label, options) {
  const input = (value) => h("input", { type: "radio", name, value, onchange: () => put(model, name, value) });
  const inputs = Object.keys(options).map(input);
  const node = h("fieldset", { class: "radios" }, h("legend", {}, label),
    ...Object.values(options).map((text, i) => h("label", {}, inputs[i], h("span", {}, text))));
  return { node, update: () => inputs.forEach((input) => (input.checked = input.value === model.get(name))) };
}

function check(model, name, label) {
  const input = h("input", { type: "checkbox", onchange: () => put(model, name, input.checked) });
  return { node: h("label", { class: "check" }, input, label), update: () => (input.checked = model.get(name)) };
}

/** A sample in the gallery: its picture, and whether the prediction is right. */
function card(model, sample) {
  const bad = problemOf(sample, "?"), id = String(sample?.id ?? "?"), right = bad ? "" : rightOf(sample);
  const says = bad ? "unreadable" : `${predictedOf(sample)} ${{ right: "✓", wrong: "✗" }[right] ?? ""}`;
  const name = bad || `Sample ${id}: ${predictedOf(sample)}, ${right || "no label"}. ${sentenceOf(sample)}`;
  const picture = bad ? h("b", { "aria-hidden": "true" }, "!") : h("img", { src: sample.image.src, alt: "" });
  return h("button", { type: "button", tabindex: -1, "data-id": id, "aria-label": name, title: name,
    class: bad ? "bad" : right, onclick: () => put(model, "sample", id) }, picture, h("span", {}, says));
}

/** The samples as a strip of pictures, with filters. A sample that cannot be read keeps its place and says so. */
function gallery(model) {
  const filters = {
    only_class: choice(model, "only_class", "Class"),
    only_right: choice(model, "only_right", "Prediction"),
    only_teachers: choice(model, "only_teachers", "Teachers"),
    only_modality: choice(model, "only_modality", "Decided by"),
  };
  const strip = h("div", { class: "strip", role: "group", "aria-label": "Samples" });
  const total = h("span", { class: "note", role: "status" });
  const row = h("div", { class: "filters" }, ...Object.values(filters).map((f) => f.node), total);
  const node = h("div", { class: "gallery" }, row, strip);
  roving(strip);
  const traits = (sample) => ({
    only_class: sample.label ?? predictedOf(sample), only_right: rightOf(sample),
    only_teachers: teachersOf(sample), only_modality: modalityOf(sample, model.get("method")),
  });
  const passes = (sample) => problemOf(sample)
    || Object.entries(traits(sample)).every(([name, is]) => !model.get(name) || model.get(name) === is);
  const mark = () => {
    const buttons = [...strip.querySelectorAll("button")];
    const here = buttons.find((b) => b.dataset.id === model.get("sample"));
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button === here);
      button.tabIndex = -1;
    }
    (here ?? buttons[0])?.setAttribute("tabindex", 0);
  };
  const update = (samples, classes) => {
    const any = (text, ...values) => ({ "": text, ...Object.fromEntries(values.map((v) => [v, v])) });
    filters.only_class.update(any("any class", ...classes));
    filters.only_right.update(any("right or wrong", "right", "wrong"));
    filters.only_teachers.update(any("agree or conflict", "agree", "conflict"));
    filters.only_modality.update({ "": "either modality", speech: "speech", image: "photograph" });
    const key = [...Object.keys(filters), "method"].map((name) => model.get(name)).join("|");
    if (strip.samples !== samples) strip.key = null;
    strip.samples = samples;
    whenChanged(strip, "key", key, () => {
      const found = samples.filter(passes);
      strip.replaceChildren(...found.map((sample) => card(model, sample)));
      if (!found.length) strip.append(h("p", { class: "note" }, "No sample is like that."));
      total.textContent = `${found.length} of ${samples.length} samples`;
      strip.marked = null;
    });
    whenChanged(strip, "marked", model.get("sample"), mark);
    node.hidden = samples.length < 2;
  };
  return { node, update };
}

function controls(model) {
  const all = {
    target: choice(model, "target", "Class to explain"), method: choice(model, "method", "Method"),
    compare: choice(model, "compare", "Side by side with"), sample2: choice(model, "sample2", "Second sample"),
    method2: choice(model, "method2", "Second method"), level: slider(model, "level", "Level", 0, 6, ""),
    threshold: slider(model, "threshold", "Threshold", 0, 100, ""),
    opacity: slider(model, "opacity", "Map opacity", 0, 100, " %"),
    smooth: check(model, "smooth", "Smooth maps"), keep: radios(model, "keep", "Photograph and sound", KEEP),
  };
  const group = (name, ...names) => h("div", { class: name }, ...names.map((n) => all[n].node));
  const node = [group("what", "target", "method", "compare", "sample2", "method2", "opacity", "smooth"),
    group("look", "level", "threshold", "keep")];
  const update = (samples, classes, methods, view) => {
    const same = (values) => Object.fromEntries(values.map((v) => [v, v]));
    const depth = view?.depth ?? 0, level = view?.level ?? 0;
    all.target.update({ predicted: "the predicted one", ...same(classes) });
    all.method.update(same(methods));
    all.compare.update(COMPARE);
    const titles = samples.map((s) => [s?.id, `${s?.id}: ${sentenceOf(s)}`.slice(0, 60)]);
    all.sample2.update({ "": "the next one", ...Object.fromEntries(titles) }, model.get("compare") === "sample");
    all.method2.update({ "": "the next one", ...same(methods) }, model.get("compare") === "method");
    all.level.update(level, depth, `${level} of ${depth}: ${2 ** level} ${level ? "regions" : "region"}`);
    all.threshold.update(model.get("threshold"), 100, `percentile ${model.get("threshold")}`);
    for (const name of ["opacity", "smooth", "keep"]) all[name].update();
  };
  return { node, update };
}

// ------------------------------------------------------------------------------------------------ the whole

/** Dark as the book's theme, JupyterLab or VS Code says; else as the system prefers. */
function isDark() {
  const { dataset: page } = document.documentElement, { dataset: body } = document.body;
  if (body.jpThemeLight) return body.jpThemeLight === "false";
  if (body.vscodeThemeKind) return body.vscodeThemeKind.includes("dark");
  const named = [page.theme, page.mode].find((t) => t === "dark" || t === "light");
  return named ? named === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function watchTheme(root, signal) {
  const apply = () => root.classList.toggle("dark", isDark());
  const observer = new MutationObserver(apply);
  for (const node of [document.documentElement, document.body]) observer.observe(node, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  apply();
}

/** Names found in any sample; the first samples decide the order. */
function namesIn(samples, read) {
  return [...new Set(samples.filter((s) => !problemOf(s)).flatMap(read))];
}

/** Draw the explorer into `el` and keep it in step with `model`; returns the function that takes it down. */
function render({ model, el }) {
  const undo = new AbortController(), { signal } = undo;
  const shadow = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const strip = gallery(model), bar = controls(model), panels = [new Panel(signal), new Panel(signal)];
  const message = h("p", { class: "message", role: "status" });
  const progress = h("progress", { max: 1, "aria-label": "Progress", hidden: true });
  const spoken = h("p", { class: "hidden", role: "status" });
  const root = h("div", { class: "explorer", role: "region", "aria-label": "Explorer of explained predictions" },
    strip.node, ...bar.node, message, progress, h("div", { class: "panels" }, ...panels.map((p) => p.node)), spoken);
  shadow.replaceChildren(h("style", {}, model.get("css") ?? ""), root);
  watchTheme(root, signal);
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab's shortcuts, and Sphinx's arrow keys, leave our keys alone
  root.addEventListener("keydown", (event) => event.stopPropagation());

  let samples, classes, methods, waiting = 0, speaking = 0;
  const read = () => {
    samples = model.get("samples") ?? [];
    classes = namesIn(samples, (s) => s.classes);
    methods = namesIn(samples, (s) => Object.keys(s.explanations));
    const known = { sample: samples.map((s) => s?.id), method: methods };
    for (const [name, values] of Object.entries(known)) {
      if (values.length && !values.includes(model.get(name))) model.set(name, values[0]);
    }
    model.save_changes();
    draw();
  };
  const viewFor = (second) => {
    try { return viewOf(model, samples, second); } catch (error) { return error; }
  };
  const draw = () => {
    waiting = 0;
    const began = performance.now(), both = model.get("compare") !== "none";
    const views = both ? [viewFor(false), viewFor(true)] : [viewFor(false)];
    const good = views.filter((view) => !(view instanceof Error));
    const scales = { image: largest(good.map((v) => v.imageScale)), speech: largest(good.map((v) => v.speechScale)) };
    strip.update(samples, classes);
    bar.update(samples, classes, methods, good[0]);
    message.textContent = model.get("message") || (samples.length ? "" : "There is no sample to show yet.");
    progress.hidden = !(model.get("progress") > 0 && model.get("progress") < 1);
    progress.value = clamp(model.get("progress") ?? 0, 0, 1);
    root.classList.toggle("two", both);
    panels.forEach((panel, i) => {
      panel.node.hidden = !samples.length || i >= views.length;
      if (panel.node.hidden) return panel.player.stop();
      try {
        if (views[i] instanceof Error) throw views[i];
        panel.id = views[i].sample.id;
        panel.update(views[i], scales);
      } catch (error) { panel.fail(error.message); }
    });
    announce(good);
    el.dispatchEvent(new CustomEvent("sier-explorer-drawn", { detail: { milliseconds: performance.now() - began } }));
  };
  /** Tell readers who do not see the maps what changed, once the slider rests. */
  const announce = (views) => {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      spoken.textContent = views.map(({ sample, target, level, imageMatter, keep }, i) =>
        `Sample ${sample.id}, ${target}, level ${level}: ${count(imageMatter)} of ${imageMatter.length} regions of the `
        + `photograph matter, ${panels[i].wave.dataset.audible} seconds of sound stay. ${KEEP[keep]}.`).join(" ");
    }, 500);
  };
  const later = () => (waiting ||= requestAnimationFrame(draw));
  const watched = [...Object.keys(STATE), "message", "progress"].map((name) => [`change:${name}`, later]);
  for (const [name, handler] of [...watched, ["change:samples", read]]) {
    model.on(name, handler);
    signal.addEventListener("abort", () => model.off(name, handler));
  }
  signal.addEventListener("abort", () => { cancelAnimationFrame(waiting); clearTimeout(speaking); });
  read();
  return () => undo.abort();
}

// ------------------------------------------------------------------------------------------------ without a kernel

/** What anywidget gives `render`, over plain values. */
class PageModel {
  constructor(values) {
    this.values = { ...values };
    this.handlers = {};
  }
  get(name) { return this.values[name]; }
  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    for (const handler of this.handlers[`change:${name}`] ?? []) handler();
  }
  on(name, handler) { (this.handlers[name] ??= new Set()).add(handler); }
  off(name, handler) { this.handlers[name]?.delete(handler); }
  save_changes() {}
}

/** The state that an address carries, checked name by name; null when the address is about something else. */
function stateFrom(hash, defaults) {
  if (!hash.startsWith(HASH)) return null;
  const state = { ...defaults };
  for (const [name, text] of new URLSearchParams(hash.slice(HASH.length))) {
    if (!(name in STATE) || (ALLOWED[name] && !ALLOWED[name].includes(text))) continue;
    const number = text.trim() ? Math.round(Number(text)) : NaN;
    if (typeof STATE[name] === "boolean") state[name] = text === "true";
    else if (typeof STATE[name] === "string") state[name] = text;
    else if (Number.isFinite(number)) state[name] = clamp(number, ...RANGES[name]);
  }
  return state;
}

/** Keep the state in the address, so that a view can be sent to somebody. The first explorer of a page owns it. */
function bindAddress(model, el, defaults) {
  if (document.querySelector("[data-owns-address]")) return;
  el.dataset.ownsAddress = "";
  let waiting = 0;
  const write = () => {
    const changed = Object.keys(STATE).filter((name) => model.get(name) !== defaults[name]);
    if (!changed.length && !location.hash.startsWith(HASH)) return;
    const state = new URLSearchParams(changed.map((name) => [name, model.get(name)]));
    history.replaceState(history.state, "", HASH + state);
  };
  const later = () => { // browsers stop pages that write their address at every step of a slider
    clearTimeout(waiting);
    waiting = setTimeout(write, 250);
  };
  const restore = () => {
    for (const [name, value] of Object.entries(stateFrom(location.hash, defaults) ?? {})) model.set(name, value);
  };
  for (const name of Object.keys(STATE)) model.on(`change:${name}`, later);
  addEventListener("hashchange", restore);
  if (location.hash.startsWith(HASH)) el.scrollIntoView();
  restore();
}

/** Show ready-made data: `{samples, css, …any of STATE}`. */
export function mount(el, data) {
  const model = new PageModel({ ...STATE, ...data });
  const stop = render({ model, el });
  bindAddress(model, el, { ...model.values });
  return { model, stop };
}

/** What a block holds, or what keeps it from being read. */
function valueOf(block) {
  if (!block) return { error: "its data are missing from this page." };
  try {
    const value = JSON.parse(block.textContent);
    if (value && typeof value === "object") return value;
    throw new Error("no object");
  } catch (error) {
    return { error: `its data cannot be read (${error.message}).` };
  }
}

/** Read a block of settings, `{ids, state}`, and one per sample, so that a broken or absent one costs only itself. */
export function mountBlocks(el, css) {
  const blocks = [...document.querySelectorAll(`script[type="application/json"][data-explorer="${el.id}"]`)];
  const found = new Map(blocks.filter((b) => b.dataset.sample).map((b) => [b.dataset.sample, b]));
  const { ids, state, error } = valueOf(blocks.find((b) => !b.dataset.sample));
  const samples = [...new Set([...(ids ?? []), ...found.keys()])].map((id) => {
    const value = valueOf(found.get(id));
    return value.error ? { id, error: value.error } : value;
  });
  const message = error ? "This page's settings of the explorer are missing or broken; it starts with its own." : "";
  return mount(el, { ...state, samples, css, message });
}

export default { render };
