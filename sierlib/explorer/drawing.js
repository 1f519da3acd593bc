/* Pictures: maps of values over the photograph, the log-mel and the waveform. */

// Those of sierlib.colours: orange against blue can be told apart with every common colour blindness; blue to yellow is the paper's waveform.
const FOR = [235, 110, 10], AGAINST = [38, 118, 232], LEAST = [64, 132, 226], MOST = [255, 220, 58];
const BLACK = "#0b0e12"; // what the model sees in place of a removed part
const PIXELS = 128, CANVAS = 512, WAVE = [840, 120], MEL = [840, 168], BLURRED = 8;

/** Values of a grid on a finer lattice: blocks, or bilinear between the blocks' centres. */
function field({ rows, cols, values }, height, width, smooth) {
  const out = new Float32Array(height * width);
  const axis = (n, size) => Array.from({ length: size }, (_, i) => {
    if (!smooth) return [Math.floor(i * n / size), 0];
    const x = clamp((i + 0.5) * n / size - 0.5, 0, n - 1);
    return [Math.min(Math.floor(x), Math.max(0, n - 2)), x - Math.min(Math.floor(x), Math.max(0, n - 2))];
  });
  const ys = axis(rows, height), xs = axis(cols, width);
  const at = (r, c) => values[Math.min(r, rows - 1) * cols + Math.min(c, cols - 1)];
  ys.forEach(([r, fy], y) => xs.forEach(([c, fx], x) => {
    out[y * width + x] = fx || fy
      ? (1 - fy) * ((1 - fx) * at(r, c) + fx * at(r, c + 1)) + fy * ((1 - fx) * at(r + 1, c) + fx * at(r + 1, c + 1))
      : at(r, c);
  }));
  return out;
}

/** A map as a small canvas: hue by sign, strength by size; `flip` puts row 0 (lowest frequency) at the bottom. */
function mapCanvas(grid, scale, smooth, flip) {
  const height = grid.rows > 1 ? PIXELS : 1, values = field(grid, height, PIXELS, smooth);
  const canvas = h("canvas", { width: PIXELS, height }), context = canvas.getContext("2d");
  const pixels = context.createImageData(PIXELS, height);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / PIXELS), t = scale ? values[i] / scale : 0;
    const to = 4 * ((flip ? height - 1 - row : row) * PIXELS + i % PIXELS);
    pixels.data.set(t < 0 ? AGAINST : FOR, to);
    pixels.data[to + 3] = 255 * Math.min(1, Math.abs(t)) ** 0.8;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function line(context, x0, y0, x1, y1) {
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
}

