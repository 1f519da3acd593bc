/* "Try it yourself": any picture with any speech, parts taken away, predicted while the hand moves, explained. */

const DRAWN = 384, SPECTROGRAM = [512, 192], KEY_STEP = 4; // canvases; pixels that an arrow key moves the brush by
const LEVELS = [1, 2, 3, 4, 5];
const FAINT = 0.05; // of probability: a region of less never has the full colour

/** A labelled control. */
const labelled = (text, control, more = {}) => h("label", { class: "field", ...more }, h("span", {}, text), control);
const option = (value, text = value) => h("option", { value }, text);

class TryOut {
  /**
   * @param el       where it is drawn
   * @param explorer the element of the explorer above, which results join
   * @param samples  of that explorer, to be mixed
   * @param settings {findScripts, size, css}: the size in MB, where something is read from beside the page
   */
  constructor(el, explorer, samples, { findScripts, size, css }) {
    Object.assign(this, { explorer, samples, size, engine: new Engine(findScripts), edits: new Edits(), count: 0, busy: 0 });
    this.classes = this.samples[0]?.classes ?? [];
    this.build(el, css);
    this.show(this.samples[0]);
  }

  // ---------------------------------------------------------------------------------------------- what is on the page
  build(el, css) {
    const shadow = el.attachShadow({ mode: "open" });
    this.said = h("p", { class: "said", role: "status" });
    this.loadButton = h("button", { type: "button", class: "main", onclick: () => this.load() }, `Load the model${this.size ? ` (${this.size} MB)` : ""}`);
    this.progress = h("progress", { max: 1, "aria-label": "Loading the model", hidden: true });
    this.about = h("p", { class: "note", role: "status" }, "It runs in this page: nothing is installed, and nothing you choose leaves it.");
    this.tools = h("fieldset", { class: "tools", disabled: true }, ...this.pictureTools(), ...this.speechTools(), ...this.explainTools());
    const root = h("section", { class: "explorer try", "aria-label": "Try it yourself" },
      h("h3", {}, "Try it yourself"), h("div", { class: "row" }, this.loadButton, this.about), this.progress, this.said, this.tools);
    shadow.append(h("style", {}, css), root);
    watchTheme(root, new AbortController().signal);
    el.dataset.lmSuppressShortcuts = "true";
    root.addEventListener("keydown", (event) => event.stopPropagation());
    for (const name of ["dragover", "drop"]) root.addEventListener(name, (event) => event.preventDefault());
    root.addEventListener("drop", (event) => this.take(event.dataTransfer.files[0]));
    root.addEventListener("paste", (event) => this.take(event.clipboardData.files[0]));
  }

