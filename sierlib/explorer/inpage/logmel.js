/** From 16 kHz sound to the network's log-mel, as sierlib.data.speech.log_mel computes it. */

const BINS = 2048, HOP = 800, FLOOR = -80;

/** Slaney's mel scale: linear below 1,000 Hz, logarithmic above. */
const STEP = 200 / 3, KNEE = 1000, GROWTH = Math.log(6.4) / 27;
const melOf = (hertz) => (hertz < KNEE ? hertz / STEP : KNEE / STEP + Math.log(hertz / KNEE) / GROWTH);
const hertzOf = (mel) => (mel < KNEE / STEP ? mel * STEP : KNEE * Math.exp(GROWTH * (mel - KNEE / STEP)));

/** Triangles over the bins of the spectrum, one for each band: {start, weights}. */
function melBands() {
  const highest = melOf(SOUND_RATE / 2);
  const edges = Array.from({ length: SIDE + 2 }, (_, i) => hertzOf((highest * i) / (SIDE + 1)));
  return Array.from({ length: SIDE }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3), weights = [];
    let start = -1;
    for (let bin = 0; bin <= BINS / 2; bin++) {
      const hertz = (bin * SOUND_RATE) / BINS;
      const weight = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      if (weight <= 0) continue;
      if (start < 0) start = bin;
      weights.push(weight);
    }
    return { start: Math.max(0, start), weights };
  });
}

/** Fourier transform in place, of a length that is a power of two (Cooley and Tukey). */
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / size, c = Math.cos(angle), s = Math.sin(angle);
      for (let i = k; i < n; i += size) {
        const j = i + half, re = real[j] * c - imaginary[j] * s, im = real[j] * s + imaginary[j] * c;
        real[j] = real[i] - re;
        imaginary[j] = imaginary[i] - im;
        real[i] += re;
        imaginary[i] += im;
      }
    }
  }
}

let bands = null;

/**
 * @param sound samples at 16 kHz; what lies beyond 6.4 s is cut
 * @returns Float32Array(128 * 128), row by row, low frequencies first, in [0, 1]: 0 is -80 dB or less
 */
export function logMel(sound) {
  bands ??= melBands();
  const length = SIDE * HOP, padded = new Float64Array(length + BINS);
  padded.set(sound.subarray(0, length), BINS / 2); // each step looks as far back as ahead
  const hann = Float64Array.from({ length: BINS }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / BINS));
  const gain = 2 / hann.reduce((sum, value) => sum + value); // a full-scale tone has power 1
  const found = new Float32Array(SIDE * SIDE), power = new Float64Array(BINS / 2 + 1);
  for (let step = 0; step < SIDE; step++) {
    const real = new Float64Array(BINS), imaginary = new Float64Array(BINS);
    for (let i = 0; i < BINS; i++) real[i] = padded[step * HOP + i] * hann[i] * gain;
    transform(real, imaginary);
    for (let bin = 0; bin < power.length; bin++) power[bin] = real[bin] ** 2 + imaginary[bin] ** 2;
    bands.forEach(({ start, weights }, band) => {
      const sum = weights.reduce((all, weight, i) => all + weight * power[start + i], 0);
      const decibels = 10 * Math.log10(Math.max(1e-10, sum));
      found[band * SIDE + step] = Math.min(0, Math.max(FLOOR, decibels)) / -FLOOR + 1;
    });
  }
  return found;
}
