import { describe, expect, it } from "vitest";
import { applyWires, moveSource, wiresFor } from "./wiring";

describe("wires", () => {
  it("lead numbers straight to parameters", () => {
    expect(wiresFor([2, 0, 1])).toEqual([
      { source: 2, inverted: false, held: null },
      { source: 0, inverted: false, held: null },
      { source: 1, inverted: false, held: null },
    ]);
  });

  it("move with what lies between, and leave settings where they are", () => {
    const wires = wiresFor([0, 1, 2, 3]).map((wire, i) => ({ ...wire, inverted: i === 0 }));
    const sources = (from: number, to: number) => moveSource(wires, from, to).map(({ source }) => source);
    expect(sources(0, 2)).toEqual([1, 2, 0, 3]);
    expect(sources(3, 1)).toEqual([0, 3, 1, 2]);
    expect(sources(1, 99)).toEqual([0, 2, 3, 1]);
    expect(sources(1, -99)).toEqual([1, 0, 2, 3]);
    expect(moveSource(wires, 0, 2).map(({ inverted }) => inverted)).toEqual([true, false, false, false]);
  });

  it("turn and hold values, and what they add up to", () => {
    const parameters = Float32Array.of(0.25, 0.25, 0.25);
    const travel = Float32Array.of(3, 3, 3);
    applyWires(
      [
        { source: 0, inverted: false, held: null },
        { source: 1, inverted: true, held: null },
        { source: 2, inverted: true, held: 0.5 },
      ],
      parameters,
      travel,
      8,
    );
    expect([...parameters]).toEqual([0.25, 0.75, 0.5]);
    expect([...travel]).toEqual([3, 5, 4]);
  });
});