  pictureTools() {
    this.picture = h("canvas", { width: DRAWN, height: DRAWN, tabindex: 0, role: "application", "aria-label":
      "Picture. Drag to take parts away. By keyboard: arrows move the brush, space takes away what is under it." });
    this.pictureFrom = h("select", { onchange: () => this.choosePicture(this.pictureFrom.value) }, ...this.samples.map(({ id }) => option(id)));
    const file = h("input", { type: "file", accept: "image/*", onchange: () => this.take(file.files[0]) });
    this.cameraButton = h("button", { type: "button", onclick: () => this.photograph() }, "Camera");
    this.video = h("video", { hidden: true, muted: true, playsinline: true });
    this.kind = h("select", {}, option(1, "black"), option(2, "blurred"));
    this.radius = h("input", { type: "range", min: 3, max: 32, value: 12, oninput: () => this.draw() });
    this.brush = { x: SIDE / 2, y: SIDE / 2, shown: false };
    this.followPointer(this.picture, (x, y) => this.paint(x * SIDE, y * SIDE));
    this.picture.addEventListener("focus", () => this.moveBrush(0, 0));
    this.picture.addEventListener("blur", () => { this.brush.shown = false; this.draw(); });
    this.picture.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (move) this.moveBrush(...move.map((step) => KEY_STEP * step));
      else if (event.key === " ") { this.edits.begin(); this.paint(this.brush.x, this.brush.y); }
      else return;
      event.preventDefault();
    });
    return [h("div", { class: "part" }, h("h4", {}, "Picture"), this.picture, this.video,
      labelled("of the sample", this.pictureFrom), labelled("or a file: chosen, dropped or pasted", file), this.cameraButton,
      h("div", { class: "row" }, labelled("what is taken away becomes", this.kind), labelled("size of the brush", this.radius)))];
  }

  speechTools() {
    this.spectrogram = h("canvas", { width: SPECTROGRAM[0], height: SPECTROGRAM[1], tabindex: 0, role: "application", "aria-label":
      "Speech as a spectrogram, low tones at the bottom. Drag along it to silence a stretch. By keyboard: arrows move, space silences a quarter of a second." });
    this.speechFrom = h("select", { onchange: () => this.chooseSpeech(this.speechFrom.value) }, ...this.samples.map((sample) =>
      option(sample.id, `${sample.id}: ${sentenceOf(sample).slice(0, 60)}`)));
    const file = h("input", { type: "file", accept: "audio/*", onchange: () => this.takeSound(file.files[0]) });
    this.recordButton = h("button", { type: "button", onclick: () => this.recordVoice() }, "Record");
    const play = h("button", { type: "button", onclick: () => this.play() }, "Play");
    this.step = { at: 0, shown: false };
    this.followPointer(this.spectrogram, (x, y, from) => {
      this.edits.silence(Math.floor(from * SIDE), Math.floor(x * SIDE));
      this.changed("speech");
    });
    this.spectrogram.addEventListener("focus", () => { this.step.shown = true; this.draw(); });
    this.spectrogram.addEventListener("blur", () => { this.step.shown = false; this.draw(); });
    this.spectrogram.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -SIDE, End: SIDE }[event.key];
      if (move) this.step.at = clamp(this.step.at + move, 0, SIDE - 5);
      else if (event.key === " ") { this.edits.begin(); this.edits.silence(this.step.at, this.step.at + 4); this.changed("speech"); }
      else return;
      event.preventDefault();
      this.draw();
    });
    this.player = new Player(() => {});
    this.undoButton = h("button", { type: "button", onclick: () => this.undo() }, "Undo");
    const reset = h("button", { type: "button", onclick: () => { this.edits.clear(); this.changed("picture", "speech"); } }, "Put all back");
    this.bars = h("table", { class: "scores" }, h("caption", {}, "Probabilities"), h("tbody"));
    return [h("div", { class: "part" }, h("h4", {}, "Speech"), this.spectrogram,
      labelled("of the sample", this.speechFrom), labelled("or a recording", file),
      h("div", { class: "row" }, this.recordButton, play, this.undoButton, reset), this.bars)];
  }

  explainTools() {
    this.target = h("select", {}, option("", "the predicted one"), ...this.classes.map((name) => option(name)));
    this.target.addEventListener("change", () => this.found && this.drawFinding());
    this.depth = h("select", {}, ...LEVELS.map((level) => option(level, `${level}: ${2 ** level} regions each`)));
    this.depth.value = 3;
    this.explainButton = h("button", { type: "button", class: "main", onclick: () => (this.stopping ? this.stopping.abort() : this.explain()) }, "Explain");
    this.told = h("p", { class: "told", role: "status" });
    this.keepButton = h("button", { type: "button", hidden: true, onclick: () => this.keep() }, "Show it in the explorer above");
    this.pngButton = h("button", { type: "button", hidden: true, onclick: () => this.saveMaps() }, "Maps (PNG)");
    this.jsonButton = h("button", { type: "button", hidden: true, onclick: () => this.saveValues() }, "Values (JSON)");
    return [h("div", { class: "part wide" }, h("h4", {}, "Why?"),
      h("div", { class: "row" }, labelled("class to explain", this.target), labelled("how fine", this.depth), this.explainButton),
      this.told, h("div", { class: "row" }, this.keepButton, this.pngButton, this.jsonButton))];
  }

  /** Strokes of mouse, pen or finger: `stroke(x, y, where it began)`, in shares of the canvas. */
  followPointer(canvas, stroke) {
    let from = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [clamp((event.clientX - box.left) / box.width, 0, 0.9999), clamp((event.clientY - box.top) / box.height, 0, 0.9999)];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (this.tools.disabled) return;
      canvas.setPointerCapture(event.pointerId);
      this.edits.begin();
      from = at(event)[0];
      stroke(...at(event), from);
    });
    canvas.addEventListener("pointermove", (event) => from !== null && stroke(...at(event), from));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (from = null));
  }

  // ---------------------------------------------------------------------------------------------- choosing a pair
  /** What a sample shows, before the model is there. */
  show(sample) {
    if (!sample) return;
    this.scores = sample.scores;
    this.speech = this.speechOf(sample);
    const image = new Image();
    image.onload = () => {
      if (this.values) return;
      this.preview = squareOf(image, image.width, image.height, SIDE);
      this.draw();
    };
    image.src = sample.image.src;
    this.draw();
  }
  speechOf(sample) {
    const values = Float32Array.from(bytesOf(sample.mel.data), (byte) => byte / 255);
    return { id: sample.id, values, sound: soundOf(sample.audio), words: sample.words, text: sample.text };
  }
  chooseSpeech(id) {
    this.speech = this.speechOf(this.samples.find((sample) => sample.id === id));
    this.edits.speech.fill(0);
    this.changed("speech");
  }
  choosePicture(id) {
    const bytes = bytesOf(this.engine.inputs[id]);
    this.usePicture(Float32Array.from(bytes, (byte) => byte / 255));
  }
  usePicture(values) {
    this.values = values;
    this.blurred = null;
    this.edits.picture.fill(0);
    this.changed("picture");
  }

  /** Do what may fail; what keeps it from being done is said, and what was on view stays. */
  async attempt(work) {
    this.said.textContent = "";
    this.bars.setAttribute("aria-busy", String(++this.busy > 0));
    try {
      await work();
    } catch (error) {
      this.said.textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
      if (!this.engine.ready) this.unload();
    } finally {
      this.bars.setAttribute("aria-busy", String(--this.busy > 0));
    }
  }
  take(file) {
    if (!file || this.tools.disabled) return;
    if (file.type.startsWith("audio/")) return this.takeSound(file);
    return this.attempt(async () => this.usePicture(await readPicture(file)));
  }
  takeSound(file) {
    if (!file) return;
    return this.attempt(async () => {
      const { sound, note } = await readSound(file);
      this.speech = { id: "your speech", values: await this.engine.mel(sound), sound, words: [], text: "" };
      this.edits.speech.fill(0);
      this.said.textContent = note ? `${note[0].toUpperCase()}${note.slice(1)}.` : "";
      this.changed("speech");
    });
  }
  recordVoice() {
    if (this.stopRecording) return this.stopRecording();
    return this.attempt(async () => {
      const stream = await askFor("microphone", { audio: true });
      const stopped = new Promise((resolve) => (this.stopRecording = resolve));
      const timer = setTimeout(this.stopRecording, 1000 * HEARD);
      this.recordButton.textContent = "Stop";
      try {
        await this.takeSound(await record(stream, stopped));
      } finally {
        clearTimeout(timer);
        this.stopRecording = null;
        this.recordButton.textContent = "Record";
      }
    });
  }
  /** The first press shows what the camera sees, the second takes it. */
  photograph() {
    return this.attempt(async () => {
      const { video } = this;
      if (video.srcObject) {
        this.usePicture(valuesOf(squareOf(video, video.videoWidth, video.videoHeight, SIDE)));
        video.srcObject.getTracks().forEach((track) => track.stop());
        video.srcObject = null;
      } else {
        video.srcObject = await askFor("camera", { video: { facingMode: "environment" } });
        await video.play();
      }
      video.hidden = !video.srcObject;
      this.cameraButton.textContent = video.srcObject ? "Take this picture" : "Camera";
    });
  }

  // ---------------------------------------------------------------------------------------------- predicting
  load() {
    return this.attempt(async () => {
      this.loadButton.disabled = true;
      this.progress.hidden = false;
      this.progress.removeAttribute("value"); // until something is known of it
      try {
        this.about.textContent = aboutModel(await this.engine.load((share) => (this.progress.value = share)));
      } finally {
        this.loadButton.disabled = false;
        this.progress.hidden = true;
      }
      this.loadButton.hidden = true;
      this.tools.disabled = false;
      this.dirty = new Set(["picture", "speech"]); // the workers know neither yet
      if (this.values) this.changed();
      else this.choosePicture(this.pictureFrom.value);
      await this.predicting;
    });
  }
  unload() {
    this.tools.disabled = true;
    this.loadButton.hidden = false;
  }
  inputs() {
    const image = this.edits.applyToPicture(this.values, () => (this.blurred ??= blurOf(this.values)));
    return { speech: this.edits.applyToSpeech(this.speech.values), image };
  }
  /** Something is another one: predict anew as soon as the model is free, for the last change only. */
  changed(...what) {
    this.found = null;
    this.told.textContent = "";
    this.stopping?.abort();
    this.dirty = new Set([...(this.dirty ?? []), ...what]);
    this.draw();
    if (!this.tools.disabled) this.predicting ??= this.predict();
  }
  async predict() {
    await this.attempt(async () => {
      while (this.dirty.size) {
        const { speech, image } = this.inputs(), given = {};
        if (this.dirty.has("speech")) given.speech = speech;
        if (this.dirty.has("picture")) given.image = image;
        this.dirty.clear();
        this.scores = await this.engine.predict(given);
        this.drawScores();
      }
    });
    this.predicting = null;
  }
  paint(x, y) {
    Object.assign(this.brush, { x, y });
    this.edits.paint(x, y, Number(this.radius.value), Number(this.kind.value));
    this.changed("picture");
  }
  moveBrush(right, down) {
    const { brush } = this;
    Object.assign(brush, { x: clamp(brush.x + right, 0, SIDE), y: clamp(brush.y + down, 0, SIDE), shown: true });
    this.draw();
  }
  undo() {
    this.edits.undo();
    this.changed("picture", "speech");
  }
  play() {
    const { sound } = this.speech, steps = [...this.edits.speech].map((gone) => !gone);
    const heard = muted(sound, SOUND_RATE, HEARD / SIDE, steps);
    this.player.start(heard, SOUND_RATE, 0, heard.length / SOUND_RATE, 0);
  }

  // ---------------------------------------------------------------------------------------------- explaining
  explain() {
    return this.attempt(async () => {
      await this.predicting;
      const depth = Number(this.depth.value), pair = this.inputs(), levels = [];
      const scores = this.scores;
      this.stopping = new AbortController();
      const { signal } = this.stopping;
      this.explainButton.textContent = "Stop";
      this.target.value ||= "";
      const began = performance.now();
      try {
        const heard = (level, values) => {
          levels[level] = values;
          this.partial = { levels, scores };
          this.told.textContent = `Level ${level} of ${depth} …`;
          this.draw();
        };
        const result = await this.engine.explain(pair, depth, { heard, signal });
        if (signal.aborted) return;
        this.found = { pair, result, levels, scores, depth, seconds: (performance.now() - began) / 1000 };
        this.drawFinding();
      } catch (error) {
        if (!signal.aborted) throw error;
        this.told.textContent = "Stopped.";
      } finally {
        this.stopping = this.partial = null;
        this.explainButton.textContent = "Explain";
        this.draw();
      }
    });
  }
  targetOf(scores) {
    return this.target.value ? this.classes.indexOf(this.target.value) : argmax([...scores]);
  }
  drawFinding() {
    const { result, levels, scores, depth, seconds } = this.found, k = this.targetOf(scores);
    const [speech, image] = MODALITIES.map((m) => levels[0][m][0][k]);
    const gap = MODALITIES.reduce((all, m) => all + sum(levels[depth][m].map((values) => values[k])), 0) - (result.value[k] - result.base[k]);
    this.told.textContent = `${this.classes[k]}: ${result.value[k].toFixed(3)}. Silence and black give ${result.base[k].toFixed(3)}; the speech adds `
      + `${signed(speech)}, the picture ${signed(image)} (of which each has half of the interaction, ${signed(result.interaction[k])}). `
      + `The ${2 ** (depth + 1)} regions add up to that${Math.abs(gap) < 1e-5 ? "" : ` but for ${gap.toExponential(0)}`}. `
      + `${result.count} combinations in ${seconds.toFixed(1)} s.`;
    this.draw();
  }
  /** Put the finding into the explorer's gallery. */
  keep() {
    const { pair, result, levels, scores } = this.found, id = `yours ${++this.count}`;
    const { sound, words, text } = this.speech, steps = [...this.edits.speech].map((gone) => !gone);
    const heard = muted(sound, SOUND_RATE, HEARD / SIDE, steps);
    const sample = sampleOf({ id, text, words, sound: heard, ...pair, classes: this.classes }, result, levels, scores);
    this.explorer.dispatchEvent(new CustomEvent("sier-explorer-add", { detail: sample }));
    this.told.textContent += ` It is in the explorer above as “${id}”.`;
  }
  saveMaps() {
    const sheet = h("canvas", { width: DRAWN + SPECTROGRAM[0], height: DRAWN }), context = sheet.getContext("2d");
    context.drawImage(this.picture, 0, 0);
    context.drawImage(this.spectrogram, DRAWN, 0);
    sheet.toBlob((blob) => save(blob, "explanation.png"));
  }
  saveValues() {
    const { result, levels, scores, depth } = this.found, k = this.targetOf(scores);
    const regions = (m) => gridOf(m, depth, levels[depth][m], k);
    const value = { target: this.classes[k], probabilities: [...scores], value: result.value[k], base: result.base[k],
      interaction: result.interaction[k], speech: regions("speech"), image: regions("image"), model: this.engine.about };
    save(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }), "explanation.json");
  }

  // ---------------------------------------------------------------------------------------------- drawing
  draw() {
    const shown = this.found ?? this.partial, level = shown ? shown.levels.length - 1 : 0;
    const k = shown ? this.targetOf(shown.scores) : 0;
    const grids = shown && Object.fromEntries(MODALITIES.map((m) => [m, gridOf(m, level, shown.levels[level][m], k)]));
    // One scale for both, and no full colour for what changes nothing.
    const scale = grids && Math.max(FAINT, ...MODALITIES.map((m) => largest(grids[m].values)));
    this.drawPicture(grids?.image, scale);
    this.drawSpeech(grids?.speech, scale);
    this.drawScores();
    for (const button of [this.keepButton, this.pngButton, this.jsonButton]) button.hidden = !this.found;
    this.undoButton.disabled = !this.edits.past.length;
  }
  drawPicture(grid, strongest) {
    const context = this.picture.getContext("2d"), scale = DRAWN / SIDE, { x, y, shown } = this.brush;
    const source = this.values ? canvasOf(this.inputs().image) : this.preview;
    context.imageSmoothingEnabled = false;
    if (source) context.drawImage(source, 0, 0, DRAWN, DRAWN);
    if (grid) overlay(context, mapCanvas(grid, strongest, false, false), DRAWN, DRAWN);
    if (shown) {
      context.beginPath();
      context.arc(x * scale, y * scale, Number(this.radius.value) * scale, 0, 2 * Math.PI);
      for (const [style, width] of [["#000", 4], ["#fff", 2]]) Object.assign(context, { strokeStyle: style, lineWidth: width }), context.stroke();
    }
  }
  drawSpeech(grid, strongest) {
    const context = this.spectrogram.getContext("2d"), [width, height] = SPECTROGRAM;
    if (!this.speech) return;
    const values = this.edits.applyToSpeech(this.speech.values);
    context.imageSmoothingEnabled = true;
    context.drawImage(greyCanvas(values.map((value) => Math.round(255 * value)), SIDE, SIDE), 0, 0, width, height);
    if (grid) overlay(context, mapCanvas(grid, strongest, false, true), width, height);
    context.fillStyle = BLACK;
    this.edits.speech.forEach((gone, step) => gone && context.fillRect((step * width) / SIDE, 0, width / SIDE + 0.5, height));
    if (this.step.shown) {
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.strokeRect((this.step.at * width) / SIDE, 1, (5 * width) / SIDE, height - 2);
    }
  }
  drawScores() {
    const best = argmax([...this.scores ?? []]);
    this.bars.tBodies[0].replaceChildren(...this.classes.map((name, k) => {
      const score = this.scores[k];
      return h("tr", { class: k === best ? "best" : "" }, h("th", { scope: "row" }, name),
        h("td", {}, h("i", { style: `--part: ${(100 * score).toFixed(1)}%` })), h("td", {}, score.toFixed(3)));
    }));
  }
}

