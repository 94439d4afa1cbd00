import { describe, expect, it } from "vitest";
import type { TrackScaling } from "../bundle";
import { fitToTrack, percentile, scale } from "./scale";

describe("scale", () => {
  it("is gain * y + offset, clipped", () => {
    const out = new Float32Array(6);
    scale([0, 1, 2, -9, 0.5, 9], { gain: [2, 0.5, 1], offset: [0.1, 0.2, -1.5] }, out);
    [0.1, 0.7, 0.5, 0, 0.45, 1].forEach((expected, i) => expect(out[i]).toBeCloseTo(expected, 6));
    const plain = { gain: [1, 1, 1], offset: [0, 0, 0] };
    expect(() => scale([1, 2], plain, new Float32Array(2))).toThrow(RangeError);
    expect(() => scale([1, 2, 3], plain, new Float32Array(6))).toThrow(RangeError);
  });
});

describe("percentile", () => {
  it("is linear between two values, as numpy's", () => {
    const values = Float64Array.of(4, 8, 1, 2);
    for (const [percent, expected] of [
      [0, 1],
      [100, 8],
      [50, 3],
      [25, 1.75],
      [97.5, 7.7],
    ] as const) {
      expect(percentile(values, percent)).toBeCloseTo(expected, 12);
    }
    expect(percentile(Float64Array.of(5), 97.5)).toBe(5);
  });

  it.each([
    ["any order", (i: number) => Math.sin(i * i)],
    ["rising", (i: number) => i],
    ["falling", (i: number) => -i],
    ["constant", () => 0.25],
    ["few values", (i: number) => (i * 7) % 3],
    ["a peak", (i: number) => -Math.abs(i - 250)],
  ])("finds what sorting finds: %s", (_, value) => {
    const values = Float64Array.from({ length: 501 }, (_, i) => value(i));
    const sorted = values.toSorted();
    for (const percent of [0, 0.2, 2.5, 33.3, 50, 97.5, 100]) {
      const place = (percent / 100) * 500;
      const [a, b] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
      expect(percentile(values.slice(), percent)).toBeCloseTo(a + (place % 1) * (b - a), 12);
    }
  });
});

describe("fitToTrack", () => {
  const scaling = (mode: "features" | "across", gain: number[], maxBoost = 4): TrackScaling => ({
    mode,
    method: "per-track",
    gain,
    offset: [0.25, 0.75],
    percentiles: [0, 100],
    maxBoost,
  });
  const rows = Float64Array.of(0, 10, 1, 14, 2, 12);

  it("brings the track's own range to 0 ... 1", () => {
    const { gain, offset } = fitToTrack(scaling("features", [1, 1]), rows, [0, 1]);
    expect(gain).toEqual([0.5, 0.25]);
    expect(offset).toEqual([0, -2.5]);
  });

  it("takes one range for all parameters across", () => {
    const { gain, offset } = fitToTrack(scaling("across", [1, 1]), rows, [0, 1]);
    expect(gain).toEqual([1 / 14, 1 / 14]);
    expect(offset).toEqual([0, 0]);
  });

  it("is bounded by the training, and keeps its sign", () => {
    const { gain, offset } = fitToTrack(scaling("features", [0.1, -0.01], 2), rows, [0, 1]);
    expect(gain).toEqual([0.2, -0.02]);
    expect(offset[0]).toBeCloseTo(0.5 - 0.2, 12);
    expect(offset[1]).toBeCloseTo(0.5 + 0.02 * 12, 12);
  });

  it.each(["features", "across"] as const)("fits %s of some columns only as if they were all", (mode) => {
    const wide = Float64Array.from({ length: 60 }, (_, i) => Math.sin(i * i) * (1 + (i % 3)));
    const stored = { ...scaling(mode, [0.3, -0.2, 0.1]), offset: [0.1, 0.2, 0.3] };
    const alone = fitToTrack(
      { ...stored, gain: [0.3, 0.1], offset: [0.1, 0.3] },
      wide.filter((_, i) => i % 3 !== 1),
      [0, 1],
    );
    const { gain, offset } = fitToTrack(stored, wide, [0, 2]);
    expect([gain[0], gain[2]]).toEqual(alone.gain);
    expect([offset[0], offset[2]]).toEqual(alone.offset);
    expect([gain[1], offset[1]]).toEqual([-0.2, 0.2]);
  });

  it("hears no more of a long silence than of a short one", () => {
    const sound = [0, 10, 1, 14, 2, 12];
    const silence = (n: number) => Array.from({ length: 2 * n }, (_, i) => -9 + 1e-5 * (i % 7));
    const fit = (before: number, after: number) =>
      fitToTrack(
        { ...scaling("features", [1, 1]), percentiles: [5, 95] },
        Float64Array.of(...silence(before), ...sound, ...silence(after)),
        [0, 1],
      );
    expect(fit(50, 1)).toEqual(fit(1, 1));
    expect(fit(1, 50)).toEqual(fit(1, 1));
    // Silence between is heard, too, once.
    expect(fit(1, 0)).not.toEqual(fit(0, 0));
  });

  it("rests in the middle where a track never varies", () => {
    const { gain, offset } = fitToTrack(scaling("features", [1, 1]), Float64Array.of(3, 7, 3, 7), [0, 1]);
    expect(gain.map((value, i) => value * [3, 7][i]! + offset[i]!)).toEqual([0.5, 0.5]);
  });

  it("is the training's where nothing is known", () => {
    const stored = scaling("features", [1, 1]);
    expect(fitToTrack(stored, new Float64Array(), [0, 1])).toBe(stored);
  });
});
