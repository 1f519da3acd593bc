/* The worker of rival.py: takes addresses of onnxruntime-web and a network once, then pairs; answers with probabilities. */

let ort = null, session = null;

const floats = (values) => (values instanceof Float32Array ? values : Float32Array.from(values));
const shaped = (values, channels) => new ort.Tensor("float32", floats(values), [1, 128, 128, channels]);

async function start({ glue, runtime, network }) {
  ort = await import(glue);
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: { wasm: runtime } });
  session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
}

async function predict({ speech, image }) {
  const found = await session.run({ speech: shaped(speech, 1), image: shaped(image, 3) });
  return Object.values(found)[0].data;
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ found: await (data.glue ? start(data) : predict(data)) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
