import { createRandom } from "./random";
import type { VisualFrame } from "./visual";

/**
 * Where the clouds light up from within: at onsets, each at a place of its own. They are found in the pulse's past, so
 * that any moment can be drawn alone.
 */

/** As many onsets shine at a time: the brightest. */
export const CELLS = 3;

/** Numbers that describe what one cell does now. */
export const CELL_VALUES = 4;

/** The past is looked at in such steps. */
const STEP_SECONDS = 1 / 60;
/** In steps: a time this close before one has reached it. */
const ROUNDING = 1e-6;
/** An onset raises the pulse by more than this from one step to the next, after so many without. */
const LEAST_RISE = 0.03;
const QUIET_STEPS = 3;
/** It has reached its height within so many steps. */
const RISING_STEPS = 3;

/** Light comes up in this time ... */
const ATTACK_SECONDS = 0.04;
/** ... and is gone after this, for the shortest and the longest duration. */
const SHORTEST_SECONDS = 0.25;
const LONGEST_SECONDS = 1.1;

/** An onset this strong throws a bolt, at the shortest and the longest interval. */
const OFTEN_FROM = 0.25;
const SELDOM_FROM = 0.55;

const smoothstep = (from: number, to: number, value: number): number => {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
};

interface Onset {
  /** In steps since the start. */
  readonly step: number;
  /** In [0, 1]: how high the pulse rose. */
  readonly strength: number;
}

/** The onsets of the last `LONGEST_SECONDS`, the latest first. */
function recentOnsets({ timeSeconds, pulseAt }: Pick<VisualFrame, "timeSeconds" | "pulseAt">): Onset[] {
  const latest = Math.floor(timeSeconds / STEP_SECONDS + ROUNDING);
  const n = Math.ceil(LONGEST_SECONDS / STEP_SECONDS) + QUIET_STEPS;
  const pulses = Array.from({ length: n + 1 }, (_, ago) =>
    latest < ago ? 0 : pulseAt(Math.min(timeSeconds, (latest - ago) * STEP_SECONDS)),
  );
  const pulse = (ago: number): number => pulses[ago] ?? 0;
  const rises = (ago: number): boolean => pulse(ago) > pulse(ago + 1) + LEAST_RISE;
  const onsets: Onset[] = [];
  for (let ago = 0; ago < n - QUIET_STEPS; ago++) {
    const before = Array.from({ length: QUIET_STEPS }, (_, i) => rises(ago + 1 + i));
    if (!rises(ago) || before.includes(true)) continue;
    const heights = Array.from({ length: RISING_STEPS }, (_, i) => pulse(Math.max(0, ago - i)));
    onsets.push({ step: latest - ago, strength: Math.max(...heights) });
  }
  return onsets;
}

/** How bright an onset of strength 1 shines, in [0, 1], some seconds after it began. */
export function strikeLight(ageSeconds: number, duration: number): number {
  const end = SHORTEST_SECONDS + (LONGEST_SECONDS - SHORTEST_SECONDS) * duration;
  const left = Math.max(0, 1 - ageSeconds / end);
  return smoothstep(0, ATTACK_SECONDS, ageSeconds) * left * left;
}

/** The strongest onsets shine less than in proportion: what flashes stays small. */
const brightnessOf = (strength: number): number => 0.4 * (1 - Math.exp(-2.5 * strength));

/** How much of a bolt an onset throws, in [0, 1]: high intervals leave only the strongest. */
export function boltOf(strength: number, interval: number): number {
  const from = OFTEN_FROM + (SELDOM_FROM - OFTEN_FROM) * interval;
  return smoothstep(from, from + 0.12, strength);
}

/**
 * Write `CELL_VALUES` numbers for each cell to `out`: the strike's place across the picture in [-1, 1], its light in
 * [0, 1], how much of it is a bolt in [0, 1], and a number in [0, 1) that shapes it.
 */
export function writeStrikes(
  out: Float32Array,
  seed: number,
  frame: Pick<VisualFrame, "timeSeconds" | "pulseAt">,
  interval: number,
  duration: number,
): void {
  const strikes = recentOnsets(frame)
    .map(({ step, strength }) => {
      const age = frame.timeSeconds - step * STEP_SECONDS;
      return { step, strength, light: brightnessOf(strength) * strikeLight(age, duration) };
    })
    .sort((a, b) => b.light - a.light);
  out.fill(0);
  strikes.slice(0, CELLS).forEach(({ step, strength, light }, cell) => {
    const random = createRandom(seed + 1000 * step);
    out.set([2 * random() - 1, light, boltOf(strength, interval), random()], CELL_VALUES * cell);
  });
}
