import { describe, expect, it } from "vitest";
import { writeOklch } from "./oklch";

function oklch(lightness: number, chroma: number, hue: number): number[] {
  const out = [9, 9, 9, 9, 9];
  writeOklch(out, 1, lightness, chroma, hue);
  expect([out[0], out[4]]).toEqual([9, 9]); // writes its three numbers only
  return out.slice(1, 4);
}

describe("writeOklch", () => {
  it("makes greys without chroma", () => {
    for (const [lightness, light] of [
      [0, 0],
      [0.5, 0.125],
      [1, 1],
    ] as const) {
      for (const channel of oklch(lightness, 0, 0.3)) expect(channel).toBeCloseTo(light, 3);
    }
  });

  it("knows sRGB's red", () => {
    const [red, green, blue] = oklch(0.62796, 0.25768, 29.2339 / 360);
    expect(red).toBeCloseTo(1, 2);
    expect(green).toBeCloseTo(0, 2);
    expect(blue).toBeCloseTo(0, 2);
  });

  it("gives up chroma rather than leave the screen's colours", () => {
    for (let hue = 0; hue < 1; hue += 1 / 36) {
      for (const channel of oklch(0.76, 0.4, hue)) {
        expect(channel).toBeGreaterThanOrEqual(0);
        expect(channel).toBeLessThanOrEqual(1.001);
      }
    }
  });
});
