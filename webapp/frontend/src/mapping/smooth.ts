/**
 * The weight of the past after `elapsedSeconds`, for an exponential average that keeps `retention` of it per tick.
 * It depends on time alone: however a stretch is divided into steps, the weights multiply to the same.
 *
 * @param retention in [0, 1]; 0 follows at once, 1 never moves
 */
export function pastWeight(retention: number, tickSeconds: number, elapsedSeconds: number): number {
  return elapsedSeconds <= 0 ? 1 : retention ** (elapsedSeconds / tickSeconds);
}

/** One step of the average. */
export function smooth(past: number, value: number, weight: number): number {
  return weight * past + (1 - weight) * value;
}
