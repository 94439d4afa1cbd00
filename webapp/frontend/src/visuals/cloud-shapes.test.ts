import { describe, expect, it } from "vitest";
import { createClouds, SHAPES } from "./cloud-shapes";
import { createRandom } from "./random";

const N = 3000;

describe.each(SHAPES.map((shape) => [shape.name, shape] as const))("%s", (_, shape) => {
  it.each([1, 2, 3, 4, 5, 6, 7])("fills about a unit ball, seed %i", (seed) => {
    const points = new Float32Array(4 * N);
    shape(points, 0, N, createRandom(seed));
    let [largest, sum, earliest, latest] = [0, 0, 1, 0];
    for (let index = 0; index < N; index++) {
      const [x = NaN, y = NaN, z = NaN, delay = NaN] = points.subarray(4 * index, 4 * index + 4);
      const away = Math.hypot(x, y, z);
      largest = Math.max(largest, away);
      sum += away / N;
      [earliest, latest] = [Math.min(earliest, delay), Math.max(latest, delay)];
    }
    expect(earliest).toBeGreaterThanOrEqual(0);
    expect(earliest).toBeLessThan(0.45);
    expect(latest).toBeGreaterThan(0.8);
    expect(latest).toBeLessThanOrEqual(1);
    expect(largest).toBeGreaterThan(0.8);
    expect(largest).toBeLessThan(1.6);
    expect(sum).toBeGreaterThan(0.3);
  });
});

describe("createClouds", () => {
  it("repeats itself for the same seed and no other", () => {
    const clouds = createClouds(50, createRandom(1));
    expect(createClouds(50, createRandom(1))).toEqual(clouds);
    expect(createClouds(50, createRandom(2))).not.toEqual(clouds);
  });

  it("leaves no point out", () => {
    const clouds = createClouds(50, createRandom(3));
    for (let index = 0; index < 4 * 50; index++) {
      expect(Math.hypot(...clouds.subarray(4 * index, 4 * index + 3))).toBeGreaterThan(0);
    }
  });
});
