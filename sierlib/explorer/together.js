/* Words with regions: what each pair adds to the score only together, as a matrix that can be walked through. */

/** A pair's value with its key. */
function pairValue({ sample, target }, word, region, value) {
  return numberOf(signed(value), value, "interaction", sample.id, target, `word ${word + 1}, region ${region + 1}`);
}

const PAIRS = "A cell is what a word and a region of the picture add to each other, beyond what each adds alone: orange for the class, "
  + "blue against. Point at one, or use the arrow keys: the picture then shows what its word gains in each region, "
  + "the sentence what its region gains with each word.";

/** The matrix of one side; `show(word, region)` is called with the cell that is looked at, and with nothing at the end. */
class Matrix {
  constructor(show) {
    this.show = show;
    this.table = h("table", { class: "matrix", role: "grid", onkeydown: (e) => this.step(e), onfocusin: (e) => this.look(e.target),
      onpointerover: (e) => this.look(e.target), onpointerleave: () => this.leave(), onfocusout: () => this.leave() });
    this.told = h("p", { class: "note pair", role: "status" });
    this.strongest = h("ol", {});
    this.note = h("p", { class: "note" });
    this.node = h("details", { class: "fold together", hidden: true }, h("summary", {}, "Together: words with regions"),
      this.note,
      h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Words by regions" }, this.table), this.told, this.strongest);
  }

  /** Show the pairs of a view; hidden where there are none for its class. */
  update(view) {
    const { sample, target } = view, { pairs } = sample;
    this.view = view;
    this.node.hidden = !pairs || pairs.class !== target;
    if (this.node.hidden || this.built === sample) return;
    this.built = sample;
    const { rows, cols, words, values } = pairs, scale = largest(values.flat());
    const name = (r) => `row ${Math.floor(r / cols) + 1}, column ${r % cols + 1}`, text = (w) => sample.words[words[w]].text;
    const tell = (w, r) => [`“${text(w)}” with ${name(r)}: `, pairValue(view, words[w], r, values[w][r]),
      values[w][r] < 0 ? ` against “${target}”` : ` for “${target}”`];
    this.tell = tell;
    const cell = (w, r) => h("td", { tabindex: w || r ? -1 : 0, role: "gridcell", "data-at": `${w} ${r}`,
      class: values[w][r] < 0 ? "against" : "for", style: `--share:${(Math.abs(values[w][r]) / (scale || 1)).toFixed(3)}`,
      "aria-label": `“${text(w)}” with ${name(r)}: ${signed(values[w][r])}` });
    this.note.replaceChildren(PAIRS, ...(pairs.stderr ? [" Estimated: the standard error of a cell is ",
      numberOf(pairs.stderr.toFixed(3), pairs.stderr, "standard error", sample.id, target, "pairs"), " on average."] : []));
    const every = Array.from({ length: rows * cols }, (_, r) => r);
    const heads = Array.from({ length: rows }, (_, row) => h("th", { scope: "colgroup", colspan: cols }, `row ${row + 1}`));
    this.table.replaceChildren(
      h("caption", {}, `Words with the ${rows} × ${cols} regions of the picture`),
      h("thead", {}, h("tr", {}, h("td", {}), ...heads)),
      h("tbody", {}, ...words.map((_, w) => h("tr", {}, h("th", { scope: "row" }, text(w)), ...every.map((r) => cell(w, r))))));
    const ranked = words.flatMap((_, w) => every.map((r) => [w, r])).sort(([a, b], [c, d]) =>
      Math.abs(values[c][d]) - Math.abs(values[a][b]));
    this.strongest.replaceChildren(...ranked.slice(0, 3).map(([w, r]) => h("li", {}, ...tell(w, r))));
  }

  /** What a word gains in each region, and what a region gains with each word of the sentence. */
  gains(word, region) {
    const { pairs, words } = this.view.sample, byWord = new Array(words.length).fill(0);
    pairs.words.forEach((place, w) => (byWord[place] = pairs.values[w][region]));
    return { image: { rows: pairs.rows, cols: pairs.cols, values: pairs.values[word] }, words: byWord, scale: largest(pairs.values.flat()) };
  }

  look(target) {
    const at = target.dataset?.at;
    if (!at) return;
    const [word, region] = at.split(" ").map(Number);
    this.told.replaceChildren(...this.tell(word, region));
    this.show(word, region);
  }
  leave() {
    this.told.replaceChildren();
    this.show();
  }
  step(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }, move = moves[event.key];
    if (!move || !event.target.dataset.at) return;
    event.preventDefault();
    const [word, region] = event.target.dataset.at.split(" ").map(Number);
    const next = this.table.querySelector(`[data-at="${word + move[0]} ${region + move[1]}"]`);
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
