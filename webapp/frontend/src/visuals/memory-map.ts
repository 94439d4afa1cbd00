import { MOMENTS, type Moments } from "./memory-moments";
import type { VisualFrame } from "./visual";

/** Where moments are shown: unrolled into a coil, rippling, and thrown outwards by the beat. */

/** A beat runs outwards from the present so fast, in units of space a second, and is gone beyond so many steps. */
const BEAT_SPEED = 28;
export const BEAT_STEPS = 8;
const BEAT_STEP_SECONDS = 1 / 30;
/** Between two steps of a beat, in units of space. */
export const BEAT_STEP = BEAT_SPEED * BEAT_STEP_SECONDS;

/** How far a beat throws lights away from the present, as a share of their distance, and upwards. */
const THROW = 0.18;
const LIFT = 0.16;

export interface Unrolling {
  /** Radius of the coil. */
  readonly coil: number;
  /** How far it has turned, in radians. */
  readonly swirl: number;
  /** Height of the wave that runs from the present along the path. */
  readonly ripple: number;
  /** The song's age in musical seconds. */
  readonly musicSeconds: number;
}

/** Write the pulse that has come so many steps from the present. */
export function writeBeats(out: Float32Array, frame: VisualFrame): void {
  for (let step = 0; step < BEAT_STEPS; step++) {
    const pulse = step === 0 ? frame.pulse : frame.pulseAt(frame.timeSeconds - step * BEAT_STEP_SECONDS);
    out[step] = pulse;
  }
}

/** Move a song's moments, which lie where they sound alike, to where they are shown. */
export function unroll(moments: Moments, unrolling: Unrolling, beats: Float32Array): void {
  const { data, count } = moments;
  const { coil, swirl, ripple, musicSeconds } = unrolling;
  for (let i = 0; i < count; i++) {
    const age = data[4 * (MOMENTS + i) + 3] ?? 0;
    // Time is a dimension of its own: moments that are alike unroll into a spiral, the oldest outside.
    const turn = 8.5 * Math.log((3.5 + musicSeconds - age) / (3.5 + musicSeconds)) + swirl;
    const out01 = Math.sqrt(age / (musicSeconds + 6));
    const wave = Math.sin(0.5 * turn + 0.11 * musicSeconds) * 0.35 * out01;
    const rippled =
      ripple *
      Math.sin(7 * Math.sqrt(age + 0.2) - 2.6 * musicSeconds) *
      Math.exp(-0.22 * age) *
      (1 - Math.exp(-1.6 * age));
    move(
      data,
      i,
      coil * out01 * Math.cos(turn) + 0.13 * rippled,
      coil * wave + 0.4 * rippled,
      coil * out01 * Math.sin(turn) + 0.1 * rippled,
    );
  }
  for (let i = 1; i < count - 1; i += 2) settle(moments, i);
  throwOutwards(moments, beats);
}

function move(data: Float32Array, i: number, x: number, y: number, z: number): void {
  data[4 * i] = (data[4 * i] ?? 0) + x;
  data[4 * i + 1] = (data[4 * i + 1] ?? 0) + y;
  data[4 * i + 2] = (data[4 * i + 2] ?? 0) + z;
}

/** A light that fades for good glides into the curve that stays when it has gone, and takes on its strength. */
function settle({ data, count, stay }: Moments, i: number): void {
  const share = stay[i] ?? 0;
  if (share >= 1) return;
  const at = (index: number, channel: number): number =>
    data[4 * Math.min(count - 1, Math.max(0, index)) + channel] ?? 0;
  for (let axis = 0; axis < 3; axis++) {
    const between = (9 * (at(i - 1, axis) + at(i + 1, axis)) - at(i - 3, axis) - at(i + 3, axis)) / 16;
    data[4 * i + axis] = between + (at(i, axis) - between) * share;
  }
  const strength = 4 * MOMENTS + 2;
  const between = ((data[strength + 4 * (i - 1)] ?? 0) + (data[strength + 4 * (i + 1)] ?? 0)) / 2;
  data[strength + 4 * i] = between + ((data[strength + 4 * i] ?? 0) - between) * share;
}

/** Let the beat run through the lights: what it has reached is thrown outwards. */
function throwOutwards({ data, count }: Moments, beats: Float32Array): void {
  const head = 4 * (count - 1);
  const [x = 0, y = 0, z = 0] = data.subarray(head, head + 3);
  for (let i = 0; i < count; i++) {
    const dx = (data[4 * i] ?? 0) - x;
    const dy = (data[4 * i + 1] ?? 0) - y;
    const dz = (data[4 * i + 2] ?? 0) - z;
    const far = Math.hypot(dx, dy, dz);
    const beat = beatAt(beats, far / BEAT_STEP);
    data[4 * (2 * MOMENTS + i)] = beat;
    const thrown = THROW * beat;
    move(data, i, thrown * dx, thrown * dy + (LIFT * beat * far) / (0.6 + far), thrown * dz);
  }
}

function beatAt(beats: Float32Array, step: number): number {
  const whole = Math.min(BEAT_STEPS - 1, Math.floor(step));
  const here = beats[whole] ?? 0;
  const beyond = beats[whole + 1] ?? 0;
  return here + (beyond - here) * Math.min(1, step - whole);
}

/**
 * Write which moments stand for the song: evenly spread over its musical time, as numbers of moments with fractions.
 */
export function writeLandmarks(out: Float32Array, { data, count }: Moments, musicSeconds: number): void {
  let i = 0;
  const age = (index: number): number => data[4 * (MOMENTS + index) + 3] ?? 0;
  out.forEach((_, k) => {
    const wanted = musicSeconds * (1 - (k + 0.5) / out.length);
    while (i < count - 2 && age(i + 1) > wanted) i++;
    const step = age(i) - age(Math.min(i + 1, count - 1));
    out[k] = i + (step > 0 ? Math.min(1, Math.max(0, (age(i) - wanted) / step)) : 0);
  });
}
