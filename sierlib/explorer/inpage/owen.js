/**
 * Owen values of the regions of speech and image, level by level: what sierlib.shapley.explain(method="owen") computes.
 * A region's value is the mean over its contexts of f(context and region) - f(context); its halves inherit every context
 * twice, with the other half absent and present. f is the mean over the other modality absent and whole.
 */

export const DEEPEST = 5; // a coalition is a number with a bit for each of the finest regions

/** Boxes [first row, end row, first column, end column] of each level; region k has the halves 2k and 2k + 1. */
export function divide(modality, depth) {
  const levels = [[[0, SIDE, 0, SIDE]]];
  for (let level = 0; level < depth; level++) {
    levels.push(levels[level].flatMap(([r0, r1, c0, c1]) => {
      if (modality === "image" && r1 - r0 >= c1 - c0) {
        const middle = (r0 + r1) >> 1;
        return [[r0, middle, c0, c1], [middle, r1, c0, c1]];
      }
      const middle = (c0 + c1) >> 1;
      return [[r0, r1, c0, middle], [r0, r1, middle, c1]];
    }));
  }
  return levels;
}

/** The finest regions in which an input is not what is absent anyway, as bits. */
export function liveRegions(values, baseline, boxes) {
  const channels = values.length / SIDE / SIDE;
  let live = 0;
  boxes.forEach(([r0, r1, c0, c1], leaf) => {
    for (let row = r0; row < r1; row++) {
      for (let i = (row * SIDE + c0) * channels; i < (row * SIDE + c1) * channels; i++) {
        if (values[i] !== baseline[i]) return (live |= 1 << leaf), undefined;
      }
    }
  });
  return live >>> 0;
}

/** An input of which only the regions of a coalition are present. */
export function masked(values, baseline, boxes, mask) {
  const channels = values.length / SIDE / SIDE, found = Float32Array.from(baseline);
  boxes.forEach(([r0, r1, c0, c1], leaf) => {
    if (!((mask >>> leaf) & 1)) return;
    for (let row = r0; row < r1; row++) {
      const start = (row * SIDE + c0) * channels, end = (row * SIDE + c1) * channels;
      found.set(values.subarray(start, end), start);
    }
  });
  return found;
}

/**
 * Values of all classes, a level at a time.
 * @param score async (modality, masks) => for each mask the scores [absent, whole], by state of the other modality, of
 *   all classes
 * @param live  {speech, image}: bits from `liveRegions`
 * @param heard called with (level, {speech, image}) as soon as a level is known: for each region its values by class
 * @returns {base, value, interaction}, each by class, and `count`, how many pairs were scored
 */
export async function owen(score, live, depth, heard) {
  const known = { speech: new Map(), image: new Map() }, corners = {};
  const span = (level, k) => {
    const width = 1 << (depth - level);
    return width === 32 ? 0xffffffff : ((((1 << width) - 1) << (k * width)) >>> 0);
  };
  const learn = async (modality, masks) => {
    const reduced = new Set(masks.map((mask) => (mask & live[modality]) >>> 0));
    const missing = [...reduced].filter((mask) => !known[modality].has(mask));
    const scores = missing.length ? await score(modality, missing) : [];
    missing.forEach((mask, i) => known[modality].set(mask, scores[i].map((each) => Float64Array.from(each))));
  };
  const scoresOf = (modality, mask) => known[modality].get((mask & live[modality]) >>> 0);
  const mean = (modality, mask) => {
    const [absent, whole] = scoresOf(modality, mask);
    return absent.map((value, k) => (value + whole[k]) / 2);
  };

  let regions = { speech: [[{ mask: 0, weight: 1 }]], image: [[{ mask: 0, weight: 1 }]] }; // contexts of each region
  for (let level = 0; level <= depth; level++) {
    const values = {};
    for (const modality of MODALITIES) {
      const asked = regions[modality].flatMap((contexts, k) =>
        contexts.flatMap(({ mask }) => [mask, (mask | span(level, k)) >>> 0]));
      await learn(modality, asked);
      values[modality] = regions[modality].map((contexts, k) => {
        const sums = mean(modality, 0).fill(0);
        for (const { mask, weight } of contexts) {
          const within = mean(modality, mask | span(level, k)), without = mean(modality, mask);
          within.forEach((value, c) => (sums[c] += weight * (value - without[c])));
        }
        return sums;
      });
    }
    if (level === 0) {
      [corners.nothing, corners.image] = scoresOf("speech", 0);
      [corners.speech, corners.both] = scoresOf("speech", span(0, 0));
    }
    heard(level, values);
    const halve = (modality) => regions[modality].flatMap((contexts, k) => {
      const first = span(level + 1, 2 * k), second = span(level + 1, 2 * k + 1);
      const inherit = (other) => contexts.flatMap(({ mask, weight }) =>
        [{ mask, weight: weight / 2 }, { mask: (mask | other) >>> 0, weight: weight / 2 }]);
      return [inherit(second), inherit(first)];
    });
    if (level < depth) regions = { speech: halve("speech"), image: halve("image") };
  }
  return {
    count: 2 * (known.speech.size + known.image.size),
    base: corners.nothing,
    value: corners.both,
    interaction: corners.both.map((both, c) => both - corners.speech[c] - corners.image[c] + corners.nothing[c]),
  };
}
