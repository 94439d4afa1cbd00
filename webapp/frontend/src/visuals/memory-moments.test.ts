import { describe, expect, it } from "vitest";
import { createProjection, Moments, MOMENTS, writeGrid, type Grid } from "./memory-moments";
import { createRandom } from "./random";
import type { VisualFrame } from "./visual";

const PLACES = [6, 7, 8] as const;
const options = (seed = 1) => ({ places: PLACES, hue: 9, size: 0, random: createRandom(seed) });

const gridAt = (seconds: number): Grid => {
  const grid = { stepSeconds: 0, count: 0, oddShare: 0 };
  writeGrid(grid, seconds);
  return grid;
};

function frameAt(timeSeconds: number, at: (seconds: number) => number[]): VisualFrame {
  return {
    timeSeconds,
    musicSeconds: timeSeconds,
    pulse: 0,
    pulseAt: () => 0,
    musicSecondsAt: (seconds) => seconds,
    parameters: at(timeSeconds),
    travel: new Array<number>(10).fill(0),
    recall: (seconds, out) => out.set(at(seconds)),
  };
}

function momentsAt(timeSeconds: number, at: (seconds: number) => number[], seed = 1): Moments {
  const moments = new Moments(options(seed));
  moments.listen(frameAt(timeSeconds, at), 0.5, 1);
  return moments;
}

/** A song of three parts that come back: each 20 s long, A B A C A. */
const song = (seconds: number): number[] => {
  const part = "ABACA"[Math.min(4, Math.floor(seconds / 20))];
  const level = part === "A" ? 0.2 : part === "B" ? 0.8 : 0.5;
  const other = part === "C" ? 0.9 : 0.4;
  return Array.from({ length: 10 }, (_, i) =>
    i < 6 ? 0.5 + 0.2 * Math.sin(9 * seconds + i) : i % 2 === 0 ? level : other,
  );
};

const place = (moments: Moments, i: number): number[] => Array.from(moments.data.subarray(4 * i, 4 * i + 3));
const likeness = (moments: Moments, i: number): number => moments.data[4 * MOMENTS + 4 * i + 1] ?? NaN;
const share = (moments: Moments, i: number): number => moments.data[4 * i + 3] ?? NaN;

describe("the grid of times", () => {
  it.each([0, 0.01, 1, 15.9, 31.87, 31.88, 33, 180, 3600, 36000])(
    "at %f s fits and reaches to now",
    (seconds) => {
      const { stepSeconds, count, oddShare } = gridAt(seconds);
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThan(MOMENTS);
      expect((count - 1) * stepSeconds).toBeLessThanOrEqual(seconds);
      expect(count * stepSeconds).toBeGreaterThan(seconds);
      expect(oddShare).toBeGreaterThan(0);
      expect(oddShare).toBeLessThanOrEqual(1);
    },
  );

  it("drops only times that have faded when its step doubles", () => {
    const before = gridAt(31.8749);
    const after = gridAt(31.8751);
    expect(after.stepSeconds).toBe(2 * before.stepSeconds);
    expect(before.oddShare).toBeLessThan(0.001);
    expect(after.oddShare).toBeGreaterThan(0.999);
  });
});

describe("the projection", () => {
  it("leads the three places along three directions at right angles, and others less far", () => {
    const projection = createProjection(options());
    const column = (p: number) => Array.from(projection.subarray(3 * p, 3 * p + 3));
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
    for (const p of PLACES) {
      for (const q of PLACES) expect(dot(column(p), column(q))).toBeCloseTo(p === q ? 1 : 0);
    }
    expect(dot(column(0), column(0))).toBeCloseTo(0.09);
    expect(column(9)).toEqual([0, 0, 0]);
  });

  it("depends on the seed", () => {
    expect(createProjection(options(1))).not.toEqual(createProjection(options(2)));
  });
});

describe("moments", () => {
  it("that sound alike lie together, and are recognised", () => {
    const moments = momentsAt(95, song);
    const at = (seconds: number) => Math.round(seconds / moments.grid.stepSeconds);
    const apart = (a: number, b: number) =>
      Math.hypot(...place(moments, at(a)).map((x, k) => x - (place(moments, at(b))[k] ?? 0)));
    expect(apart(10, 52)).toBeLessThan(0.3);
    expect(apart(10, 30)).toBeGreaterThan(1);
    expect(apart(30, 70)).toBeGreaterThan(1);
    for (const seconds of [10, 52]) expect(likeness(moments, at(seconds))).toBeGreaterThan(0.5);
    for (const seconds of [30, 70]) expect(likeness(moments, at(seconds))).toBeLessThan(0.05);
  });

  it("that have just been are no memories yet", () => {
    const moments = momentsAt(95, song);
    expect(likeness(moments, moments.count - 1)).toBe(0);
    expect(likeness(moments, moments.count - 3)).toBeLessThan(0.05);
  });

  it("do not depend on what was asked before", () => {
    const moments = new Moments(options());
    moments.listen(frameAt(70, song), 0.9, 1.2);
    moments.listen(frameAt(20, song), 0.5, 1);
    const fresh = momentsAt(20, song);
    expect(moments.count).toBe(fresh.count);
    const used = (m: Moments) => [
      m.data.subarray(0, 4 * m.count),
      m.data.subarray(4 * MOMENTS, 4 * (MOMENTS + m.count)),
    ];
    expect(used(moments)).toEqual(used(fresh));
  });

  it.each([10, 31.875, 63.75, 100])(
    "move on smoothly at %f s, when lights are born and grids double",
    (seconds) => {
      const slow = (t: number) => Array.from({ length: 10 }, (_, i) => 0.5 + 0.3 * Math.sin(0.4 * t + i));
      const shown = (t: number) => {
        const moments = momentsAt(t, slow);
        const places = new Map<number, number[]>();
        for (let i = 0; i < moments.grid.count; i++) {
          places.set(i * moments.grid.stepSeconds, [...place(moments, i), share(moments, i)]);
        }
        return { places, head: place(moments, moments.count - 1) };
      };
      const before = shown(seconds - 0.0005);
      const after = shown(seconds + 0.0005);
      after.head.forEach((x, k) => expect(Math.abs(x - (before.head[k] ?? NaN))).toBeLessThan(0.01));
      for (const [time, [x = NaN, y = NaN, z = NaN, there = NaN]] of before.places) {
        const then = after.places.get(time);
        // What is gone had faded.
        if (then === undefined) expect(there).toBeLessThan(0.01);
        else
          expect(Math.hypot(x - (then[0] ?? NaN), y - (then[1] ?? NaN), z - (then[2] ?? NaN))).toBeLessThan(
            0.03,
          );
      }
    },
  );

  it("stay finite where nothing ever changed", () => {
    for (const seconds of [0, 6, 60]) {
      const moments = momentsAt(seconds, () => new Array<number>(10).fill(0.5));
      expect(moments.data.every(Number.isFinite)).toBe(true);
      expect(moments.spread).toBeLessThan(1e-3);
    }
  });
});
