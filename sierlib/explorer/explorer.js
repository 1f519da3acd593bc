/**
 * The explorer: one prediction, its explanation, and the controls to question it.
 *
 * The same module serves twice. In Jupyter anywidget calls `render({model, el})`; in the built page, which has no
 * kernel, `mount(el, data)` gives `render` a small model of its own. Everything lives in a shadow root, so that neither
 * the theme of a book nor JupyterLab's can restyle it. Text from a sample only ever becomes `textContent`.
 * Written into a page no module can import another: widget.py puts the others (`PARTS`) before this one.
 */

const HASH = "#explorer?";

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

/** Draw the explorer into `el` and keep it in step with `model`; returns the function that takes it down. */
function render({ model, el }) {
  const undo = new AbortController(), { signal } = undo;
  const shadow = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const strip = gallery(model), bar = controls(model, strip.folded), panels = [new Panel(signal), new Panel(signal)];
  const message = h("p", { class: "message", role: "status" });
  const progress = h("progress", { max: 1, "aria-label": "Progress", hidden: true });
  const spoken = h("p", { class: "hidden", role: "status" });
  const root = h("div", { class: "explorer", role: "region", "aria-label": "Explorer of explained predictions" },
    strip.node, bar.folds, message, progress, h("div", { class: "panels" }, ...panels.map((p) => p.node)), bar.look, spoken);
  shadow.replaceChildren(h("style", {}, model.get("css") ?? ""), root);
  watchTheme(root, signal);
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab's shortcuts, and Sphinx's arrow keys, leave our keys alone
  root.addEventListener("keydown", (event) => event.stopPropagation());

  let samples, classes, methods, waiting = 0, speaking = 0;
  const added = []; // computed in the page; the kernel is not told, for its connection breaks at large messages
  const read = () => {
    samples = [...added, ...model.get("samples") ?? []];
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
  /** The fixed scale needs all samples: it is looked for anew only when it may be another one. */
  const scalesFor = (views) => {
    if (model.get("stretch")) return scalesOf(model, samples, views);
    const key = ["target", "method", "baseline", "level"].map((name) => model.get(name)).join("|");
    whenChanged(samples, "key", key, () => (samples.scales = scalesOf(model, samples, views)));
    return samples.scales;
  };
  const draw = () => {
    waiting = 0;
    const began = performance.now(), both = model.get("compare") !== "none";
    const views = both ? [viewFor(false), viewFor(true)] : [viewFor(false)];
    const good = views.filter((view) => !(view instanceof Error));
    const scales = scalesFor(good);
    strip.update(samples, classes);
    bar.update(samples, classes, methods, good[0]);
    message.textContent = model.get("message") || (samples.length ? "" : "There is no sample to show yet.");
    progress.hidden = !(model.get("progress") > 0 && model.get("progress") < 1);
    progress.value = clamp(model.get("progress") ?? 0, 0, 1);
    root.classList.toggle("two", both);
    bar.look.hidden = bar.folds.hidden = !samples.length;
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
      spoken.textContent = views.map((view, i) => `Sample ${view.sample.id}. ${KEEP[view.keep]}. ${panels[i].told} `
        + `Photograph: ${describeRegions(view)} ${panels[i].wave.dataset.audible} seconds of sound stay.`).join(" ");
    }, 500);
  };
  const later = () => (waiting ||= requestAnimationFrame(draw));
  const watched = [...Object.keys(STATE), "message", "progress"].map((name) => [`change:${name}`, later]);
  for (const [name, handler] of [...watched, ["change:samples", read]]) {
    model.on(name, handler);
    signal.addEventListener("abort", () => model.off(name, handler));
  }
  signal.addEventListener("abort", () => { cancelAnimationFrame(waiting); clearTimeout(speaking); });
  el.addEventListener("sier-explorer-add", ({ detail }) => {
    added.unshift(detail);
    model.set("sample", detail.id);
    read();
  }, { signal });
  read();
  mountTryOut(shadow.appendChild(h("div", { "data-try": true })), el, samples, model, signal);
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
