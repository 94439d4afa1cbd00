import { expect, it } from "vitest";
import { emphasised, mix } from "./curves";

it("mixes from one to the other", () => {
  expect([0, 0.25, 1].map((share) => mix(2, 6, share))).toEqual([2, 3, 6]);
});

it("emphasises the middle and keeps the ends and the order", () => {
  for (const fixed of [0, 0.5, 1]) expect(emphasised(fixed)).toBeCloseTo(fixed, 12);
  expect(emphasised(0.6) - emphasised(0.4)).toBeGreaterThan(0.3);
  const values = Array.from({ length: 101 }, (_, i) => emphasised(i / 100));
  expect(values).toEqual(values.toSorted((a, b) => a - b));
});
