import type { Random } from "./random";

/** The shapes of the point clouds, without a GPU. Every cloud's middle is the origin, and it fills about a unit ball. */

/** For each point four numbers: where it is, and when (0: at once, 1: last) a beat reaches it. */
export type CloudPoints = Float32Array;

/** Writes the points number `first` up to, not including, `end`. */
export type CloudShape = (points: CloudPoints, first: number, end: number, random: Random) => void;

const TAU = 2 * Math.PI;

/** About normal, with variance one: six evenly distributed numbers, which never run off to infinity. */
const spread = (random: Random): number =>
  Math.SQRT2 * (random() + random() + random() + random() + random() + random() - 3);

function put(points: CloudPoints, index: number, x: number, y: number, z: number, delay: number): void {
  points[4 * index] = x;
  points[4 * index + 1] = y;
  points[4 * index + 2] = z;
  points[4 * index + 3] = Math.min(Math.max(delay, 0), 1);
}

/** A spiral galaxy: a bulge, arms that thin out, and dust between them. A beat runs outwards. */
export const galaxy: CloudShape = (points, first, end, random) => {
  const nArms = 2 + Math.floor(3 * random());
  const winding = 3.4 + 1.4 * random();
  for (let index = first; index < end; index++) {
    const kind = random();
    if (kind < 0.16) {
      const size = 0.02 + 0.17 * random() ** 1.6;
      const [x, y, z] = [size * spread(random), 0.72 * size * spread(random), size * spread(random)];
      put(points, index, x, y, z, Math.hypot(x, y, z));
      continue;
    }
    const radius = 0.1 + 1.02 * random() ** 0.8;
    const inArm = kind < 0.86;
    const arm = (Math.floor(nArms * random()) * TAU) / nArms;
    const around = inArm
      ? arm + (spread(random) * (0.05 + 0.3 * random() ** 2)) / (0.25 + radius)
      : TAU * random();
    const angle = around + winding * Math.sqrt(radius);
    const height = 0.035 * spread(random) * (1.25 - 0.6 * radius) * (inArm ? 1 : 2.2);
    put(points, index, radius * Math.cos(angle), height, radius * Math.sin(angle), radius / 1.12);
  }
};

const KNOTS = [
  [2, 3],
  [3, 4],
  [2, 5],
  [3, 5],
  [3, 2],
] as const;

/** Threads that wind around a torus knot. A beat runs along it both ways. */
export const knot: CloudShape = (points, first, end, random) => {
  const [around, through] = KNOTS[Math.floor(KNOTS.length * random())] ?? KNOTS[0];
  const nThreads = 5 + Math.floor(3 * random());
  const twist = around * through + 1;
  const on = (t: number, radius: number, share: number): [number, number, number] => {
    const distance = 0.64 + radius * Math.cos(through * t + share);
    return [
      distance * Math.cos(around * t),
      radius * Math.sin(through * t + share),
      distance * Math.sin(around * t),
    ];
  };
  for (let index = first; index < end; index++) {
    const t = TAU * random();
    const loose = random() < 0.14;
    const thread = (Math.floor(nThreads * random()) * TAU) / nThreads + twist * t;
    const away = loose ? 0.13 * Math.abs(spread(random)) : 0.1;
    const blur = loose ? 0.02 : 0.008;
    const [x, y, z] = on(t, 0.32 + away * Math.cos(thread), (away / 0.32) * Math.sin(thread));
    put(
      points,
      index,
      x + blur * spread(random),
      y + blur * spread(random),
      z + blur * spread(random),
      Math.abs(t / Math.PI - 1),
    );
  }
};

type Flow = (x: number, y: number, z: number) => [number, number, number];

/** Three well-known flows whose particles never settle (found by Aizawa, Halvorsen and Thomas). */
const FLOWS: readonly { readonly flow: Flow; readonly step: number }[] = [
  {
    flow: (x, y, z) => [
      (z - 0.7) * x - 3.5 * y,
      3.5 * x + (z - 0.7) * y,
      0.6 + 0.95 * z - z ** 3 / 3 - (x * x + y * y) * (1 + 0.25 * z) + 0.1 * z * x ** 3,
    ],
    step: 0.012,
  },
  {
    flow: (x, y, z) => [
      -1.89 * x - 4 * y - 4 * z - y * y,
      -1.89 * y - 4 * z - 4 * x - z * z,
      -1.89 * z - 4 * x - 4 * y - x * x,
    ],
    step: 0.005,
  },
  {
    flow: (x, y, z) => [Math.sin(y) - 0.19 * x, Math.sin(z) - 0.19 * y, Math.sin(x) - 0.19 * z],
    step: 0.06,
  },
];

