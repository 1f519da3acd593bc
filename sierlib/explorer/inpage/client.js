/* The model on call: workers that hold it, and what a page may ask of them. */

const MOST_WORKERS = 4, CHUNK = 6; // coalitions that a worker scores before it looks up

/** A worker that answers one question at a time, in order. */
class Helper {
  constructor(source) {
    this.address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(this.address);
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data: { id, found, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(found);
      else reject(new Error(error));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.lose();
    };
  }
  ask(task, given = {}) {
    return new Promise((resolve, reject) => {
      if (this.lost) return reject(new Error(LOST));
      const id = this.count++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...given });
    });
  }
  /** Give up on the worker and on all that it was asked. */
  lose() {
    this.lost = true;
    this.worker.terminate();
    URL.revokeObjectURL(this.address);
    for (const { reject } of this.waiting.values()) reject(new Error(LOST));
    this.waiting.clear();
  }
}
const LOST = "the model's worker was lost, perhaps for want of memory: load the model again";

/** Refuse what the network does not take. */
function checkInput(name, values) {
  const expected = SIDE * SIDE * CHANNELS[name];
  if (values?.length !== expected) throw new Error(`${name} has ${values?.length ?? "no"} values; expected ${expected}`);
  for (const value of values) {
    if (!(value >= 0 && value <= 1)) throw new Error(`${name} has the value ${value}; expected numbers from 0 to 1`);
  }
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** Run one of the scripts that hold the model; `holds` tells whether it has left what it should. */
function runScript(address, holds) {
  const script = document.createElement("script");
  return new Promise((resolve, reject) => {
    script.src = address;
    script.onload = () => (holds() ? resolve()
      : reject(new Error(`${address} is no model of this book, or it is cut off: build the book again`)));
    script.onerror = () => reject(new Error(`${address} is not beside this page: keep the book's folder together`));
    document.head.append(script);
  }).finally(() => {
    script.remove();
    URL.revokeObjectURL(address); // of a text from the kernel
  });
}

/** In Jupyter the kernel has the scripts: ask it for their text, and give addresses of it. */
export function askKernel(model) {
  return new Promise((resolve) => {
    const heard = (_, texts) => {
      model.off("msg:custom", heard);
      resolve(texts.map((text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }))));
    };
    model.on("msg:custom", heard);
    model.send("scripts");
  });
}

export class Engine {
  /** @param findScripts async () => addresses of the scripts; the first one describes the model, the others hold its weights */
  constructor(findScripts) {
    this.findScripts = findScripts;
    this.helpers = [];
  }
  get ready() { return this.helpers.length > 0 && !this.helpers.some((helper) => helper.lost); }

  /**
   * Load the model into workers, once; asked again while it loads, there is one loading.
   * @param heard called with the share of the work that is done
   */
  load(heard = () => {}) {
    if (!this.ready && !this.loading) this.loading = this.begin(heard).finally(() => (this.loading = null));
    return this.loading ?? Promise.resolve(this.about);
  }
  async begin(heard) {
    this.close();
    delete globalThis.sierlibModel;
    const [first, ...others] = await this.findScripts();
    await runScript(first, () => globalThis.sierlibModel?.engine);
    const { engine, ...described } = globalThis.sierlibModel, weights = (globalThis.sierlibModel.weights = []);
    const cores = navigator.hardwareConcurrency ?? 1;
    const wanted = clamp(cores - 1, Math.min(2, cores), MOST_WORKERS); // the page itself has little to do meanwhile
    const helpers = Array.from({ length: wanted }, () => new Helper(engine));
    try {
      const askAll = (task, given) => Promise.all(helpers.map((helper) => helper.ask(task, given)));
      for (const [k, address] of others.entries()) { // one by one: the page stands still while it reads one
        heard((k + 1) / (others.length + 2));
        await runScript(address, () => weights.length === k + 1);
        await askAll("take", { text: weights[k] });
      }
      heard((others.length + 1) / (others.length + 2));
      const { parts, classes, bytes, checksum } = described;
      const fast = await askAll("load", { described: { parts, classes, bytes, checksum } });
      this.about = { ...described.about, simd: fast[0], workers: wanted };
    } catch (error) {
      helpers.forEach((helper) => helper.lose());
      throw error;
    } finally {
      delete globalThis.sierlibModel; // the workers have it
    }
    this.inputs = described.inputs;
    this.helpers = helpers;
    return this.about;
  }
  close() {
    this.helpers.forEach((helper) => helper.lose());
    this.helpers = [];
  }
  check() {
    if (!this.ready) throw new Error(this.helpers.length ? LOST : "the model is not loaded yet");
  }

