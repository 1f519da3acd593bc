/* One side: a sample, its explanation in pictures, words and numbers, and its sound. */

const HINT = "Orange is for the class, blue against; underlined words matter. Point at a word or region for its value.";
const METHODS = {
  owen: "Owen values: every region is compared with its sibling absent and present, so that the parts add up to the score.",
  published: "Published is the recursion as Section 3.3 words it: each division is scored with everything outside its two "
    + "halves absent. Below the first division its parts need not add up to the score, and can be much too large.",
  sampled: "Sampled values estimate Owen values from random orders of the regions.",
};
const BLUR = "Absent parts are blurred, not black and silent: a value then says what detail brings, not what presence brings. "
  + "The network hears the blurred spectrogram; here those parts of the sound are silent.";
const ROUNDING = 0.002;

function legend(kind, low, middle, high) {
  const text = (words) => h("span", {}, words);
  return h("div", { class: `legend ${kind}`, "aria-hidden": "true" },
    text(low), h("i"), text(middle), h("i"), text(high));
}

/** Who gave the label that the network was to learn. */
function labelSource({ teachers: t }) {
  return t?.winner ? `label, by the ${t.winner} teacher` : "label, from the corpus";
}

/** A number with the key that a book's tables give it: quantity; network; part; reference; run. Of
 *  the explanation of the prediction that all tables show, the part is the sample alone. */
function numberOf(text, value, quantity, ...parts) {
  return numberBy("fused", text, value, quantity, ...parts);
}
function numberBy(network, text, value, quantity, ...parts) {
  const part = parts.filter(Boolean).join(", ");
  return h("data", { value, "data-key": `${quantity}; ${network}; ${part}; score; this run` }, text);
}

/** What a key says of a view beside the sample: nothing where it is what all tables show. */
function shownOf({ sample, target, method, baseline }) {
  const usual = target === predictedOf(sample) && method === "owen" && baseline !== "blur";
  return usual ? "" : `${target}, ${method}${baseline === "blur" ? ", blurred" : ""}`;
}

/** The value of a region or word, with its key. */
function regionValue(view, value, where) {
  return numberOf(signed(value), value, "value", view.sample.id, shownOf(view), where);
}
const cellName = ({ level }, row, column) => `level ${level}, row ${row + 1}, column ${column + 1}`;
const stepName = ({ level, step }, at) => `level ${level}, from ${(at * step).toFixed(1)} s`;

/** A score of what is left, with its key. */
function leftScore({ sample, keep, left, ...view }, name, value) {
  const way = keep === "keep" ? "what matters" : "the rest";
  return numberOf(value.toFixed(2), value, "score", sample.id, name, shownOf({ sample, ...view }), `${way} at ${left.percent}`);
}

