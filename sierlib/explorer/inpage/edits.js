/* What a reader has taken away from a pair: parts of the picture, stretches of the speech. Every stroke can be undone. */

const SPREAD = 0.1; // standard deviation as a share of the side, as sierlib.shapley has it

/** A picture blurred with a Gaussian; its border is mirrored. */
function blurOf(values) {
  const sigma = SPREAD * SIDE, reach = Math.round(4 * sigma), weights = [];
  for (let d = -reach; d <= reach; d++) weights.push(Math.exp(-0.5 * (d / sigma) ** 2));
  const total = weights.reduce((a, b) => a + b), kernel = Float64Array.from(weights, (weight) => weight / total);
  const mirrored = Array.from({ length: SIDE + 2 * reach }, (_, i) => {
    const at = (i - reach + 2 * SIDE) % (2 * SIDE);
    return at < SIDE ? at : 2 * SIDE - 1 - at;
  });
  const along = (source, next, other) => {
    const found = new Float32Array(source.length), padded = new Float64Array(mirrored.length);
    for (let line = 0; line < SIDE; line++) {
      for (let c = 0; c < 3; c++) {
        mirrored.forEach((at, i) => (padded[i] = source[3 * (line * other + at * next) + c]));
        for (let i = 0; i < SIDE; i++) {
          let sum = 0;
          for (let d = 0; d < kernel.length; d++) sum += kernel[d] * padded[i + d];
          found[3 * (line * other + i * next) + c] = sum;
        }
      }
    }
    return found;
  };
  return along(along(values, 1, SIDE), SIDE, 1);
}

class Edits {
  constructor() { this.clear(); }
  clear() {
    this.picture = new Uint8Array(SIDE * SIDE); // 0 stays, 1 is black, 2 is blurred
    this.speech = new Uint8Array(SIDE); // 1 is silenced, by step of time
    this.past = [];
  }
  get any() { return this.picture.some(Boolean) || this.speech.some(Boolean); }
  /** Begin a stroke: this is where undoing leads back to. */
  begin() { this.past.push([this.picture.slice(), this.speech.slice()]); }
  undo() { if (this.past.length) [this.picture, this.speech] = this.past.pop(); }
  /** Put a round brush on the picture; x and y in pixels of the network's input. */
  paint(x, y, radius, kind) {
    for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(SIDE - 1, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(SIDE - 1, x + radius); column++) {
        if ((row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 <= radius ** 2) this.picture[row * SIDE + column] = kind;
      }
    }
  }
  /** Silence the steps from one to another, in either order. */
  silence(from, to) {
    const [first, last] = [Math.min(from, to), Math.max(from, to)].map((step) => Math.min(SIDE - 1, Math.max(0, step)));
    this.speech.fill(1, first, last + 1);
  }
  /** What the network sees of a picture; `blurred` is asked only where it is needed. */
  applyToPicture(values, blurred) {
    if (!this.picture.some(Boolean)) return values;
    const found = values.slice(), soft = this.picture.includes(2) ? blurred() : null;
    this.picture.forEach((kind, i) => {
      for (let c = 3 * i; kind && c < 3 * i + 3; c++) found[c] = kind === 1 ? 0 : soft[c];
    });
    return found;
  }
  applyToSpeech(values) {
    if (!this.speech.some(Boolean)) return values;
    return values.map((value, i) => (this.speech[i % SIDE] ? 0 : value));
  }
}
