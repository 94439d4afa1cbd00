import { describe, expect, it } from "vitest";
import { calmFrame } from "./calm";
import type { VisualFrame } from "./visual";

const musicSecondsAt = (seconds: number): number => 1.3 * seconds;
const pulseAt = (seconds: number): number => Math.max(0, 1 - 2 * (seconds % 0.7));

function calmAt(timeSeconds: number, at: (seconds: number) => number[]): VisualFrame {
  const frame: VisualFrame = {
    timeSeconds,
    musicSeconds: musicSecondsAt(timeSeconds),
    pulse: pulseAt(timeSeconds),
    parameters: at(timeSeconds),
    travel: [8, 4],
    recall: (seconds, out) => out.set(at(seconds)),
    pulseAt,
    musicSecondsAt,
  };
  return calmFrame(frame);
}

const waving = (seconds: number): number[] => [0.5 + 0.5 * Math.sin(9 * seconds), 0.1 + 0.02 * seconds];

/** How far each parameter goes in all between 10 and 20 s. */
function moved(at: (seconds: number) => ArrayLike<number>): number[] {
  const sums = [0, 0];
  for (let seconds = 10; seconds < 20; seconds += 0.02) {
    const [before, after] = [at(seconds), at(seconds + 0.02)];
    sums.forEach((_, i) => (sums[i]! += Math.abs(after[i]! - before[i]!)));
  }
  return sums;
}

describe("a calm frame", () => {
  it("lets what moves fast move less than half as much, and what moves slowly go as far", () => {
    const [fast = NaN, slow = NaN] = moved(waving);
    const [calmFast = NaN, calmSlow = NaN] = moved((seconds) => calmAt(seconds, waving).parameters);
    expect(calmFast / fast).toBeLessThan(0.5);
    expect(calmSlow / slow).toBeCloseTo(1, 3);
  });

  it("reaches what stands, as far as that is", () => {
    for (const value of [0, 0.3, 1])
      expect(calmAt(5, () => [value, value]).parameters[0]).toBeCloseTo(value, 6);
  });

  it("has weaker pulses, and slower musical time and travel", () => {
    const calm = calmAt(1.4, waving);
    expect(calm.pulse).toBeCloseTo(0.25, 9);
    expect(calm.musicSeconds).toBeCloseTo(0.25 * 1.3 * 1.4, 9);
    expect(Array.from(calm.travel)).toEqual([2, 1]);
  });

  it("recalls what it shows", () => {
    const calm = calmAt(3, waving);
    const out = new Float32Array(2);
    calm.recall(3, out);
    Array.from(calm.parameters).forEach((value, i) => expect(out[i]).toBeCloseTo(value, 6));
    expect(calm.pulseAt(3)).toBe(calm.pulse);
    expect(calm.musicSecondsAt(3)).toBe(calm.musicSeconds);
  });
});
