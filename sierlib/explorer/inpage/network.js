/**
 * Run an exported network: see book/sierbook/export.py for the description. Rows go through it one by one, but for
 * dense layers, which take all of them at once. A `Memory` holds weights and what is computed on the way.
 */

const FLOAT = 4, SPARE = 64; // bytes; the kernel reads and writes a little beyond what it was asked for

/** The 65,536 numbers that float16 can write. */
function tableOfHalves() {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
    table[bits] = sign * (exponent === 31 ? (fraction ? NaN : Infinity)
      : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  }
  return table;
}

const countOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** Room that grows: floats are handed out one after the other, as numbers of bytes from the start. */
class Memory {
  constructor() {
    this.pages = new WebAssembly.Memory({ initial: 16 });
    this.end = SPARE;
  }
  take(floats) {
    const at = this.end;
    this.end = (at + FLOAT * floats + SPARE + 15) & ~15;
    const missing = this.end - this.pages.buffer.byteLength;
    if (missing > 0) {
      this.pages.grow(Math.ceil(missing / 65536));
      this.kept = null; // a buffer that grows is another one
    }
    return at;
  }
  get floats() {
    return (this.kept ??= new Float32Array(this.pages.buffer));
  }
}

/** What is done at each kind of step; `at` and `from` are where in memory its output and inputs lie, `n` how many rows. */
const STEPS = {
  pool(net, step, at, [from], n) {
    const f = net.memory.floats, [rows, columns, channels] = step.shape, [, width] = step.inShape;
    const [high, wide] = step.size, [down, across] = step.stride;
    const area = step.inShape[0] * width * channels;
    let to = at / FLOAT;
    for (let row = 0; row < n * rows; row++) {
      const start = from / FLOAT + Math.floor(row / rows) * area + (row % rows) * down * width * channels;
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < channels; channel++, to++) {
          let most = -Infinity;
          for (let y = 0; y < high; y++) {
            let here = start + (y * width + column * across) * channels + channel;
            for (let x = 0; x < wide; x++, here += channels) if (f[here] > most) most = f[here];
          }
          f[to] = most;
        }
      }
    }
  },
  scale(net, step, at, [from], n) {
    const f = net.memory.floats, factor = net.read(step.factor), shift = net.read(step.shift), count = factor.length;
    for (let i = 0, all = n * step.count; i < all; i++) {
      f[at / FLOAT + i] = f[from / FLOAT + i] * factor[i % count] + shift[i % count];
    }
  },
  relu(net, step, at, [from], n) {
    const f = net.memory.floats;
    for (let i = 0, all = n * step.count; i < all; i++) f[at / FLOAT + i] = Math.max(0, f[from / FLOAT + i]);
  },
  add(net, step, at, [a, b], n) {
    const f = net.memory.floats;
    for (let i = 0, all = n * step.count; i < all; i++) f[at / FLOAT + i] = f[a / FLOAT + i] + f[b / FLOAT + i];
  },
  multiply(net, step, at, [a, b], n) {
    const f = net.memory.floats;
    for (let i = 0, all = n * step.count; i < all; i++) f[at / FLOAT + i] = f[a / FLOAT + i] * f[b / FLOAT + i];
  },
  mix(net, step, at, from, n) {
    const f = net.memory.floats;
    for (let i = 0, all = n * step.count; i < all; i++) {
      f[at / FLOAT + i] = from.reduce((sum, each, k) => sum + step.weights[k] * f[each / FLOAT + i], 0);
    }
  },
  softmax(net, step, at, [from], n) {
    const f = net.memory.floats;
    for (let row = 0; row < n; row++) {
      const start = from / FLOAT + row * step.count, values = f.subarray(start, start + net.classes);
      const most = values.reduce((a, b) => Math.max(a, b));
      const powers = Array.from(values, (value) => Math.exp(value - most));
      const sum = powers.reduce((a, b) => a + b);
      powers.forEach((power, k) => (f[at / FLOAT + row * step.count + k] = power / sum));
    }
  },
  convolve(net, step, at, [from], n) {
    const [rows, columns] = step.kernel, filters = step.shape.at(-1), least = step.relu ? 0 : -Infinity;
    if (step.shape.length === 1) { // dense: the rows are the pixels
      const bytes = step.inCount * FLOAT;
      return net.convolve(from, step.weightsAt, step.biasAt, at, 1, n, filters, bytes, bytes, 1, bytes, bytes, least);
    }
    const channels = step.inShape[2], line = (step.inShape[1] + step.pad[1] + step.pad[3]) * channels * FLOAT;
    for (let row = 0; row < n; row++) {
      const source = net.pad(step, from + row * step.inCount * FLOAT);
      net.convolve(source, step.weightsAt, step.biasAt, at + row * step.count * FLOAT, step.shape[0], step.shape[1], filters,
        step.stride[1] * channels * FLOAT, step.stride[0] * line, rows, line, columns * channels * FLOAT, least);
    }
  },
};

export class Network {
  /**
   * @param described what `export_model` gives, without the weights
   * @param weights   their bytes
   * @param start     (memory) => the kernel's function, see kernel.js
   */
  constructor(described, weights, start) {
    this.memory = new Memory();
    this.classes = described.classes;
    this.halves = tableOfHalves();
    this.bytes = weights;
    this.parts = described.parts;
    this.places = new Map(); // by part and tensor, where it lies and for how many rows there is room
    this.padded = this.memory.take(0);
    for (const part of Object.values(this.parts)) this.prepare(part);
    this.bytes = this.halves = null; // everything is in memory by now
    const kernel = start(this.memory);
    this.convolve = kernel.run;
    this.simd = kernel.simd;
  }

