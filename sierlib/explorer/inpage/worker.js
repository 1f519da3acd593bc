/** What a worker does: load a network once, then predict, and score coalitions of a sample. It answers {id, found} or {id, error}. */

let network = null, sample = null, pieces = []; // bytes of weights
const shown = {}; // features of the pair on view

/** Bytes of base64; a loop, since `Uint8Array.from` takes seconds for megabytes. */
function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Refuse weights that are not those that were exported. */
async function check(bytes, { bytes: expected, checksum }) {
  if (bytes.length !== expected) throw new Error(`the model file is cut off: ${bytes.length} of ${expected} bytes`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = [...hash.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== checksum) throw new Error("the model file is damaged: its checksum is another one");
}

const TASKS = {
  take({ text }) {
    pieces.push(bytesOf(text));
  },
  async load({ described }) {
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    pieces = null;
    await check(bytes, described);
    network = new Network(described, bytes, startKernel);
    return network.simd;
  },
  /** Probabilities of a pair; what does not come along is as it was the last time. */
  predict(given) {
    for (const m of MODALITIES) if (given[m]) shown[m] = network.branch(m, given[m]);
    return network.combine([shown.speech], [shown.image])[0][0];
  },
  /** Take a sample to explain: what it shows, what is shown of what is absent, and to which depth it is divided. */
  sample({ inputs, baselines, depth }) {
    const boxes = {}, features = {}, live = {};
    for (const m of MODALITIES) {
      boxes[m] = divide(m, depth)[depth];
      live[m] = liveRegions(inputs[m], baselines[m], boxes[m]);
      features[m] = [network.branch(m, baselines[m]), network.branch(m, inputs[m])]; // absent, whole
    }
    sample = { inputs, baselines, boxes, features };
    return live;
  },
  /** Scores of coalitions of one modality, the other one being absent and whole. */
  score({ modality, masks }) {
    const { inputs, baselines, boxes, features } = sample;
    const found = masks.map((mask) =>
      network.branch(modality, masked(inputs[modality], baselines[modality], boxes[modality], mask)));
    if (modality === "speech") return network.combine(found, features.image);
    const [absent, whole] = network.combine(features.speech, found);
    return absent.map((scores, i) => [scores, whole[i]]);
  },
  mel({ sound }) {
    return logMel(sound);
  },
};

self.onmessage = async ({ data: { id, task, ...given } }) => {
  try {
    self.postMessage({ id, found: await TASKS[task](given) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