/** The class scores, of the whole and of what is left, beside both teachers' opinions. */
function scoreTable(view) {
  const { sample, target, left, keep } = view;
  const { teachers: t } = sample, tag = (text) => h("em", {}, text), known = opinionsOf(sample);
  const whole = (v, name) => numberOf(v.toFixed(2), v, "score", sample.id, name === predicted ? "" : name);
  const by = (network) => (v, name) => numberBy(network, v.toFixed(2), v, "score", sample.id, name);
  const rest = (v, name) => leftScore(view, name, v);
  const columns = [["Whole", sample.scores, whole], [keep === "keep" ? "What matters" : "The rest", left?.scores, rest],
    ["Speech teacher", t?.speech, by("ser teacher")], ["Image teacher", t?.image, by("ier teacher")]].filter(([, values]) => values);
  const predicted = predictedOf(sample), bar = (v) => h("i", { style: `--part:${100 * clamp(v, 0, 1)}%` });
  const tags = (name) => [[predicted, "predicted"], [sample.planted?.emotion, "planted: the true label"],
    [sample.label, labelSource(sample)]].filter(([is]) => is === name).flatMap(([, text]) => [" ", tag(text)]);
  const row = (name, k) => h("tr", { class: name === target ? "target" : "" },
    h("th", { scope: "row" }, name, ...tags(name)),
    ...columns.map(([, values, number]) => h("td", {}, bar(values[k]), number(values[k], name))));
  const missing = sample.label == null ? "Nobody has labelled this sample, so nothing says whether the prediction is right."
    : known ? "" : "No teacher was asked: the label came with the corpus.";
  return [h("table", {}, h("caption", {}, known ? "Scores, and what the teachers said" : "Scores"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Class"), ...columns.map(([name]) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...sample.classes.map(row))), ...(missing ? [h("p", { class: "note" }, missing)] : [])];
}

/** What each modality brings to the score, and the interaction between them. */
function shareTable(view) {
  const { sample, one, target, baseline, method } = view, { speech, image, interaction, base, value } = one;
  const rows = [["Speech", speech], ["Photograph", image], ["Interaction", interaction ?? 0]];
  const scale = largest([speech, image, interaction ?? 0]) || 1;
  const share = Math.round(100 * Math.abs(speech) / (Math.abs(speech) + Math.abs(image) || 1));
  const bar = (v) => h("i", { class: v < 0 ? "against" : "for", style: `width:${50 * Math.abs(v) / scale}%` });
  const of = (text, v, quantity) => numberOf(text, v, quantity, sample.id, shownOf(view));
  const key = { Photograph: "image" };
  const row = ([name, v]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "bar" }, bar(v)),
    h("td", {}, of(signed(v), v, key[name] ?? name.toLowerCase())));
  const without = baseline === "blur" ? "with both blurred" : "with silence and black";
  const ends = [of(base.toFixed(3), base, "base value"), ` ${without}, `, of(value.toFixed(3), value, "score"), " with both"];
  const gap = value - base - speech - image;
  const adds = Math.abs(gap) <= ROUNDING * Math.max(1, scale); // not so by the method that the paper's authors published
  return [h("table", {}, h("caption", {}, `What “${target}” is made of`), h("tbody", {}, ...rows.map(row))),
    h("p", { class: "note" }, ...ends, ...(adds
      ? [". Speech carries ", of(share, share / 100, "speech’s share"), " % of the effect, the photograph ",
        of(100 - share, 1 - share / 100, "image’s share"), " %. The interaction is inside both, half each."]
      : [": these parts miss the score by ", of(signed(gap), gap, "gap"), "."])),
    ...(method === "owen" ? [h("p", { class: "note" }, METHODS.owen)] : [])];
}

/** How many regions of the photograph matter, and what became of the others. */
function describeRegions({ imageMatter, keep }) {
  const all = imageMatter.length, n = count(imageMatter), others = all - n;
  if (all === 1) return `the photograph is a single region, which ${keep === "remove" ? "is removed" : "stays"}.`;
  if (keep === "remove") return `${n} of ${all} regions matter, and ${n === 1 ? "is" : "are"} removed.`;
  if (!others) return `all ${all} regions matter.`;
  const fate = { all: "hatched", keep: "removed" }[keep];
  return `${n} of ${all} regions matter; ${others === 1 ? "the other one is" : "the others are"} ${fate}.`;
}

/** What was planted, in words. */
function describePlanted({ planted, words }) {
  if (!planted) return "Nothing was planted in this sample, or nobody knows what.";
  const { speech, image } = planted, n = image.boxes.length;
  const spoken = speech.words.map((i) => words[i]?.text.replace(/[.,!?;:]+$/, "")).filter(Boolean);
  const said = spoken.length ? `“${speech.emotion}” in the speech (${list(spoken)})` : "nothing in the speech";
  const drawn = n ? `“${image.emotion}” in the picture (${n} ${n === 1 ? "object" : "objects"})` : "nothing in the picture";
  return `Planted, in dashed green: ${said}, ${drawn}.`;
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
    const map = (name, kind, ...children) => part(name, "div", { class: "stack", tabindex: 0, role: "application",
      onpointermove: (e) => this.pointAt(kind, e), onpointerdown: (e) => this.pointAt(kind, e),
      onpointerleave: () => this.choose(null), onfocus: () => this.focusMap(kind), onblur: () => this.choose(null),
      onkeydown: (e) => this.step(kind, e) }, ...children);
    part("problem", "p", { class: "problem", role: "alert", hidden: true });
    part("title", "p", { class: "title" });
    part("follow", "div", { class: "follow" });
    part("sentence", "div", { class: "sentence", role: "group", "aria-label": "Sentence" });
    roving(this.sentence);
    part("posted", "p", { class: "note posted" });
    part("hint", "p", { class: "note hint", role: "status" });
    part("about", "p", { class: "note about" });
    part("img", "img", { onerror: () => this.fail("its photograph cannot be decoded"), onload: () => this.redraw?.() });
    const photo = h("figure", { class: "photo" },
      map("photoMap", "image", this.img, canvas("imageMap", [CANVAS, CANVAS]), part("boxes", "div", { "aria-hidden": "true" }),
        part("cell", "i", { class: "cell", hidden: true })),
      part("imageLegend", "div"), part("imageNote", "figcaption", { class: "note" }));
    map("soundMap", "speech", canvas("melMap", MEL), canvas("wave", WAVE),
      part("span", "i", { class: "span", hidden: true }), part("cursor", "i", { class: "cursor" }));
    this.soundMap.addEventListener("click", (e) => this.seek(e));
    const slide = () => this.jump(Number(this.position.value));
    const transport = h("div", { class: "transport" },
      part("button", "button", { type: "button", class: "play", onclick: () => this.toggle() }, "Play"),
      h("label", { class: "seek" }, h("span", { class: "hidden" }, "Position in the sound"),
        part("position", "input", { type: "range", min: 0, step: 0.05, value: 0, oninput: slide })),
      part("clock", "span", { class: "clock" }));
    const sound = h("figure", { class: "sound" }, this.soundMap,
      part("axis", "div", { class: "axis", "aria-hidden": "true" }), transport,
      part("soundLegend", "div"), part("soundNote", "figcaption", { class: "note" }));
    part("scores", "div", { class: "scores" });
    part("shares", "div", { class: "shares" });
    this.matrix = new Matrix((word, region) => this.showPair(word, region));
    const said = h("div", { class: "said" }, this.sentence, this.posted);
    const head = h("div", { class: "head" }, this.follow, this.hint);
    this.body = h("div", { class: "body" }, head, this.about, photo, said,
      this.matrix.node, sound, this.scores, this.shares);
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
    this.scales = scales;
    this.matrix.update(view);
    this.redraw = () => {
      const ready = view.baseline === "blur" && this.img.complete && this.img.naturalWidth;
      drawImageMap(this.imageMap, view, scales.image, ready ? blurredCanvas(this.img) : null);
      drawMel(this.melMap, view, this.mel, scales.speech, view.baseline === "blur" ? blurredCanvas(this.mel) : null);
    };
    this.redraw();
    drawWave(this.wave, view, this.peaks);
    this.shadeWords(scales.words, view.words);
    this.describe(scales);
    this.writeFollow();
    this.choose(this.at ?? null);
    const hearing = JSON.stringify([view.keep, staying(view.matter, view.keep)]);
    whenChanged(this, "heard", hearing, () => this.playing && this.play(this.player.position));
    const numbers = [view.method, view.target, view.baseline, view.keep, view.left?.percent].join("/");
    whenChanged(this, "tabled", numbers, () => {
      this.scores.replaceChildren(...scoreTable(view));
      this.shares.replaceChildren(...shareTable(view));
    });
  }

  load(sample) {
    this.player.stop();
    this.player.from = 0;
    this.heard = this.tabled = this.pointed = this.at = null;
    this.mel = melCanvas(sample.mel);
    this.sound = soundOf(sample.audio);
    this.peaks = peaksOf(this.sound, 210);
    this.redraw = null;
    this.img.alt = sample.image.alt || `Photograph of sample ${sample.id}`;
    this.img.src = sample.image.src;
    this.position.max = sample.duration;
    this.words = sample.words.map((word) => h("button", { type: "button", tabindex: -1,
      onclick: () => this.speak(word), onfocus: () => this.point(word), onblur: () => this.point(),
      onmouseenter: () => this.point(word), onmouseleave: () => this.point() }, word.text));
    this.words[0]?.setAttribute("tabindex", 0);
    this.sentence.replaceChildren(...this.words.flatMap((b) => [b, " "]));
    if (!this.words.length) this.sentence.append("(no words)");
    const same = sentenceOf(sample) === sample.text, late = sample.words.some((w) => w.start >= sample.duration);
    this.posted.textContent = [sample.text && !same ? `As posted: ${sample.text}` : "",
      late ? `Words in grey were not heard: the network listens to the first ${sample.window.toFixed(1)} s.` : ""]
      .filter(Boolean).join(" ");
    const frame = ([left, top, right, bottom]) => h("i", { class: "planted",
      style: `left:${100 * left}%;top:${100 * top}%;width:${100 * (right - left)}%;height:${100 * (bottom - top)}%` });
    this.boxes.replaceChildren(...(sample.planted?.image.boxes ?? []).map(frame));
    const seconds = Array.from({ length: Math.floor(sample.duration) + 1 }, (_, s) => s);
    const tick = (s) => h("span", { style: `left:${100 * s / sample.duration}%` }, `${s} s`);
    this.axis.replaceChildren(...seconds.map(tick));
    this.moved(0, false);
  }

  /** Shade words by values, underline those that matter, strike out those that are silenced. */
  shadeWords(scale, words) {
    const { sample, wordMatter, keep, planted } = this.view;
    this.words.forEach((button, i) => {
      const { text, start, end } = sample.words[i], heard = start < sample.duration;
      const marked = planted && Boolean(sample.planted?.speech.words.includes(i)), stays = staying([wordMatter[i]], keep)[0];
      button.className = !heard ? "unheard" : words[i] < 0 ? "against" : "for";
      button.classList.toggle("matters", wordMatter[i]);
      button.classList.toggle("silenced", heard && !stays);
      button.classList.toggle("planted", marked);
      button.style.setProperty("--share", scale && heard ? Math.min(1, Math.abs(words[i]) / scale).toFixed(3) : 0);
      button.toggleAttribute("aria-disabled", !heard);
      button.title = (heard ? `${signed(words[i])}, ${start.toFixed(1)} to ${end.toFixed(1)} s`
        : "not heard, said after the window") + (marked ? ", planted" : "");
      button.setAttribute("aria-label", `${text}: ${[button.title, wordMatter[i] && "matters", heard && !stays && "silenced"]
        .filter(Boolean).join(", ")}`);
    });
    this.point(this.pointed);
  }

  /** Put the maps into words: titles, captions, and the labels that screen readers speak. */
  describe(scales) {
    const { view } = this, { sample, target, method, image, step, columns, keep, baseline, asked } = view;
    const right = rightOf(sample), says = { right: "✓ right", wrong: "✗ wrong" }[right] ?? "";
    this.node.setAttribute("aria-label", `Sample ${sample.id}, ${target}, ${method}`);
    this.title.replaceChildren(h("b", {}, `Sample ${sample.id}`), h("span", {}, `predicted ${predictedOf(sample)}`),
      h("em", { class: right }, says), h("span", { class: "why" }, ...(right === "wrong" ? [`labelled ${sample.label}; `] : []),
        `why ${target}, by ${method}`));
    const absent = baseline === "blur" ? BLUR
      : asked === "blur" ? `By ${method}, blurred absence was not computed here: black and silence are shown.` : "";
    this.about.textContent = [view.planted ? describePlanted(sample) : "", method === "owen" ? "" : METHODS[method] ?? "", absent]
      .filter(Boolean).join(" ");
    this.boxes.hidden = !view.planted;
    const best = argmax(image.values), row = Math.floor(best / image.cols) + 1, column = best % image.cols + 1;
    const strongest = image.values.length === 1 ? "Its value is "
      : `Strongest: row ${row}, column ${column} of ${image.rows} × ${image.cols}, `;
    this.imageNote.replaceChildren(`Level ${view.level}: ${describeRegions(view)} ${strongest}`,
      regionValue(view, image.values[best], cellName(view, row - 1, column - 1)), ".");
    this.imageMap.setAttribute("aria-label",
      `Map over the photograph: ${describeRegions(view)} ${strongest}${signed(image.values[best])}.`);
    this.photoMap.setAttribute("aria-label", "Regions of the photograph: arrow keys move, the value is told");
    const top = argmax(view.spoken), when = (top * step).toFixed(1), heard = this.audible();
    const steps = columns.length === 1 ? "the speech is a single region" : `${columns.length} steps of ${step.toFixed(1)} s`;
    const units = sample.words.length ? "words" : "steps";
    this.soundNote.replaceChildren(`Log-mel (0 to 8 kHz) above, waveform below; ${steps}. Strongest: at ${when} s, `,
      regionValue(view, columns[top], stepName(view, top)), `. White strip: the ${units} that matter, with the pauses around them.`);
    this.melMap.setAttribute("aria-label", `Log-mel spectrogram with its map. ${steps}; strongest at ${when} seconds.`);
    this.soundMap.setAttribute("aria-label", "Steps of the speech: arrow keys move, the value is told");
    this.wave.setAttribute("aria-label", "Waveform, blue least and yellow most important; "
      + `${heard.toFixed(1)} of ${sample.duration.toFixed(1)} seconds audible.`);
    this.wave.dataset.audible = heard.toFixed(2);
    this.label = { all: "Play", keep: "Play what matters", remove: "Play the rest" }[keep];
    this.moved(this.player.position, Boolean(this.player.source));
    whenChanged(this, "legends", `${scales.image}/${scales.speech}`, () => this.writeLegends(scales));
  }

  /** The score of the class, whole and of what is left: a bar each, and both numbers. */
  writeFollow() {
    const { sample, target, left, keep, one, level, depth, percent } = this.view, k = sample.classes.indexOf(target);
    const whole = sample.scores[k], bar = (name, v) => h("i", { class: name, style: `--part:${100 * clamp(v, 0, 1)}%` });
    const bars = [bar("whole", whole)], now = left?.scores[k];
    const has = numberOf(whole.toFixed(2), whole, "score", sample.id, target === predictedOf(sample) ? "" : target);
    let text = [`“${target}” has `, has];
    if (left) {
      bars.push(bar("left", now));
      text = [`“${target}”: `, has, " → ", leftScore(this.view, target, now),
        ` ${keep === "keep" ? "with what matters alone" : "without what matters"}`,
        left.percent === percent ? "." : `, at percentile ${left.percent}, the nearest that was computed.`];
    } else if (keep === "all") text.push(one.left ? ": remove what matters." : ".");
    else if (!one.left) text.push(". What is left of this sample was not scored.");
    else text.push(`. Scores follow at the finest level only: set Level to ${depth}, not ${level}.`);
    const told = h("span", { class: "told" }, ...text);
    this.follow.replaceChildren(h("span", { class: "bars", "aria-hidden": "true" }, ...bars), told);
    this.told = told.textContent;
  }

  writeLegends(scales) {
    const text = (x) => (x < 0.0005 ? x.toExponential(0) : x.toFixed(3));
    const diverging = (x) => legend("diverging", `against, −${text(x)} and below`, "0", `for, +${text(x)} and above`);
    this.imageLegend.replaceChildren(diverging(scales.image));
    this.soundLegend.replaceChildren(diverging(scales.speech), legend("wave", "least", "waveform", "most"));
  }

  // -- regions under the pointer, or under the focus

  /** How many regions a map shows: the photograph all, the sound those that are spoken. */
  gridOf(kind) {
    const { image, spoken } = this.view;
    return kind === "image" ? image : { rows: 1, cols: spoken.length, values: spoken };
  }
  pointAt(kind, event) {
    if (!this.view) return;
    const box = event.currentTarget.getBoundingClientRect(), { rows, cols } = this.gridOf(kind);
    const share = kind === "image" ? 1 : this.view.sample.duration / this.view.step / cols; // the last step may be cut
    const col = clamp(Math.floor((event.clientX - box.left) / box.width * cols * share), 0, cols - 1);
    this.choose({ kind, col, row: clamp(Math.floor((event.clientY - box.top) / box.height * rows), 0, rows - 1) });
  }
  focusMap(kind) {
    const { cols, values } = this.gridOf(kind), best = argmax(values);
    this.choose({ kind, row: Math.floor(best / cols), col: best % cols });
  }
  step(kind, event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }, move = moves[event.key];
    if (!move || this.at?.kind !== kind) return;
    event.preventDefault();
    const { rows, cols } = this.gridOf(kind), { row, col } = this.at;
    this.choose({ kind, row: clamp(row + move[0], 0, rows - 1), col: clamp(col + move[1], 0, cols - 1) });
  }
  /** Mark a region, and tell its value. */
  choose(at) {
    const { view } = this, was = this.at;
    this.at = at && at.row < this.gridOf(at.kind).rows && at.col < this.gridOf(at.kind).cols ? at : null;
    this.cell.hidden = this.at?.kind !== "image";
    if (!this.at) {
      if (was) this.point();
      return;
    }
    const { kind, row, col } = this.at, { rows, cols, values } = this.gridOf(kind), value = values[row * cols + col];
    const speaks = Number(signed(value)) === 0 ? "" : value < 0 ? ` against “${view.target}”` : ` for “${view.target}”`;
    if (kind === "image") {
      Object.assign(this.cell.style, { left: `${100 * col / cols}%`, top: `${100 * row / rows}%`,
        width: `${100 / cols}%`, height: `${100 / rows}%` });
      const matters = view.imageMatter[row * cols + col] ? "matters" : "is below the threshold";
      this.hint.replaceChildren(`Row ${row + 1}, column ${col + 1} of ${rows} × ${cols}: `,
        regionValue(view, value, cellName(view, row, col)), `${speaks}; it ${matters}.`);
      return;
    }
    const { step, sample } = view, from = col * step, to = Math.min(sample.duration, from + step);
    const said = sample.words.filter(({ start, end }) => start < to && end > from).map((w) => w.text);
    this.mark(from, to);
    this.hint.replaceChildren(`${from.toFixed(1)} to ${to.toFixed(1)} s${said.length && said.length < 4 ? ` (${list(said)})` : ""}: `,
      regionValue(view, value, stepName(view, col)), `${speaks}.`);
  }

  /** Show what a word and a region add to each other; without them, the values of either again. */
  showPair(word, region) {
    const { view, scales } = this;
    if (!view) return;
    this.cell.hidden = this.span.hidden = true;
    if (word === undefined) {
      this.redraw();
      this.shadeWords(scales.words, view.words);
      return;
    }
    const { image, words, scale } = this.matrix.gains(word, region), { rows, cols, values } = image;
    const row = Math.floor(region / cols), column = region % cols, place = view.sample.pairs.words[word];
    drawImageMap(this.imageMap, { ...view, image, imageMatter: values.map(() => true), keep: "all" }, scale, null);
    this.shadeWords(scale, words);
    this.cell.hidden = false;
    Object.assign(this.cell.style, { left: `${100 * column / cols}%`, top: `${100 * row / rows}%`,
      width: `${100 / cols}%`, height: `${100 / rows}%` });
    const { start, end } = view.sample.words[place];
    this.mark(start, end);
  }

  // -- sound

  audible() {
    const { matter, keep, frame, sample } = this.view;
    return sum(staying(matter, keep).map((s, i) => (s ? clamp(sample.duration - i * frame, 0, frame) : 0)));
  }
  /** Whether the whole plays, not a single word. */
  get playing() { return Boolean(this.player.source) && this.player.back === undefined; }
  play(from) {
    const { sample, frame, matter, keep } = this.view, { rate } = sample.audio;
    const samples = keep === "all" ? this.sound : muted(this.sound, rate, frame, staying(matter, keep));
    this.player.start(samples, rate, from, sample.duration);
  }
  toggle() {
    if (this.player.source) this.player.stop();
    else this.play(this.player.from > this.view.sample.duration - 0.05 ? 0 : this.player.from);
  }
  speak(word) {
    const { sample } = this.view;
    this.point(word);
    if (word.start >= sample.duration) return;
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
  /** Mark a stretch of the sound. */
  mark(from, to) {
    const whole = Number(this.position.max);
    this.span.hidden = from >= whole;
    this.span.style.left = `${100 * from / whole}%`;
    this.span.style.width = `${100 * (Math.min(to, whole) - from) / whole}%`;
  }
  /** Mark a word's place in the sound, and tell its value; without a word, tell how to read the view. */
  point(word) {
    const at = this.view?.sample.words.indexOf(word) ?? -1;
    this.pointed = at < 0 ? null : word;
    this.span.hidden = true;
    this.hint.textContent = HINT;
    if (at < 0) return;
    const heard = word.start < this.view.sample.duration, { title } = this.words[at], value = this.view.words[at];
    this.hint.replaceChildren(`“${word.text}”: `, ...(heard
      ? [regionValue(this.view, value, `word ${at + 1}`), title.slice(signed(value).length), ". Press it to hear it."] : [title, "."]));
    this.mark(word.start, word.end);
  }
}
