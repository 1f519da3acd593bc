/** The convolution of kernel.wat, compiled; and the same in JavaScript, for browsers without SIMD. */

const COMPILED = "AGFzbQEAAAABEQFgDX9/f39/f39/f39/f30AAhABBHBhZ2UGbWVtb3J5AgABAwIBAAcMAQhjb252b2x2ZQAACtkFAdYFAgx/DnsgDP0TIRkgBkECdCERA0AgAiANQQJ0av0ABAAhGiACIA1BAnRq/QAEECEbQQAhDgNAQQAhDwNAIAEhEkEAIRAgGiEfIBohISAaISMgGiElIBshICAbISIgGyEkIBshJgNAIAAgDiAIbCAPIAdsIBAgCmxqamohEyATIAdqIRQgFCAHaiEVIBUgB2ohFiATIAtqIRcgBiANa0EESwRAA0AgEv0ABAAhHCAS/QAEECEdIBP9CQIAIR4gHyAeIBz95gH95AEhHyAgIB4gHf3mAf3kASEgIBT9CQIAIR4gISAeIBz95gH95AEhISAiIB4gHf3mAf3kASEiIBX9CQIAIR4gIyAeIBz95gH95AEhIyAkIB4gHf3mAf3kASEkIBb9CQIAIR4gJSAeIBz95gH95AEhJSAmIB4gHf3mAf3kASEmIBJBIGohEiAUQQRqIRQgFUEEaiEVIBZBBGohFiATQQRqIRMgEyAXSQ0ACwUDQCAS/QAEACEcIB8gE/0JAgAgHP3mAf3kASEfICEgFP0JAgAgHP3mAf3kASEhICMgFf0JAgAgHP3mAf3kASEjICUgFv0JAgAgHP3mAf3kASElIBJBEGohEiAUQQRqIRQgFUEEaiEVIBZBBGohFiATQQRqIRMgEyAXSQ0ACwsgEEEBaiEQIBAgCUkNAAsgAyANQQJ0aiARIA4gBWwgD2psaiEYIBggHyAZ/ekB/QsEACAYIBFqICEgGf3pAf0LBAAgGCARQQF0aiAjIBn96QH9CwQAIBggEUEDbGogJSAZ/ekB/QsEACAGIA1rQQRLBEAgGCAgIBn96QH9CwQQIBggEWogIiAZ/ekB/QsEECAYIBFBAXRqICQgGf3pAf0LBBAgGCARQQNsaiAmIBn96QH9CwQQCyAPQQRqIQ8gDyAFSQ0ACyAOQQFqIQ4gDiAESQ0ACyASIQEgDUEIaiENIA0gBkkNAAsLAI8CBG5hbWUC0AEBACcAAXgBB3dlaWdodHMCBGJpYXMDAXkEBHJvd3MFB2NvbHVtbnMGB2ZpbHRlcnMHBHN0ZXAIBGRvd24JBHRhcHMKBGxpbmULA3J1bgwFbGVhc3QNBmZpbHRlcg4Dcm93DwZjb2x1bW4QA3RhcBEFd2lkdGgSAXcTAXAUAXEVAXIWAXMXA2VuZBgDb3V0GQVmbG9vchoGc3RhcnQwGwZzdGFydDEcAncwHQJ3MR4Bdh8CYTAgAmExIQJiMCICYjEjAmMwJAJjMSUCZDAmAmQxAzUBAAYABWJsb2NrAQlkb3duX3Jvd3MCBmFjcm9zcwMJb3Zlcl90YXBzBQVlaWdodAYEZm91cg==";

/** The compiled kernel over a memory; null where the browser cannot run it. */
export function startCompiled(memory) {
  const text = atob(COMPILED), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  if (!WebAssembly.validate(bytes)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { page: { memory: memory.pages } }).exports.convolve;
}

/** The same function in JavaScript, many times slower. */
export function startPlain(memory) {
  return (x, weights, bias, y, rows, columns, filters, step, down, taps, line, run, least) => {
    const f = memory.floats, length = run / 4, all = taps * length, sums = new Float64Array(8);
    for (let first = 0; first < filters; first += 8) {
      const width = Math.min(8, filters - first), block = weights / 4 + first * all;
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          for (let k = 0; k < width; k++) sums[k] = f[bias / 4 + first + k];
          let w = block;
          for (let tap = 0; tap < taps; tap++) {
            const start = (x + row * down + column * step + tap * line) / 4;
            for (let i = 0; i < length; i++) {
              const value = f[start + i];
              for (let k = 0; k < width; k++) sums[k] += value * f[w++];
            }
          }
          const to = y / 4 + (row * columns + column) * filters + first;
          for (let k = 0; k < width; k++) f[to + k] = Math.max(least, sums[k]);
        }
      }
    }
  };
}

/** The faster of both that the browser can run: {run, simd}. */
export function startKernel(memory) {
  const compiled = startCompiled(memory);
  return compiled ? { run: compiled, simd: true } : { run: startPlain(memory), simd: false };
}