  /** Read a slot as float32, wherever it is asked for again. */
  read(slot) {
    if (slot.values) return slot.values;
    const { buffer, byteOffset } = this.bytes, start = byteOffset + slot.at;
    const Kind = slot.type === "float16" ? Uint16Array : Float32Array;
    const raw = new Kind(buffer, start, slot.count);
    slot.values = new Float32Array(slot.count);
    if (slot.type === "float32") slot.values.set(raw);
    else for (let i = 0; i < slot.count; i++) slot.values[i] = this.halves[raw[i]];
    return slot.values;
  }

  /** Learn the shapes of a part, and put its weights into memory. */
  prepare(part) {
    const shapes = part.input ? { [part.input]: [SIDE, SIDE, CHANNELS[part.input]] } : {};
    let widest = 0;
    for (const step of part.steps) {
      step.inShape = shapes[step.in[0]] ?? step.inShape;
      step.count = countOf(step.shape);
      shapes[step.out] = step.shape;
      if (step.op === "convolve") {
        this.keepWeights(step);
        step.inShape ??= [step.taps];
        step.inCount = step.shape.length === 1 ? step.taps : countOf(step.inShape);
        const [top, left, bottom, right] = step.pad, [height, width, channels] = step.inShape;
        if (step.shape.length > 1) widest = Math.max(widest, (height + top + bottom) * (width + left + right) * channels);
      }
      if (step.op === "scale") this.read(step.factor), this.read(step.shift);
    }
    if (widest > (this.widest ?? 0)) {
      this.widest = widest;
      this.padded = this.memory.take(widest);
    }
  }

  /** A layer's weights times the factor of each filter: the kernel's blocks of eight filters, the last of four. */
  keepWeights(step) {
    const filters = step.shape.at(-1), factor = this.read(step.factor), values = this.read(step.weights);
    step.taps = values.length / filters;
    step.weightsAt = this.memory.take(values.length);
    step.biasAt = this.memory.take(filters + 4);
    const f = this.memory.floats;
    for (let first = 0; first < filters; first += 8) {
      const width = Math.min(8, filters - first), end = (first + width) * step.taps;
      let to = step.weightsAt / FLOAT + first * step.taps;
      for (let from = first * step.taps; from < end; from += width) {
        for (let k = 0; k < width; k++) f[to++] = values[from + k] * factor[first + k];
      }
    }
    f.set(this.read(step.bias), step.biasAt / FLOAT);
    step.weights.values = step.factor.values = null; // not needed twice
  }

  /** Copy a row's map into the middle of zeros, if the layer looks beyond its border. */
  pad(step, from) {
    const [top, left, bottom, right] = step.pad, [height, width, channels] = step.inShape;
    if (!(top + left + bottom + right)) return from;
    const f = this.memory.floats, across = (width + left + right) * channels, to = this.padded / FLOAT;
    f.fill(0, to, to + (height + top + bottom) * across);
    for (let row = 0; row < height; row++) {
      const start = from / FLOAT + row * width * channels;
      f.copyWithin(to + (row + top) * across + left * channels, start, start + width * channels);
    }
    return this.padded;
  }

  /** Where a tensor lies, with room for `n` rows. */
  place(part, name, count, n) {
    const key = `${part} ${name}`, known = this.places.get(key);
    if (known && known.n >= n) return known.at;
    const at = this.memory.take((n + 3) * count); // the kernel computes four pixels at a time
    this.places.set(key, { at, n });
    return at;
  }

  /**
   * Run a part on `n` rows.
   * @param given Float32Array by name of what comes in: n rows, one after the other
   * @returns Float32Array by name of its outputs
   */
  run(name, given, n) {
    const part = this.parts[name], at = {}, counts = {};
    for (const [input, values] of Object.entries(given)) {
      counts[input] = values.length / n;
      at[input] = this.place(name, input, counts[input], n);
    }
    for (const step of part.steps) {
      counts[step.out] = step.count;
      at[step.out] = this.place(name, step.out, step.count, n);
    }
    for (const [input, values] of Object.entries(given)) this.memory.floats.set(values, at[input] / FLOAT);
    for (const step of part.steps) STEPS[step.op](this, step, at[step.out], step.in.map((each) => at[each]), n);
    const found = {};
    for (const output of part.outputs) {
      const start = at[output] / FLOAT;
      found[output] = this.memory.floats.slice(start, start + n * counts[output]);
    }
    return found;
  }

  /** What a modality's branch finds in one input: a Float32Array for each tensor that the head asks for. */
  branch(modality, values) {
    return this.run(modality, { [modality]: values }, 1);
  }

  /** Probabilities of every combination of a speech and an image: [speech][image] Float32Array(classes). */
  combine(speeches, images) {
    const n = speeches.length * images.length, given = {};
    const rows = speeches.flatMap((speech) => images.map((image) => ({ ...speech, ...image })));
    for (const name of this.parts.head.inputs) {
      const size = rows[0][name].length;
      given[name] = new Float32Array(n * size);
      rows.forEach((row, i) => given[name].set(row[name], i * size));
    }
    const [output] = this.parts.head.outputs, found = this.run("head", given, n)[output], stored = found.length / n;
    const scores = (i) => found.slice(i * stored, i * stored + this.classes);
    return speeches.map((_, s) => images.map((_, k) => scores(s * images.length + k)));
  }
}