/** A small tile of diagonal lines, dark beside light so that they show on any picture. */
const HATCH = (() => {
  const tile = h("canvas", { width: 16, height: 16 }), context = tile.getContext("2d");
  for (const [style, shift] of [["rgb(0 0 0 / 0.42)", 0], ["rgb(255 255 255 / 0.42)", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = 1.6;
    context.beginPath();
    for (const x of [-16, 0, 16]) line(context, x + shift - 2, 18, x + shift + 18, -2);
    context.stroke();
  }
  return tile;
})();

/** A picture blurred as the baseline is, near enough for the eye: drawn small, to be drawn large again. */
function blurredCanvas(source) {
  const canvas = h("canvas", { width: BLURRED, height: BLURRED }), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, BLURRED, BLURRED);
  return canvas;
}

/** Fill removed rectangles with what the model sees there: black, or the blurred picture, of which `share` is shown. */
function fillRemoved(context, rectangles, blurred, share = 1) {
  const { width, height } = context.canvas, path = new Path2D();
  for (const rectangle of rectangles) path.rect(...rectangle);
  context.save();
  context.clip(path);
  context.imageSmoothingEnabled = true;
  if (blurred) context.drawImage(blurred, 0, 0, BLURRED * share, BLURRED, 0, 0, width, height);
  else context.fillRect(0, 0, width, height);
  context.restore();
}

/** The photograph's map: colours, what is removed, and a line around what matters. */
function drawImageMap(canvas, view, scale, blurred) {
  const { rows, cols } = view.image, context = canvas.getContext("2d"), w = CANVAS / cols, t = CANVAS / rows;
  const gone = staying(view.imageMatter, view.keep).flatMap((s, i) =>
    (s ? [] : [[(i % cols) * w, Math.floor(i / cols) * t, w, t]]));
  context.clearRect(0, 0, CANVAS, CANVAS);
  context.globalAlpha = view.opacity;
  context.imageSmoothingEnabled = view.smooth;
  context.drawImage(mapCanvas(view.image, scale, view.smooth, false), 0, 0, CANVAS, CANVAS);
  context.globalAlpha = 1;
  context.fillStyle = BLACK;
  fillRemoved(context, gone, blurred);
  if (view.keep === "all") outline(context, view);
}

/** A line between the regions that matter and the others, and a hatch over those. */
function outline(context, { image: { rows, cols }, imageMatter }) {
  const w = CANVAS / cols, t = CANVAS / rows;
  context.fillStyle = context.createPattern(HATCH, "repeat");
  imageMatter.forEach((m, i) => m || context.fillRect((i % cols) * w, Math.floor(i / cols) * t, w, t));
  context.beginPath();
  imageMatter.forEach((m, i) => {
    const c = i % cols, r = Math.floor(i / cols), x = (c + 1) * w, y = (r + 1) * t;
    if (c + 1 < cols && m !== imageMatter[i + 1]) line(context, x, y - t, x, y);
    if (r + 1 < rows && m !== imageMatter[i + cols]) line(context, x - w, y, x, y);
  });
  for (const [style, width] of [["rgb(0 0 0 / 0.6)", 5], ["#fff", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/** The log-mel as a grey picture, low frequencies at the bottom; made once per sample. */
function melCanvas({ rows, cols, data }) {
  const bytes = bytesOf(data);
  if (bytes.length !== rows * cols) throw new Error("the log-mel is incomplete");
  return greyCanvas(bytes, rows, cols);
}

function greyCanvas(bytes, rows, cols) {
  const canvas = h("canvas", { width: cols, height: rows }), context = canvas.getContext("2d");
  const pixels = context.createImageData(cols, rows);
  bytes.forEach((v, i) => {
    const to = 4 * ((rows - 1 - Math.floor(i / cols)) * cols + i % cols), grey = 18 + 0.86 * v;
    pixels.data.set([grey, grey + 2, grey + 5, 255], to);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** The log-mel under its map, over the spoken part of the window. */
function drawMel(canvas, view, mel, scale, blurred) {
  const [width, height] = MEL, context = canvas.getContext("2d"), { window: whole, duration } = view.sample;
  const share = Math.min(1, duration / whole), w = view.frame / duration * width;
  const gone = staying(view.matter, view.keep).flatMap((s, i) => (s ? [] : [[i * w, 0, w + 0.5, height]]));
  context.imageSmoothingEnabled = true;
  context.drawImage(mel, 0, 0, mel.width * share, mel.height, 0, 0, width, height);
  context.imageSmoothingEnabled = view.smooth;
  context.globalAlpha = 0.8 * view.opacity;
  const map = mapCanvas(view.speech, scale, view.smooth, true);
  context.drawImage(map, 0, 0, map.width * share, map.height, 0, 0, width, height);
  context.globalAlpha = 1;
  context.fillStyle = BLACK;
  fillRemoved(context, gone, blurred, share);
}

/** The waveform from blue (least important) to yellow (most), a flat line where it is silenced. */
function drawWave(canvas, view, peaks) {
  const [width, height] = WAVE, context = canvas.getContext("2d"), { columns, spoken } = view;
  const bar = width / peaks.length, middle = (height - 14) / 2, perBar = view.sample.duration / peaks.length;
  const low = Math.min(...spoken), range = Math.max(...spoken) - low || 1, stays = staying(view.matter, view.keep);
  context.fillStyle = BLACK;
  context.fillRect(0, 0, width, height);
  peaks.forEach((peak, i) => {
    const seconds = (i + 0.5) * perBar, at = Math.min(FRAMES - 1, Math.floor(seconds / view.frame));
    const value = columns[Math.min(columns.length - 1, Math.floor(seconds / view.step))];
    const size = stays[at] ? Math.max(1.5, peak * (middle - 2)) : 1;
    context.fillStyle = stays[at] ? mix(LEAST, MOST, (value - low) / range) : "#66707c";
    context.fillRect(i * bar, middle - size, bar - 1, 2 * size);
    context.fillStyle = view.matter[at] ? "#e8ebef" : "#2b333d"; // the strip below marks what matters
    context.fillRect(i * bar, height - 9, bar + 0.5, 5);
  });
}
