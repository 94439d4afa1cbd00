import type { TimeSettings } from "../bundle";

/**
 * The weight of the past after `elapsedSeconds`, for an exponential average that keeps `retention` of it per tick.
 * It depends on time alone: however a stretch is divided into steps, the weights multiply to the same.
 *
 * @param retention in [0, 1]; 0 follows at once, 1 never moves
 */
export function pastWeight(retention: number, tickSeconds: number, elapsedSeconds: number): number {
  return elapsedSeconds <= 0 ? 1 : retention ** (elapsedSeconds / tickSeconds);
}

/** The weights of the past for a parameter that rises and for one that falls. */
export interface PastWeights {
  readonly rise: number;
  readonly fall: number;
}

export function pastWeights(
  { attack, release, tickSeconds }: Pick<TimeSettings, "attack" | "release" | "tickSeconds">,
  elapsedSeconds: number,
): PastWeights {
  return {
    rise: pastWeight(attack, tickSeconds, elapsedSeconds),
    fall: pastWeight(release, tickSeconds, elapsedSeconds),
  };
}

/** One step of the average towards `value`. */
export function smooth(past: number, value: number, { rise, fall }: PastWeights): number {
  const weight = value > past ? rise : fall;
  return weight * past + (1 - weight) * value;
}
