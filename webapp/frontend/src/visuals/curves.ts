/** Small shapes that several scenes bend their parameters with. */

export function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** Twice as steep in the middle, where music mostly is, and flat at the ends; 0, 0.5 and 1 stay where they are. */
export function emphasised(value: number): number {
  return value + Math.sin(2 * Math.PI * (value - 0.5)) / (2 * Math.PI);
}
