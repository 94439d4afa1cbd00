import { expect, it } from "vitest";
import type { TimeAxis } from "../analysis/segments";
import { interpolate, positionAt } from "./interpolate";
import { finestAxis, writeRow } from "./rows";

const axis: TimeAxis = { firstSeconds: 0.475, stepSeconds: 0.1, count: 60 };
const on = (row: number) => ({ left: row, right: row, fraction: 0 });

it("holds before the first and after the last row", () => {
  for (const interpolation of ["linear", "hold"] as const) {
    expect(positionAt(axis, -1, interpolation)).toEqual(on(0));
    expect(positionAt(axis, 0.475, interpolation)).toEqual(on(0));
    expect(positionAt(axis, 99, interpolation)).toEqual(on(59));
  }
});

it("is on a row at every row's own time", () => {
  for (let k = 0; k < axis.count; k++) {
    const time = axis.firstSeconds + k * axis.stepSeconds;
    expect(positionAt(axis, time)).toEqual(on(k));
    expect(positionAt(axis, time, "hold")).toEqual(on(k));
  }
});

it("is linear between two rows, or the one that was reached last", () => {
  const position = positionAt(axis, 0.5);
  expect(position.fraction).toBeCloseTo(0.25, 9);
  expect(interpolate([0, 1, 4, 3], 2, position, 0)).toBeCloseTo(1, 9);
  expect(positionAt(axis, 0.5749, "hold")).toEqual(on(0));
});

it("puts the parts of a mapping on the finest axis", () => {
  const coarse = { axis: { firstSeconds: 1, stepSeconds: 1, count: 2 }, values: [10, 20], size: 1 };
  const fine = {
    axis: { firstSeconds: 0.5, stepSeconds: 0.5, count: 5 },
    values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    size: 2,
  };
  expect(finestAxis([coarse, fine])).toBe(fine.axis);
  const same = { ...fine, axis: { ...fine.axis } };
  expect(finestAxis([same, fine])).toBe(same.axis);
  const rows = [0.5, 1, 1.5, 2, 2.5].map((time) => {
    const row = new Float64Array(3);
    writeRow([coarse, fine], time, row);
    return [...row];
  });
  expect(rows).toEqual([
    [10, 0, 1],
    [10, 2, 3],
    [15, 4, 5],
    [20, 6, 7],
    [20, 8, 9],
  ]);
});
