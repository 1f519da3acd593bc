/* A reader's own picture and voice, brought to what the network takes. */

const HEARD = 6.4; // seconds that the network hears
const MOST_PIXELS = 50e6, MOST_SECONDS = 120, LEAST_SECONDS = 0.1;
const VOICE_LEVEL = 0.0543, SILENT = 1e-4; // as in sierlib.data.speech.recordings

/** Scale a picture as a whole to a square; halved step by step, since a canvas looks at few pixels at a time. */
function squareOf(source, width, height, side) {
  let canvas = source, w = width, h_ = height;
  while (w > 2 * side || h_ > 2 * side) {
    const next = h("canvas", { width: Math.max(side, Math.ceil(w / 2)), height: Math.max(side, Math.ceil(h_ / 2)) });
    drawOnWhite(next, canvas);
    [canvas, w, h_] = [next, next.width, next.height];
  }
  return drawOnWhite(h("canvas", { width: side, height: side }), canvas);
}

function drawOnWhite(canvas, source) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // what is transparent lies on white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Red, green and blue of a canvas in [0, 1], row by row. */
function valuesOf(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, SIDE, SIDE), values = new Float32Array(3 * SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) for (let c = 0; c < 3; c++) values[3 * i + c] = data[4 * i + c] / 255;
  return values;
}

/** Values back on a canvas. */
function canvasOf(values) {
  const canvas = h("canvas", { width: SIDE, height: SIDE }), context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(255 * values[3 * i + c]);
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** A file, or what was pasted, as the network's picture. */
async function readPicture(file) {
  const name = file.name || "the picture";
  let picture;
  try {
    picture = await createImageBitmap(file); // turned as the camera was held
  } catch {
    const heic = /hei[cf]/i.test(`${file.type} ${file.name}`);
    throw new Error(`${name} ${heic ? "is a HEIC photograph, which this browser" : "is damaged, too large, or of a kind that this browser"} `
      + "cannot read: save it as JPEG or PNG");
  }
  const { width, height } = picture;
  if (width * height > MOST_PIXELS) {
    picture.close();
    throw new Error(`${name} has ${Math.ceil(width * height / 1e6)} million pixels, and 50 are the most: make it smaller`);
  }
  const values = valuesOf(squareOf(picture, width, height, SIDE));
  picture.close();
  return values;
}

/** A file or a recording as samples at 16 kHz, with what was noticed. */
async function readSound(file) {
  const name = file.name || "the recording";
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, SOUND_RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`${name} cannot be decoded by this browser: try WAV, MP3 or OGG`);
  }
  if (decoded.duration > MOST_SECONDS) throw new Error(`${name} is ${Math.round(decoded.duration)} s long, and ${MOST_SECONDS} s are the most`);
  if (decoded.duration < LEAST_SECONDS) throw new Error(`${name} is ${decoded.duration.toFixed(2)} s long: too short to hold a word`);
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
  const sound = new Float32Array(decoded.length);
  for (const channel of channels) channel.forEach((value, i) => (sound[i] += value / channels.length));
  const offset = sound.reduce((sum, value) => sum + value, 0) / sound.length;
  for (let i = 0; i < sound.length; i++) sound[i] -= offset;
  const peak = sound.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (peak < SILENT) throw new Error(`${name} is silent`);
  const gain = Math.min(VOICE_LEVEL / loudnessOf(sound), 1 / peak);
  const note = decoded.duration > HEARD ? `the network hears the first ${HEARD} of ${decoded.duration.toFixed(1)} s` : "";
  return { sound: sound.map((value) => value * gain).subarray(0, HEARD * SOUND_RATE), note };
}

/** Root mean square of the stretches of 50 ms within 30 dB of the loudest. */
function loudnessOf(sound) {
  const step = SOUND_RATE / 20, powers = [];
  for (let start = 0; start < sound.length; start += step) {
    let sum = 0;
    for (let i = start; i < Math.min(start + step, sound.length); i++) sum += sound[i] ** 2;
    powers.push(sum / step);
  }
  const most = Math.max(...powers), loud = powers.filter((power) => power >= most * 1e-3);
  return Math.sqrt(loud.reduce((a, b) => a + b) / loud.length);
}

/** Ask for a camera or a microphone; what was refused is said in words. */
async function askFor(what, constraints) {
  const refuse = (why) => { throw new Error(`the ${what} cannot be used (${why}): choose a file instead`); };
  if (!navigator.mediaDevices) refuse("this browser gives none to a page that is neither local nor https");
  return navigator.mediaDevices.getUserMedia(constraints).catch(({ message }) => refuse(message)); // none, or not allowed
}

/** Record until `stopped` resolves; gives the recording. */
async function record(stream, stopped) {
  const parts = [], recorder = new MediaRecorder(stream);
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  await stopped;
  recorder.stop();
  await ended;
  stream.getTracks().forEach((track) => track.stop());
  return new Blob(parts, { type: recorder.mimeType });
}
