/* Small helpers that every part of the explorer uses. */

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const argmax = (values) => values.indexOf(Math.max(...values));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const largest = (values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
const count = (flags) => flags.filter(Boolean).length;
const mix = (a, b, t) => `rgb(${a.map((x, i) => Math.round(x + (b[i] - x) * t)).join(" ")})`;
const same = (names) => Object.fromEntries(names.map((name) => [name, name]));
const list = (texts) => texts.map((text) => `“${text}”`).join(", ");

/** A number with its sign, but for what rounds to nothing. */
function signed(x, digits = 3) {
  const size = Math.abs(x).toFixed(digits);
  return Number(size) ? (x < 0 ? "−" : "+") + size : size;
}

/** Linear-interpolated percentile, as numpy's. */
function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * percent / 100, low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** Make an element: attributes and `on…` listeners from an object, children as nodes or as plain text. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value; // not as an attribute, which a page's policy may forbid
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

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
