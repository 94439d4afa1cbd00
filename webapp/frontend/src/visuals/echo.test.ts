import { describe, expect, it } from "vitest";
import { Echo } from "./echo";
import type { VisualFrame } from "./visual";

/** Parameter i at a time: a slow wave with a phase of its own. */
const wave = (index: number, seconds: number): number => 0.5 + 0.4 * Math.sin(3 * seconds + index);
const values = (seconds: number): number[] => Array.from({ length: 10 }, (_, index) => wave(index, seconds));

function frameAt(timeSeconds: number): VisualFrame {
  return {
    timeSeconds,
    musicSeconds: timeSeconds,
    pulse: 0,
    pulseAt: () => 0,
    musicSecondsAt: (seconds) => seconds,
    parameters: values(timeSeconds),
    travel: new Array<number>(10).fill(0),
    recall: (seconds, out) => out.set(values(seconds)),
  };
}

describe("Echo", () => {
  it("tells what the parameters were", () => {
    const echo = new Echo([4, 7]);
    echo.listen(frameAt(20.013));
    for (const ago of [0, 0.004, 0.013, 0.05, 0.3, 0.77, 1]) {
      expect(echo.at(0, ago)).toBeCloseTo(wave(4, 20.013 - ago), 2);
      expect(echo.at(1, ago)).toBeCloseTo(wave(7, 20.013 - ago), 2);
    }
  });

  it("does not jump when a moment passes", () => {
    const [before, after] = [new Echo([0]), new Echo([0])];
    before.listen(frameAt(1.99999));
    after.listen(frameAt(2.00001));
    for (const ago of [0, 0.02, 0.06, 0.5, 1]) {
      expect(after.at(0, ago)).toBeCloseTo(before.at(0, ago), 3);
    }
  });

  it("knows nothing from before the start", () => {
    const echo = new Echo([0]);
    const asked: number[] = [];
    echo.listen({ ...frameAt(0.1), recall: (seconds, out) => (asked.push(seconds), out.fill(0.25)) });
    expect(Math.min(...asked)).toBe(0);
    expect(echo.at(0, 5)).toBe(0.25);
  });
});