  /** Probabilities of a pair; of what is left out, the last one's is taken. */
  async predict(given) {
    this.check();
    const inputs = {};
    for (const m of MODALITIES) if (given[m]) inputs[m] = checkInput(m, given[m]);
    return this.helpers[0].ask("predict", inputs);
  }
  async mel(sound) {
    this.check();
    return this.helpers[0].ask("mel", { sound });
  }

  /**
   * Owen values of a pair.
   * @param options.heard  called with (level, {speech, image}): for each region its values by class
   * @param options.signal of an AbortController, which stops it
   */
  async explain(given, depth, { heard = () => {}, signal } = {}) {
    this.check();
    if (!(Number.isInteger(depth) && depth >= 0 && depth <= DEEPEST)) {
      throw new Error(`depth is ${depth}; expected a whole number from 0 to ${DEEPEST}`);
    }
    const inputs = {}, baselines = {};
    for (const m of MODALITIES) {
      inputs[m] = checkInput(m, given[m]);
      baselines[m] = new Float32Array(inputs[m].length); // silence and black
    }
    const [live] = await Promise.all(this.helpers.map((helper) => helper.ask("sample", { inputs, baselines, depth })));
    const score = async (modality, masks) => {
      const found = new Array(masks.length);
      let next = 0;
      await Promise.all(this.helpers.map(async (helper) => {
        while (next < masks.length) {
          signal?.throwIfAborted();
          const start = next;
          next += CHUNK;
          const scores = await helper.ask("score", { modality, masks: masks.slice(start, start + CHUNK) });
          scores.forEach((each, i) => (found[start + i] = each));
        }
      }));
      return found;
    };
    return owen(score, live, depth, heard);
  }
}

/** Values of a level as rows of a picture, whatever the order of its regions: `rows` by `cols`, of one class. */
export function gridOf(modality, level, values, target) {
  const boxes = divide(modality, level)[level];
  const order = boxes.map((box, k) => k).sort((a, b) => boxes[a][0] - boxes[b][0] || boxes[a][2] - boxes[b][2]);
  const rows = new Set(boxes.map(([top]) => top)).size;
  return { rows, cols: boxes.length / rows, values: order.map((k) => values[k][target]) };
}

/** What scripts may use, under `window.sierlibLive`. */
export function forScripts(engine) {
  return {
    load: () => engine.load(),
    logMel: (sound) => engine.mel(Float32Array.from(sound)),
    predict: async (pair) => Array.from(await engine.predict({ speech: checkInput("speech", pair?.speech), image: checkInput("image", pair?.image) })),
    async explain({ speech, image, target, depth = 3 }) {
      let finest = null;
      const found = await engine.explain({ speech, image }, depth, { heard: (_, values) => (finest = values) });
      const k = target ?? found.value.indexOf(Math.max(...found.value));
      if (!(k in found.value)) throw new Error(`target is ${target}; expected a number from 0 to ${found.value.length - 1}`);
      const of = (m) => gridOf(m, depth, finest[m], k).values;
      return { value: found.value[k], base: found.base[k], interaction: found.interaction[k], target: k, speech: of("speech"), image: of("image") };
    },
  };
}
