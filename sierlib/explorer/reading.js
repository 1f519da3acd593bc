/* From a payload, described at the top of payload.py, and the state to what is shown. */

/** What a reader can change, with its defaults; the names are those of the traits in widget.py. */
const STATE = {
  sample: "", target: "predicted", method: "", baseline: "zero", level: -1, threshold: 30, keep: "all", planted: false,
  stretch: false, opacity: 70, smooth: false, compare: "none", sample2: "", method2: "",
  only_class: "", only_right: "", only_relation: "", only_modality: "",
};
const KEEP = { all: "Everything", keep: "Keep only what matters", remove: "Remove what matters" };
const BASELINES = { zero: "black and silent", blur: "blurred" };
const COMPARE = { none: "Nothing", sample: "Another sample", method: "Another method", baseline: "The other absence" };
const NEEDED = ["words", "image", "mel", "audio", "duration", "window", "classes", "scores", "explanations"];
const ALLOWED = { keep: Object.keys(KEEP), compare: Object.keys(COMPARE), baseline: Object.keys(BASELINES) };
const RANGES = { level: [-1, 99], threshold: [0, 100], opacity: [0, 100] };
const FRAMES = 128, USUAL = 75; // frames of the window; percentile of the samples' peaks that has the full colour

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
const opinionsOf = ({ teachers: t }) => (t?.speech && t?.image ? t : null);

/** Names found in any sample that can be read; the first samples decide the order. */
function namesIn(samples, read) {
  return [...new Set(samples.filter((s) => !problemOf(s)).flatMap(read))];
}

/** Whose emotions agree or conflict: "planted" ones, else the opinions of "teachers", else nobody's. */
function relationKind(samples) {
  const known = samples.filter((s) => !problemOf(s));
  if (known.some((s) => s.planted)) return "planted";
  return known.some(opinionsOf) ? "teachers" : "";
}

function relationOf(sample, kind) {
  if (kind === "planted") return sample.planted?.relation ?? "";
  const t = opinionsOf(sample);
  if (!t || !kind) return "";
  return argmax(t.speech) === argmax(t.image) ? "agree" : "conflict";
}

