import { describe, expect, it } from "vitest";
import { idleFrame } from "../ui/idle-frame";
import { calmFrame } from "./calm";
import { storm } from "./storm";
import { boltOf, CELL_VALUES, CELLS, strikeLight, writeStrikes } from "./storm-lightning";

/** The pulse of onsets at these times. */
const pulseOf =
  (onsets: readonly (readonly [seconds: number, strength: number])[]) =>
  (seconds: number): number =>
    Math.max(
      0,
      ...onsets.map(([start, strength]) => (seconds < start ? 0 : strength - 2 * (seconds - start))),
    );

const BEATS = [1, 1.5, 2, 2.5, 3].map((seconds): readonly [number, number] => [seconds, 0.8]);

const strikes = (timeSeconds: number, { onsets = BEATS, interval = 0.5, duration = 0.5, seed = 5 } = {}) => {
  const out = new Float32Array(CELLS * CELL_VALUES);
  writeStrikes(out, seed, { timeSeconds, pulseAt: pulseOf(onsets) }, interval, duration);
  const cells = Array.from({ length: CELLS }, (_, cell) =>
    out.subarray(CELL_VALUES * cell, CELL_VALUES * (cell + 1)),
  );
  return cells.map(([place = NaN, light = NaN, bolt = NaN, shape = NaN]) => ({ place, light, bolt, shape }));
};

describe("storm lightning", () => {
  it("is dark where nothing has sounded, and when it has died away", () => {
    for (const seconds of [0, 0.9, 6]) {
      expect(strikes(seconds, { duration: 1 }).map(({ light }) => light)).toEqual(new Array(CELLS).fill(0));
    }
  });

  it("lights up within 0.1 s of an onset, and fades at its place", () => {
    const [now] = strikes(1.1);
    expect(now?.light).toBeGreaterThan(0.2);
    let previous = now;
    for (let seconds = 1.12; seconds < 1.45; seconds += 0.02) {
      const [later] = strikes(seconds);
      expect(later?.place).toBe(now?.place);
      expect(later?.light).toBeLessThan(previous?.light ?? 0);
      previous = later;
    }
  });

  it("shines at another place for each onset", () => {
    const places = BEATS.map(([seconds]) => strikes(seconds + 0.1)[0]?.place);
    expect(new Set(places).size).toBe(BEATS.length);
  });

  it("takes rises of the pulse that follow one another at once for one onset", () => {
    const rising = [1, 1.02, 1.04, 1.06].map((seconds, i) => [seconds, 0.2 + 0.2 * i] as const);
    expect(strikes(1.2, { onsets: rising }).filter(({ light }) => light > 0)).toHaveLength(1);
  });

  it("throws bolts at strong onsets, at fewer of them the longer the interval", () => {
    expect(boltOf(0.5, 0)).toBe(1);
    expect(boltOf(0.5, 1)).toBe(0);
    expect(boltOf(1, 1)).toBe(1);
    expect(boltOf(0.1, 0)).toBe(0);
    expect(strikes(1.1, { interval: 0 })[0]?.bolt).toBe(1);
  });

  it("stays inside the clouds in a calm picture", () => {
    const loudest = { ...idleFrame(storm, 0), pulse: 1 };
    expect(boltOf(calmFrame(loudest).pulse, 0)).toBe(0);
  });

  it("lasts longer with a longer duration", () => {
    expect(strikeLight(0.4, 1)).toBeGreaterThan(strikeLight(0.4, 0));
    expect(strikeLight(0.4, 0)).toBe(0);
  });

  it("is the same for the same moment and seed, and different for another seed", () => {
    expect(strikes(1.7)).toEqual(strikes(1.7));
    expect(strikes(1.7, { seed: 6 })).not.toEqual(strikes(1.7));
  });
});
