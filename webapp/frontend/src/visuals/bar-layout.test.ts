import { describe, expect, it } from "vitest";
import { BAR_COUNT, barLayout } from "./bar-layout";

describe("barLayout", () => {
  for (const [width, height] of [
    [360, 640],
    [390, 844],
    [1280, 720],
    [1281, 721],
    [3840, 2160],
    [3440, 1440],
    [220, 120],
  ] as const) {
    it(`fits ten equal bars into ${width}x${height}`, () => {
      const bars = barLayout(width, height);
      expect(bars).toHaveLength(BAR_COUNT);
      const [first, second] = bars;
      const last = bars.at(-1);
      expect(first!.left).toBeGreaterThanOrEqual(0);
      expect(last!.right).toBeLessThanOrEqual(width);
      expect(Math.abs(first!.left - (width - last!.right))).toBeLessThanOrEqual(1); // centred
      expect(second!.left).toBeGreaterThan(first!.right); // apart
      for (const bar of bars) {
        expect(bar.right - bar.left).toBe(first!.right - first!.left);
        expect(bar.baseline).toBeLessThan(height);
        expect(bar.baseline - bar.fullLength).toBeGreaterThan(0);
        for (const edge of [bar.left, bar.right, bar.baseline, bar.fullLength]) {
          expect(Number.isInteger(edge)).toBe(true);
        }
      }
    });
  }
});