/** The way of a particle that never settles and never repeats itself. A beat runs outwards. */
export const attractor: CloudShape = (points, first, end, random) => {
  const chosen = FLOWS[Math.floor(FLOWS.length * random())];
  if (chosen === undefined) return;
  const { flow, step } = chosen;
  let [x, y, z] = [0.4 + 0.4 * random(), 0.1 + 0.3 * random(), 0.1 * random()];
  let [sumX, sumY, sumZ] = [0, 0, 0];
  const nWarmUp = 300;
  const nStepsEach = 5;
  for (let index = first - nWarmUp; index < end; index++) {
    for (let count = 0; count < nStepsEach; count++) {
      // Half a step ahead the flow is about what it is on average over the step.
      const [u, v, w] = flow(x, y, z);
      const [du, dv, dw] = flow(x + 0.5 * step * u, y + 0.5 * step * v, z + 0.5 * step * w);
      [x, y, z] = [x + step * du, y + step * dv, z + step * dw];
    }
    if (index < first) continue;
    put(points, index, x, y, z, 0);
    [sumX, sumY, sumZ] = [sumX + x, sumY + y, sumZ + z];
  }
  const count = end - first;
  let largest = 0;
  for (let index = first; index < end; index++) {
    const [px, py, pz] = [
      (points[4 * index] ?? 0) - sumX / count,
      (points[4 * index + 1] ?? 0) - sumY / count,
      (points[4 * index + 2] ?? 0) - sumZ / count,
    ];
    put(points, index, px, py, pz, 0);
    largest = Math.max(largest, Math.hypot(px, py, pz));
  }
  const scale = 1.12 / largest;
  const blur = 0.007;
  for (let index = first; index < end; index++) {
    const px = scale * (points[4 * index] ?? 0);
    const py = scale * (points[4 * index + 1] ?? 0);
    const pz = scale * (points[4 * index + 2] ?? 0);
    put(
      points,
      index,
      // The third axis is the one that these flows turn about.
      px + blur * spread(random),
      pz + blur * spread(random),
      py + blur * spread(random),
      Math.hypot(px, py, pz) / 1.12,
    );
  }
};

/** What a star left when it burst: threads on a crumpled shell, and an ember within. A beat runs from pole to pole. */
export const shell: CloudShape = (points, first, end, random) => {
  const waves = Array.from({ length: 9 }, (_, index) => {
    const [x, y, z] = [spread(random), spread(random), spread(random)];
    const frequency = (1.7 + 0.75 * index) / Math.hypot(x, y, z);
    return [x * frequency, y * frequency, z * frequency, TAU * random(), 1 / (1.6 + 0.55 * index)] as const;
  });
  for (let index = first; index < end;) {
    const y = 2 * random() - 1;
    const angle = TAU * random();
    const [x, z] = [Math.sqrt(1 - y * y) * Math.cos(angle), Math.sqrt(1 - y * y) * Math.sin(angle)];
    let [field, other] = [0, 0];
    waves.forEach(([kx, ky, kz, phase, weight], number) => {
      const wave = weight * Math.sin(kx * x + ky * y + kz * z + phase);
      if (number % 2 === 0) field += wave;
      else other += wave;
    });
    const crest = 1 / (1 + (field / 0.1) ** 2);
    if (random() > 0.1 + 0.9 * crest) continue;
    const ember = random() < 0.1;
    const radius = ember
      ? 0.3 * random() ** 0.7
      : 0.86 + 0.2 * other + 0.02 * spread(random) - 0.1 * (1 - crest);
    put(points, index, radius * x, radius * y, radius * z, 0.5 + 0.5 * y);
    index++;
  }
};

export const SHAPES: readonly CloudShape[] = [galaxy, knot, attractor, shell];

/** One cloud of every shape, `nEach` points each, in an order of the seed's choosing. */
export function createClouds(nEach: number, random: Random): CloudPoints {
  const points = new Float32Array(4 * nEach * SHAPES.length);
  const left = [...SHAPES];
  for (let first = 0; left.length > 0; first += nEach) {
    const [shape] = left.splice(Math.floor(left.length * random()), 1);
    shape?.(points, first, first + nEach, random);
  }
  return points;
}
