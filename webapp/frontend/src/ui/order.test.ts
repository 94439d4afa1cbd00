import { describe, expect, it } from "vitest";
import { VISUALS } from "../visuals";
import { defaultOrder } from "./order";

const [fine, coarse] = [0.02, 0.24];
const steps = (...counts: [number, number][]) => counts.flatMap(([n, step]) => Array<number>(n).fill(step));
const identity = Array.from({ length: 10 }, (_, i) => i);

describe("defaultOrder", () => {
  it.each(VISUALS)("keeps the order of one encoder's numbers: $id", ({ parameters }) => {
    const moves = parameters.map((parameter) => parameter.moves);
    expect(defaultOrder(moves, steps([10, fine]))).toEqual(identity);
  });

  it("gives the finer numbers to what moves, the coarser to the look", () => {
    const moves = [false, false, true, true, false, true];
    expect(defaultOrder(moves, steps([3, fine], [3, coarse]))).toEqual([3, 4, 0, 1, 5, 2]);
    expect(defaultOrder(moves, steps([3, coarse], [3, fine]))).toEqual([0, 1, 3, 4, 2, 5]);
  });

  it("lends the one kind what the other leaves", () => {
    expect(defaultOrder([true, true, true, false], steps([2, coarse], [2, fine]))).toEqual([2, 3, 0, 1]);
    expect(defaultOrder([false, false, false, true], steps([1, coarse], [3, fine]))).toEqual([0, 1, 2, 3]);
  });

  it("changes nothing for a picture that only moves", () => {
    const moves = Array<boolean>(4).fill(true);
    expect(defaultOrder(moves, steps([2, coarse], [2, fine]))).toEqual([0, 1, 2, 3]);
  });

  it("knows more than two steps", () => {
    expect(defaultOrder([false, true, true], [0.1, 0.5, 0.02])).toEqual([1, 2, 0]);
  });

  it.each(VISUALS)("is an order: $id", ({ parameters }) => {
    const moves = parameters.map((parameter) => parameter.moves);
    for (let n = 0; n <= 10; n++) {
      const order = defaultOrder(moves, steps([n, coarse], [10 - n, fine]));
      expect(order.toSorted((a, b) => a - b)).toEqual(identity);
    }
  });

  it("needs a number for every parameter", () => {
    expect(() => defaultOrder([true, true], [0.1])).toThrow(RangeError);
  });
});
