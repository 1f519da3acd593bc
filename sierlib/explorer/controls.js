/* The gallery and the controls: each shows a part of the state, and changes it. */

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
  const title = h("span", {}, label), select = h("select", { onchange: () => put(model, name, select.value) });
  const node = h("label", { class: "field" }, title, select);
  const update = (options, shown = true, text = label) => {
    whenChanged(select, "known", JSON.stringify(options), () =>
      select.replaceChildren(...Object.entries(options).map(([value, text]) => h("option", { value }, text))));
    select.value = model.get(name);
    select.disabled = Object.keys(options).length < 2;
    title.textContent = text;
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

/** A box to tick; `lacks`, if given, says why it cannot be. */
function check(model, name, label) {
  const input = h("input", { type: "checkbox", onchange: () => put(model, name, input.checked) }), text = h("span", {}, label);
  const update = (lacks = "") => {
    input.checked = model.get(name) && !lacks;
    input.disabled = Boolean(lacks);
    text.textContent = lacks ? `${label}: ${lacks}` : label;
  };
  return { node: h("label", { class: "check" }, input, text), update };
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
    only_class: choice(model, "only_class", "Label"), only_right: choice(model, "only_right", "Prediction"),
    only_relation: choice(model, "only_relation", "Emotions"), only_modality: choice(model, "only_modality", "Decided by"),
  };
  const node = h("div", { class: "strip", role: "group", "aria-label": "Samples" });
  const total = h("span", {});
  const fields = h("div", { class: "filters" }, ...Object.values(filters).map((f) => f.node));
  const folded = h("details", { class: "fold" }, h("summary", {}, "Filter (", total, ")"), fields);
  roving(node);
  const traitsOf = (sample, kind) => ({
    only_class: sample.label ?? predictedOf(sample), only_right: rightOf(sample),
    only_relation: relationOf(sample, kind), only_modality: sample.decided_by ?? "",
  });
  const mark = () => {
    const buttons = [...node.querySelectorAll("button")];
    const here = buttons.find((b) => b.dataset.id === model.get("sample"));
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button === here);
      button.tabIndex = -1;
    }
    (here ?? buttons[0])?.setAttribute("tabindex", 0);
    const out = here && (here.offsetLeft < node.scrollLeft || here.offsetLeft + here.offsetWidth > node.scrollLeft + node.clientWidth);
    if (out) node.scrollLeft = here.offsetLeft - node.clientWidth / 2;
  };
  /** Options for what the samples have; nothing to choose where they have nothing of it. */
  const offer = (name, any, values, names = {}) => {
    const found = values.filter((v) => namesIn(node.samples, (s) => traitsOf(s, node.kind)[name]).includes(v));
    return found.length ? { "": any, ...Object.fromEntries(found.map((v) => [v, names[v] ?? v])) } : { "": "not known here" };
  };
  const update = (samples, classes) => {
    if (node.samples !== samples) {
      node.samples = samples;
      node.kind = relationKind(samples);
      node.key = null;
      const names = { image: "photograph", neutral: "one is neutral" };
      node.offers = {
        only_class: offer("only_class", "any class", classes),
        only_right: offer("only_right", "right or wrong", ["right", "wrong"]),
        only_relation: offer("only_relation", "agree or conflict", ["agree", "conflict", "neutral"], names),
        only_modality: offer("only_modality", "any modality", ["speech", "image", "neither"], names),
      };
    }
    for (const [name, filter] of Object.entries(filters)) {
      filter.update(node.offers[name], true, name === "only_relation"
        ? { planted: "Emotions planted", teachers: "Teachers' opinions" }[node.kind] : undefined);
    }
    const passes = (sample) => problemOf(sample)
      || Object.entries(traitsOf(sample, node.kind)).every(([name, is]) => !model.get(name) || model.get(name) === is);
    whenChanged(node, "key", Object.keys(filters).map((name) => model.get(name)).join("|"), () => {
      const found = samples.filter(passes);
      node.replaceChildren(...found.map((sample) => card(model, sample)));
      if (!found.length) node.append(h("p", { class: "note" }, "No sample is like that."));
      total.textContent = found.length < samples.length ? `${found.length} of ${samples.length}` : samples.length;
      node.marked = null;
    });
    whenChanged(node, "marked", model.get("sample"), mark);
    node.hidden = folded.hidden = samples.length < 2;
  };
  return { node, folded, update };
}

function controls(model, filters) {
  const all = {
    target: choice(model, "target", "Class to explain"), method: choice(model, "method", "Method"),
    baseline: choice(model, "baseline", "What is absent is"), compare: choice(model, "compare", "Side by side with"),
    sample2: choice(model, "sample2", "Second sample"), method2: choice(model, "method2", "Second method"),
    level: slider(model, "level", "Level", 0, 6, ""), threshold: slider(model, "threshold", "Threshold", 0, 100, ""),
    opacity: slider(model, "opacity", "Map opacity", 0, 100, " %"), smooth: check(model, "smooth", "Smooth maps"),
    stretch: check(model, "stretch", "Stretch colours to this sample"),
    planted: check(model, "planted", "Show what was planted"), keep: radios(model, "keep", "Photograph and sound", KEEP),
  };
  const group = (name, ...names) => h("div", { class: name }, ...names.map((n) => all[n].node));
  const more = h("details", { class: "fold" }, h("summary", {}, "Settings"),
    group("what", "target", "method", "baseline", "compare", "sample2", "method2", "opacity", "smooth", "stretch"));
  const only = h("span", { class: "note" }, "This is the only sample.");
  const folds = h("div", { class: "folds" }, all.planted.node, only, filters, more);
  const look = group("look", "level", "threshold", "keep");
  const update = (samples, classes, methods, view) => {
    const depth = view?.depth ?? 0, level = view?.level ?? 0, compare = model.get("compare");
    const blurred = namesIn(samples, (s) => Object.keys(s.blurred ?? {})).length > 0;
    only.hidden = samples.length !== 1;
    all.target.update({ predicted: "the predicted one", ...same(classes) });
    all.method.update(same(methods));
    all.baseline.update(blurred ? BASELINES : { zero: `${BASELINES.zero} (all that was computed)` });
    const possible = { none: true, sample: samples.length > 1, method: methods.length > 1, baseline: blurred };
    all.compare.update(Object.fromEntries(Object.entries(COMPARE).filter(([name]) => possible[name])));
    const titles = samples.map((s) => [s?.id, `${s?.id}: ${sentenceOf(s)}`.slice(0, 60)]);
    all.sample2.update({ "": "the next one", ...Object.fromEntries(titles) }, compare === "sample");
    all.method2.update({ "": "the next one", ...same(methods) }, compare === "method");
    all.level.update(level, depth, `${level} of ${depth}: ${2 ** level} ${level ? "regions" : "region"}`);
    all.threshold.update(model.get("threshold"), 100, `percentile ${model.get("threshold")}`);
    all.planted.update(namesIn(samples, (s) => (s.planted ? ["yes"] : [])).length ? "" : "nothing is known to be");
    for (const name of ["opacity", "smooth", "stretch", "keep"]) all[name].update();
  };
  return { folds, look, update };
}
