import { expect, it } from "vitest";
import type { VisualDefinition } from "../visuals/visual";
import { idleFrame } from "./idle-frame";
import { affordablePixelRatio } from "./stage";

const definition: VisualDefinition = {
  id: "v",
  title: "V",
  description: "",
  parameters: [0, 0.3, 0.5, 1].map((rest, i) => ({ name: `p${i}`, label: "", rest, moves: true })),
  create: () => {
    throw new Error("not drawn here");
  },
};

it("breathes close to the rest and never leaves the range", () => {
  for (let seconds = 0; seconds < 30; seconds += 0.37) {
    const { parameters } = idleFrame(definition, seconds);
    definition.parameters.forEach(({ rest }, i) => {
      const value = parameters[i]!;
      expect(Math.abs(value - rest)).toBeLessThan(0.06);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    });
  }
});

it("travel is the integral of the parameters", () => {
  const step = 0.01;
  let sum = 0;
  for (let k = 0; k < 1000; k++) sum += idleFrame(definition, (k + 0.5) * step).parameters[2]! * step;
  expect(idleFrame(definition, 10).travel[2]).toBeCloseTo(sum, 3);
});

it("draws no more pixels than a 4K screen has", () => {
  expect(affordablePixelRatio(1280, 720, 1)).toBe(1);
  expect(affordablePixelRatio(1280, 720, 3)).toBe(2);
  expect(affordablePixelRatio(3840, 2160, 2)).toBeCloseTo(1);
});
