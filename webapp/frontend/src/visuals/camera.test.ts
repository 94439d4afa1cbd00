import { expect, it } from "vitest";
import { halfHeightTangent } from "./camera";

it("sees as much to the sides in portrait", () => {
  expect(halfHeightTangent(9 / 16) * (9 / 16)).toBeGreaterThan(0.35);
  expect(halfHeightTangent(16 / 9)).toBeCloseTo(halfHeightTangent(3), 5);
});
