/* What was computed in the page as a sample of the explorer: see sierlib/explorer/payload.py for the fields. */

const toBase64 = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

/** G.711 mu-law: a byte a sample. */
function muLawOf(sound) {
  return Uint8Array.from(sound, (value) => {
    const size = Math.min(32635, Math.abs(Math.trunc(clamp(value, -1, 1) * 32767))) + 132;
    const exponent = Math.floor(Math.log2(size)) - 7;
    return ~((value < 0 ? 128 : 0) | (exponent << 4) | ((size >> (exponent + 3)) & 15)) & 255;
  });
}

/** Which modality decides: the rule of sierlib.explorer.listening, where no label says whether it is right. */
function decidedBy(speech, image) {
  if (speech > 0 && speech > Math.abs(image)) return "speech";
  return image > 0 && image > Math.abs(speech) ? "image" : "neither";
}

/**
 * @param pair   {id, text, words, sound, speech, image, classes}: sound at 16 kHz, inputs as the network got them
 * @param found  what `Engine.explain` gave, `levels` what it told of each level, `scores` the probabilities
 */
function sampleOf({ id, text, words, sound, speech, image, classes }, found, levels, scores) {
  const duration = Math.max(sound.length / SOUND_RATE, 0.05), byClass = {};
  classes.forEach((name, k) => {
    const grids = levels.map((values, level) =>
      Object.fromEntries(MODALITIES.map((m) => [m, gridOf(m, level, values[m], k)])));
    const [speechValue, imageValue] = MODALITIES.map((m) => grids[0][m].values[0]);
    byClass[name] = { base: found.base[k], value: found.value[k], speech: speechValue, image: imageValue,
      interaction: found.interaction[k], n_evals: found.count, levels: grids };
  });
  const predicted = classes[argmax([...scores])];
  return {
    id, text, window: HEARD, duration, words, classes, scores: [...scores], predicted, label: null,
    image: { src: squareOf(canvasOf(image), SIDE, SIDE, 2 * SIDE).toDataURL("image/png"), alt: `The picture of ${id}` },
    mel: { rows: SIDE, cols: SIDE, data: toBase64(speech.map((value) => Math.round(255 * value))) },
    audio: { rate: SOUND_RATE, encoding: "mulaw", data: toBase64(muLawOf(sound)) },
    teachers: { speech: null, image: null, winner: null }, planted: null,
    decided_by: decidedBy(byClass[predicted].speech, byClass[predicted].image),
    explanations: { owen: byClass }, blurred: {},
  };
}
