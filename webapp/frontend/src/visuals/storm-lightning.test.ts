import { describe, expect, it } from "vitest";
import {
  CELL_VALUES,
  CELLS,
  FASTEST_STRIKES,
  SLOWEST_STRIKES,
  strikeLight,
  strikeRate,
  writeStrikes,
} from "./storm-lightning";

const strikes = (seconds: number, interval: number, duration: number, calm = false, seed = 5) => {
  const out = new Float32Array(CELLS * CELL_VALUES);
  writeStrikes(out, seed, seconds, interval * seconds, interval, duration, calm);
  return out;
};

describe("storm lightning", () => {
  it("strikes more often the shorter the interval, and never three times a second", () => {
    expect(strikeRate(0)).toBe(FASTEST_STRIKES);
    expect(strikeRate(1)).toBeCloseTo(SLOWEST_STRIKES);
    expect(CELLS * FASTEST_STRIKES).toBeLessThan(3);
  });

  it.each([
    [0, 0],
    [0, 1],
    [0.5, 0.5],
    [1, 1],
  ])("swells and fades without a jump at interval %f and duration %f", (interval, duration) => {
    let previous = strikes(0, interval, duration);
    let brightest = 0;
    for (let frame = 1; frame < 1800; frame++) {
      const now = strikes(frame / 60, interval, duration);
      for (let cell = 0; cell < CELLS; cell++) {
        const light = now[CELL_VALUES * cell + 1] ?? NaN;
        expect(Math.abs(light - (previous[CELL_VALUES * cell + 1] ?? NaN))).toBeLessThan(0.17);
        // A new strike may be elsewhere: nothing may be lit while it moves.
        if (now[CELL_VALUES * cell] !== previous[CELL_VALUES * cell]) expect(light).toBeLessThan(0.04);
        brightest = Math.max(brightest, light);
      }
      previous = now;
    }
    expect(brightest).toBeGreaterThan(0.5);
  });

  it("is over before the next strike", () => {
    for (const interval of [0, 0.5, 1]) {
      const rate = strikeRate(interval);
      expect(strikeLight(1 / rate, 1, rate, false)).toBe(0);
      expect(strikeLight(1 / rate, 1, rate, true)).toBe(0);
    }
  });

  it("lasts longer with a longer duration, and rises slowly when motion is reduced", () => {
    expect(strikeLight(0.7, 1, 0.2, false)).toBeGreaterThan(strikeLight(0.7, 0, 0.2, false));
    expect(strikeLight(0.15, 1, 0.2, true)).toBeLessThan(0.1);
  });

  it("is the same for the same moment and seed, and different for another seed", () => {
    expect(strikes(12.3, 0.4, 0.6)).toEqual(strikes(12.3, 0.4, 0.6));
    expect(strikes(12.3, 0.4, 0.6, false, 6)).not.toEqual(strikes(12.3, 0.4, 0.6));
  });
});
