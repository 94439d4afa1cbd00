import { createRandom } from "./random";

/** When and where lightning strikes: a function of how far the storm has come, so that any moment can be drawn alone. */

export const CELLS = 3;

/** Numbers that describe what one cell does now. */
export const CELL_VALUES = 4;

/** Strikes per second in each cell: three cells at their fastest stay well below three strikes a second. */
export const SLOWEST_STRIKES = 0.08;
export const FASTEST_STRIKES = 0.5;

/** No strike begins or ends faster than this: light that swells and fades, nowhere a flash. */
const ATTACK_SECONDS = 0.16;
const CALM_ATTACK_SECONDS = 0.9;

const smoothstep = (from: number, to: number, value: number): number => {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
};

/** Strikes per second in each cell for an interval parameter: high means long intervals. */
export const strikeRate = (interval: number): number =>
  FASTEST_STRIKES + (SLOWEST_STRIKES - FASTEST_STRIKES) * interval;

/** How bright a strike is, in [0, 1], some seconds after it began. Every strike has faded before the next begins. */
export function strikeLight(ageSeconds: number, duration: number, rate: number, calm: boolean): number {
  const attack = calm ? CALM_ATTACK_SECONDS : ATTACK_SECONDS;
  const end = Math.min(attack + 0.35 + 1.1 * duration, 0.92 / rate);
  return smoothstep(0, attack, ageSeconds) * (1 - smoothstep(attack * 0.7, end, ageSeconds));
}

/**
 * Write `CELL_VALUES` numbers for each cell to `out`: the strike's place across the picture in [-1, 1], its light in
 * [0, 1], how far its bolt has grown in [0, 1], and a number in [0, 1) that shapes it.
 *
 * @param intervalTravel the interval parameter's integral since the start, in seconds
 */
export function writeStrikes(
  out: Float32Array,
  seed: number,
  timeSeconds: number,
  intervalTravel: number,
  interval: number,
  duration: number,
  calm: boolean,
): void {
  const rate = strikeRate(interval);
  const strikes = FASTEST_STRIKES * timeSeconds + (SLOWEST_STRIKES - FASTEST_STRIKES) * intervalTravel;
  for (let cell = 0; cell < CELLS; cell++) {
    const phase = strikes + (cell + 0.45) / CELLS + 0.21 * seed;
    const strike = Math.floor(phase);
    const age = (phase - strike) / rate;
    const random = createRandom(seed + 1000 * strike + 7 * cell);
    const place = ((cell + 0.15 + 0.7 * random()) / CELLS) * 2 - 1;
    out[CELL_VALUES * cell] = place;
    out[CELL_VALUES * cell + 1] = strikeLight(age, duration, rate, calm);
    out[CELL_VALUES * cell + 2] = smoothstep(0, ATTACK_SECONDS, age);
    out[CELL_VALUES * cell + 3] = random();
  }
}