function checkGrid(grid) {
  if (grid.values.length !== grid.rows * grid.cols) throw new Error("a map has the wrong number of values");
  return grid;
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

/**
 * Which frames of the sound, and which words, matter; the same rules as deletion.py's.
 * A word is heard or silenced as a whole, and the sound between words goes with the nearest one; without words the
 * finest steps of time are the parts. What lies behind the sound counts as mattering.
 */
function soundParts(columns, { words, window, duration }, percent) {
  const heard = words.filter(({ start }) => start < duration), frame = window / FRAMES;
  const frames = Array.from({ length: FRAMES }, (_, i) => i), sounding = (i) => i * frame < duration;
  let values, part;
  if (heard.length) {
    values = wordValues(columns, window / columns.length, heard);
    const gaps = (t) => heard.map(({ start, end }) => -Math.max(start - t, t - end, 0));
    part = frames.map((i) => argmax(gaps((i + 0.5) * frame)));
  } else {
    part = frames.map((i) => Math.floor(i * columns.length / FRAMES));
    values = columns.slice(0, Math.max(0, ...part.filter((_, i) => sounding(i))) + 1);
  }
  const least = percentile(values, percent), matters = values.map((v) => v >= least);
  return {
    frame,
    matter: frames.map((i) => !sounding(i) || matters[Math.min(part[i], values.length - 1)]),
    words: words.map((word) => (word.start < duration ? matters[heard.indexOf(word)] : false)),
  };
}

/** Scores of what is left, computed ahead in equal steps of the threshold; null where they do not apply. */
function leftOf(one, keep, percent, finest) {
  const rows = one.left?.[keep];
  if (!rows || !finest) return null;
  const at = Math.round(percent / 100 * (rows.length - 1));
  return { scores: rows[at], percent: Math.round(100 * at / (rows.length - 1)) };
}

/** Sample, method and baseline of one side; a second one that was not chosen is the next that differs. */
function chosen(model, samples, second) {
  const id = model.get("sample"), method = model.get("method"), compare = second ? model.get("compare") : "none";
  const at = samples.findIndex((s) => s?.id === id), next = samples[(at + 1) % samples.length]?.id;
  const others = Object.keys(samples[at]?.explanations ?? {}).filter((name) => name !== method);
  const baseline = model.get("baseline"), other = baseline === "zero" ? "blur" : "zero";
  return {
    id: compare === "sample" ? model.get("sample2") || next : id,
    method: compare === "method" ? model.get("method2") || others[0] || method : method,
    baseline: compare === "baseline" ? other : baseline,
  };
}

/** The explanation that was asked for; where it was not computed for that baseline, the one for black and silence. */
function explanationOf(sample, method, target, baseline) {
  const name = target === "predicted" ? predictedOf(sample) : target;
  const blurred = baseline === "blur" && sample.blurred?.[method]?.[name];
  return { name, one: blurred || sample.explanations[method]?.[name], baseline: blurred ? "blur" : "zero" };
}

/** The chosen level of an explanation, and what is taken from its finest one. */
function levelOf(model, sample, one) {
  const depth = one.levels.length - 1, level = model.get("level") < 0 ? depth : Math.min(model.get("level"), depth);
  const finest = columnsOf(checkGrid(one.levels[depth].speech));
  return {
    depth, level, finest, image: checkGrid(one.levels[level].image), speech: checkGrid(one.levels[level].speech),
    words: wordValues(finest, sample.window / finest.length, sample.words),
  };
}

/** Everything that is drawn for one side, worked out from the state. Throws with a message for the reader. */
function viewOf(model, samples, second) {
  const { id, method, baseline: asked } = chosen(model, samples, second);
  const sample = samples.find((s) => s?.id === id);
  const problem = problemOf(sample, id);
  if (problem) throw new Error(problem);
  const { name: target, one, baseline } = explanationOf(sample, method, model.get("target"), asked);
  if (!one?.levels?.length) throw new Error(`Sample “${id}” has no explanation of “${target}” by “${method}”.`);
  const { depth, level, image, speech, finest, words } = levelOf(model, sample, one);
  const columns = columnsOf(speech), step = sample.window / columns.length;
  const keep = model.get("keep"), percent = model.get("threshold");
  const least = percentile(image.values, percent), sound = soundParts(finest, sample, percent);
  return {
    sample, target, method, baseline, asked, one, depth, level, image, speech, columns, step, words, keep, percent,
    spoken: columns.filter((_, i) => i * step < sample.duration), // padding is no speech to rank
    frame: sound.frame, matter: sound.matter, wordMatter: sound.words,
    imageMatter: image.values.map((v) => v >= least),
    left: leftOf(one, keep, percent, level === depth),
    smooth: model.get("smooth"), opacity: model.get("opacity") / 100, planted: model.get("planted"),
  };
}

/** Which parts stay under the chosen way of looking; `matter` tells those at or above the threshold. */
const staying = (matter, keep) => matter.map((m) => keep === "all" || (keep === "keep") === m);

/**
 * The values that have the full colour: stretched, the largest on view; otherwise the usual peak of all samples, so that
 * a colour means the same in each of them.
 */
function scalesOf(model, samples, views) {
  const usual = (values) => (values.length ? percentile(values, USUAL) : 0);
  const asked = ["method", "target", "baseline"].map((name) => model.get(name));
  const all = samples.filter((s) => !problemOf(s)).map((sample) => ({ sample, one: explanationOf(sample, ...asked).one }));
  const peaks = model.get("stretch") ? views.map(peaksOfView)
    : all.filter(({ one }) => one?.levels?.length).map(({ sample, one }) => peaksOfView(levelOf(model, sample, one)));
  const over = model.get("stretch") ? largest : usual;
  return Object.fromEntries(["image", "speech", "words"].map((name) => [name, over(peaks.map((peak) => peak[name]))]));
}

const peaksOfView = ({ image, speech, words }) => ({
  image: largest(image.values), speech: largest(speech.values), words: largest(words) });
