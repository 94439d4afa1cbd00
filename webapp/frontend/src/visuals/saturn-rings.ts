import type { Random } from "./random";

/** Saturn without a GPU: how dense its disc is where, and what bands its planet has. */

/** A disc's density, from its inner edge to its outer one, [0, 1]. */
export type DiscProfile = Float32Array;

const smoothstep = (from: number, to: number, value: number): number => {
  const share = Math.min(Math.max((value - from) / (to - from), 0), 1);
  return share * share * (3 - 2 * share);
};

/** A disc of ringlets with a wide gap, as Cassini saw one, a few narrow ones, and a thin inner part. */
export function discProfile(length: number, random: Random): DiscProfile {
  const waves = Array.from(
    { length: 8 },
    (_, index) =>
      [(7 + 9 * index) * (0.8 + 0.4 * random()), 2 * Math.PI * random(), 0.34 / (1 + 0.35 * index)] as const,
  );
  const innerPart = 0.16 + 0.12 * random();
  const gaps = [
    [0.56 + 0.12 * random(), 0.035 + 0.02 * random()],
    [0.88 + 0.05 * random(), 0.01],
    [innerPart, 0.012],
    [0.3 + 0.18 * random(), 0.008],
  ] as const;
  return Float32Array.from({ length }, (_, index) => {
    const place = (index + 0.5) / length;
    let density = 0.62;
    for (const [frequency, phase, weight] of waves)
      density += weight * 0.6 * Math.sin(frequency * place + phase);
    density *= 0.35 + 0.65 * smoothstep(innerPart - 0.02, innerPart + 0.05, place);
    for (const [middle, halfWidth] of gaps) {
      density *= 0.04 + 0.96 * smoothstep(0.7 * halfWidth, 1.3 * halfWidth, Math.abs(place - middle));
    }
    density *= smoothstep(0, 0.03, place) * smoothstep(1, 0.985, place);
    return Math.min(Math.max(density, 0), 1);
  });
}

/** Places between the inner and the outer edge, [0, 1], that follow a profile: crowded ringlets and empty gaps. */
export function scatter(profile: DiscProfile, count: number, random: Random): Float32Array {
  let total = 0;
  // The farther out, the longer is the way around.
  const sums = Float64Array.from(profile, (density, index) => {
    total += density * (1 + index / profile.length);
    return total;
  });
  return Float32Array.from({ length: count }, () => {
    const wanted = total * random();
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    const before = low === 0 ? 0 : (sums[low - 1] ?? 0);
    const step = (sums[low] ?? 0) - before;
    return (low + (step > 0 ? (wanted - before) / step : 0.5)) / profile.length;
  });
}

/**
 * The planet's bands from pole to pole, four bytes each: tone (dark to light), how much of the second hue, how turbulent,
 * and how fast the wind blows (128: not at all).
 */
export function bands(length: number, random: Random): Uint8Array {
  const edges = [0];
  while ((edges.at(-1) ?? 1) < 1) edges.push((edges.at(-1) ?? 0) + 0.035 + 0.085 * random());
  const looks = edges.map((_, index) => [
    (index % 2 === 0 ? 0.25 : 0.72) + 0.3 * (random() - 0.5),
    random() ** 2,
    0.25 + 0.75 * random(),
    (index % 2 === 0 ? 1 : -1) * (0.4 + 0.6 * random()),
  ]);
  const out = new Uint8Array(4 * length);
  for (let index = 0; index < length; index++) {
    const place = (index + 0.5) / length;
    let band = 0;
    while (band < edges.length - 2 && (edges[band + 1] ?? 1) <= place) band++;
    const share = smoothstep((edges[band + 1] ?? 1) - 0.022, (edges[band + 1] ?? 1) + 0.001, place);
    for (let channel = 0; channel < 4; channel++) {
      const here = looks[band]?.[channel] ?? 0;
      const value = here + ((looks[band + 1]?.[channel] ?? here) - here) * share;
      out[4 * index + channel] = Math.round(channel === 3 ? 127.5 + 127.5 * value : 255 * value);
    }
  }
  return out;
}