function overlay(context, map, width, height) {
  context.globalAlpha = 0.7;
  context.drawImage(map, 0, 0, width, height);
  context.globalAlpha = 1;
}

function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** What computes here, in a sentence. */
function aboutModel({ profile, date, simd, workers }) {
  const slow = simd ? "" : ", slowly, since this browser lacks the fast instructions (SIMD)";
  return `ParallelNet of the run “${profile}” of ${date}, weights rounded to float16, computed in float32 by ${workers} `
    + `worker${workers > 1 ? "s" : ""} of this page${slow}. It knows four classes and one voice. Nothing you choose leaves this page.`;
}

/** Put it below an explorer, if the page (by address) or a kernel (`model.send`) has the scripts that hold the model. */
export function mountTryOut(el, explorer, samples, model, signal) {
  const scripts = model.get("scripts"), good = samples.filter((sample) => !problemOf(sample));
  if (!scripts || !good.length) return;
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset; // what lies beside a page is out of reach in Jupyter
  if (!model.send && (jpThemeLight || vscodeThemeKind)) return;
  const findScripts = async () => (model.send ? askKernel(model) : scripts);
  const { engine } = new TryOut(el, explorer, good, { findScripts, size: model.get("megabytes"), css: model.get("css") });
  window.sierlibLive = forScripts(engine);
  signal.addEventListener("abort", () => engine.close());
}
