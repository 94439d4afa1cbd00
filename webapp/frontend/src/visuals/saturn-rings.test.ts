import { describe, expect, it } from "vitest";
import { createRandom } from "./random";
import { bands, discProfile, scatter } from "./saturn-rings";

describe.each([1, 2, 3, 4, 5])("discProfile, seed %i", (seed) => {
  const profile = discProfile(512, createRandom(seed));

  it("has ringlets, gaps and soft edges", () => {
    expect(Math.max(...profile)).toBeGreaterThan(0.6);
    expect(Math.min(...profile.subarray(60, 500))).toBeLessThan(0.1);
    expect(profile[0]).toBeLessThan(0.1);
    expect(profile[511]).toBeLessThan(0.1);
    for (const density of profile) expect(density >= 0 && density <= 1).toBe(true);
  });

  it("is followed by what is scattered", () => {
    const places = scatter(profile, 20_000, createRandom(seed));
    const counts = new Float64Array(32);
    for (const place of places) counts[Math.floor(32 * place)]! += 1;
    let total = 0;
    const expected = Float64Array.from({ length: 32 }, (_, part) => {
      let sum = 0;
      for (let i = 16 * part; i < 16 * (part + 1); i++) sum += profile[i]! * (1 + i / 512);
      total += sum;
      return sum;
    });
    counts.forEach((count, part) => {
      const wanted = (20_000 * expected[part]!) / total;
      expect(Math.abs(count - wanted)).toBeLessThan(5 * Math.sqrt(wanted) + 5);
    });
  });
});

describe("bands", () => {
  it("alternate, and pass into each other", () => {
    const strip = bands(512, createRandom(1));
    const tones = Array.from({ length: 512 }, (_, index) => strip[4 * index]!);
    expect(Math.max(...tones) - Math.min(...tones)).toBeGreaterThan(80);
    const steps = tones.slice(1).map((tone, index) => Math.abs(tone - tones[index]!));
    expect(Math.max(...steps)).toBeLessThan(40);
  });
});
