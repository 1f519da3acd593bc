/* The sound: decoded, silenced in part, played. */

const FADE = 0.008; // seconds

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Undo G.711 mu-law; done here, so that nothing depends on the browser's codecs or on a running AudioContext. */
function soundOf({ encoding, data }) {
  if (encoding !== "mulaw") throw new Error(`sound encoded as “${encoding}” cannot be decoded`);
  return Float32Array.from(bytesOf(data), (code) => {
    const u = ~code & 255, size = (((u & 15) << 3) + 132 << (u >> 4 & 7)) - 132;
    return (u & 128 ? -size : size) / 32768;
  });
}

/** Highest absolute value in each of `count` stretches, relative to the loudest. */
function peaksOf(sound, count) {
  const peaks = Array.from({ length: count }, (_, i) =>
    largest(sound.subarray(Math.floor(i * sound.length / count), Math.floor((i + 1) * sound.length / count))));
  return peaks.map((p) => p / (largest(peaks) || 1));
}

/** Silence the steps that do not stay, with short fades against clicks. */
function muted(sound, rate, step, stays) {
  let gain = 0;
  const rise = 1 / (FADE * rate);
  return sound.map((x, i) => {
    const goal = stays[Math.min(stays.length - 1, Math.floor(i / rate / step))] ? 1 : 0;
    gain += clamp(goal - gain, -rise, rise);
    return x * gain;
  });
}

/** Plays one sound at a time; the audio context is made at the first press of a button, as browsers demand. */
class Player {
  constructor(onmove) {
    this.onmove = onmove;
    this.from = 0;
  }
  /** Play a stretch; `back`, if given, is where the sound stands afterwards. */
  start(samples, rate, from, until, back) {
    this.stop();
    this.context ??= new AudioContext();
    this.context.resume();
    const buffer = this.context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    Object.assign(this, { source, from, until, back, began: this.context.currentTime });
    source.start(0, from, Math.max(0.02, until - from));
    source.onended = () => this.source === source && this.stop(true);
    document.dispatchEvent(new CustomEvent("sier-explorer-plays", { detail: this }));
    this.follow(0);
  }
  get position() {
    return this.source ? Math.min(this.until, this.from + this.context.currentTime - this.began) : this.from;
  }
  follow(last) {
    if (!this.source) return;
    const now = performance.now(), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const due = !still || now - last > 500; // reduced motion: the cursor steps, it does not glide
    if (due) this.onmove(this.position, true);
    requestAnimationFrame(() => this.follow(due ? now : last));
  }
  stop(ended = false) {
    if (!this.source) return;
    this.from = this.back ?? (ended ? this.until : this.position);
    const { source } = this;
    this.source = null;
    source.stop();
    this.onmove(this.from, false);
  }
}
