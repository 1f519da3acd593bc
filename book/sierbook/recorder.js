/**
 * A button that records from the microphone and hands the kernel a wav file: 16 kHz, mono, 16 bits.
 * Browsers record in containers of their own; the sound is decoded here, so that the kernel needs no codec for them.
 */

const RATE = 16000;

/** Decode whatever the browser recorded, and mix and resample it. */
async function samplesOf(blob) {
  const decoder = new OfflineAudioContext(1, 1, RATE); // decoding resamples to the context's rate
  const sound = await decoder.decodeAudioData(await blob.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
  return channels[0].map((_, i) => channels.reduce((sum, one) => sum + one[i], 0) / channels.length);
}

/** Wrap samples in [-1, 1] in a RIFF header. */
function wavOf(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  const fields = [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, RATE, 4], [28, 2 * RATE, 4], [32, 2, 2], [34, 16, 2]];
  text(0, "RIFF"), text(8, "WAVEfmt "), text(36, "data");
  view.setUint32(4, view.byteLength - 8, true);
  view.setUint32(40, 2 * samples.length, true);
  for (const [at, value, bytes] of fields) bytes === 4 ? view.setUint32(at, value, true) : view.setUint16(at, value, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.min(1, Math.max(-1, x))), true));
  return view;
}

function render({ model, el }) {
  const button = document.createElement("button"), said = document.createElement("span");
  button.type = "button";
  button.className = "jupyter-button";
  said.setAttribute("role", "status");
  said.style.marginInlineStart = "1em";
  el.append(button, said);
  let recorder = null, timer = 0;

  const idle = (text) => {
    button.textContent = "Record";
    said.textContent = text;
  };
  const stop = () => {
    clearTimeout(timer);
    if (recorder?.state === "recording") recorder.stop();
  };
  const start = async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) { // no microphone, not allowed, or a page that is neither local nor https
      return idle(`The microphone cannot be used (${error.message}). Choose “a file” instead.`);
    }
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = async () => {
      stream.getTracks().forEach((track) => track.stop());
      try {
        const samples = await samplesOf(new Blob(parts, { type: recorder.mimeType }));
        model.set("wav", wavOf(samples));
        model.save_changes();
        idle(`${(samples.length / RATE).toFixed(1)} s recorded`);
      } catch (error) {
        idle(`The recording cannot be decoded (${error.message}).`);
      }
    };
    recorder.start();
    timer = setTimeout(stop, 1000 * model.get("at_most"));
    button.textContent = "Stop";
    said.textContent = `recording, ${model.get("at_most")} s at most`;
  };
  button.addEventListener("click", () => (recorder?.state === "recording" ? stop() : start()));
  idle("");
  return stop;
}

export default { render };
