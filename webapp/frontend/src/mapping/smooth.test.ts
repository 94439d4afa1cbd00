import { expect, it } from "vitest";
import { pastWeight, pastWeights, smooth } from "./smooth";

const tickSeconds = 0.01;
const weights = (attack: number, release: number, elapsed: number) =>
  pastWeights({ attack, release, tickSeconds }, elapsed);

it("depends on time alone", () => {
  for (const target of [0.9, 0.1]) {
    const whole = smooth(0.5, target, weights(0.5, 0.8, 0.03));
    let stepped = 0.5;
    for (let i = 0; i < 12; i++) stepped = smooth(stepped, target, weights(0.5, 0.8, 0.0025));
    expect(stepped).toBeCloseTo(whole, 12);
  }
});

it("equals the original at its tick", () => {
  expect(smooth(0.2, 0.9, weights(0.7, 0.7, tickSeconds))).toBeCloseTo(0.7 * 0.2 + 0.3 * 0.9, 12);
});

it("rises by attack and falls by release", () => {
  expect(smooth(0, 1, weights(0.25, 0.9, tickSeconds))).toBeCloseTo(0.75, 12);
  expect(smooth(1, 0, weights(0.25, 0.9, tickSeconds))).toBeCloseTo(0.9, 12);
});

it("has its ends: 0 follows at once, 1 never moves", () => {
  expect(pastWeight(0, tickSeconds, 1e-6)).toBe(0);
  expect(pastWeight(1, tickSeconds, 99)).toBe(1);
  expect(pastWeight(0, tickSeconds, 0)).toBe(1);
});
