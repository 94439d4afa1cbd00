import { expect, it } from "vitest";
import type { Step } from "../bundle";
import { project } from "./project";

const x = Float32Array.of(1, -2, 4);
const through = (...steps: Step[]) => [...project({ steps, encodingSize: 3 }, x)];

it("is the encoding itself without steps, as a copy", () => {
  expect(through()).toEqual([1, -2, 4]);
  const y = project({ steps: [], encodingSize: 3 }, x);
  y[0] = 9;
  expect(x[0]).toBe(1);
});

it("selects, also twice", () => {
  expect(through({ kind: "select", indices: [2, 0, 2] })).toEqual([4, 1, 4]);
});

it("scales each number by itself", () => {
  expect(through({ kind: "scale", gain: [2, 0.5, -1], offset: [0, 1, 2] })).toEqual([2, 0, -2]);
});

it("multiplies rows by a matrix of inputs times outputs", () => {
  const matrix = [
    [1, 10],
    [2, 20],
    [3, 30],
  ];
  expect(through({ kind: "affine", matrix, offset: [0.5, 0] })).toEqual([9.5, 90]);
});

it("measures nearness, and never divides by zero", () => {
  const centroids = [
    [1, -2, 4],
    [1, 2, 1],
  ];
  expect(through({ kind: "inverse-distance", centroids, floor: 0.001 })).toEqual([1000, 1 / 5]);
});

it("applies one step after the other", () => {
  const half = { kind: "scale", gain: [0.5], offset: [0] } as const;
  expect(through({ kind: "select", indices: [2] }, half, half)).toEqual([1]);
});

it.each([[[1, 2]], [[1, 2, 3, 4]], [[]], [[1, NaN, 3]], [[1, 2, Infinity]], [[-Infinity, 2, 3]]])(
  "refuses %j",
  (encoding) => {
    expect(() => project({ steps: [], encodingSize: 3 }, encoding)).toThrow(RangeError);
  },
);
