import { describe, expect, it } from "vitest";
import { createRandom } from "./random";

const take = (seed: number, count: number): number[] => {
  const random = createRandom(seed);
  return Array.from({ length: count }, random);
};

describe("createRandom", () => {
  it("repeats itself for a seed, and for no other", () => {
    expect(take(7, 20)).toEqual(take(7, 20));
    for (const other of [8, -7, 7.5, 7 + 2 ** 32]) expect(take(7, 20)).not.toEqual(take(other, 20));
  });

  it("spreads evenly over [0, 1)", () => {
    const buckets = new Array<number>(10).fill(0);
    for (const value of take(3, 10_000)) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("starts neighbouring seeds far apart", () => {
    const starts = Array.from({ length: 50 }, (_, seed) => createRandom(seed)());
    const mean = starts.reduce((sum, value) => sum + value, 0) / starts.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.15);
    expect(new Set(starts).size).toBe(50);
  });
});
