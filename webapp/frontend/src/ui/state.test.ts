import { describe, expect, it } from "vitest";
import { moved, pageTitle, phaseOf, seedFrom, type Situation } from "./state";

const nothing: Situation = {
  hasTrack: false,
  opening: false,
  failed: false,
  playing: false,
  waiting: false,
  started: false,
};

describe("phaseOf", () => {
  it.each<[Partial<Situation>, string]>([
    [{}, "welcome"],
    [{ failed: true }, "error"],
    [{ opening: true, failed: true }, "loading"],
    [{ hasTrack: true }, "ready"],
    [{ hasTrack: true, playing: true, waiting: true }, "loading"],
    [{ hasTrack: true, playing: true, started: true }, "playing"],
    [{ hasTrack: true, started: true }, "paused"],
    [{ hasTrack: true, started: true, failed: true }, "paused"],
    [{ hasTrack: true, playing: true, started: true, opening: true }, "loading"],
  ])("%j is %s", (change, phase) => {
    expect(phaseOf({ ...nothing, ...change })).toBe(phase);
  });
});

it("reads the seed and shrugs at nonsense", () => {
  expect(seedFrom("?seed=42")).toBe(42);
  expect(seedFrom("?seed=0")).toBe(0);
  for (const search of ["", "?seed=", "?seed=-1", "?seed=1.5", "?seed=x", "?seed=1e99"]) {
    expect(seedFrom(search, 7)).toBe(7);
  }
});

it("titles the page", () => {
  expect(pageTitle(null)).toBe("tfdeepviz playground");
  expect(pageTitle({ title: "Air", artist: "Bach", durationSeconds: 1 })).toMatch(/^Air – Bach · /);
  expect(pageTitle({ title: "Air", artist: null, durationSeconds: 1 })).toMatch(/^Air · /);
});

it("moves an entry and closes the gap", () => {
  expect(moved([0, 1, 2, 3], 0, 2)).toEqual([1, 2, 0, 3]);
  expect(moved([0, 1, 2, 3], 3, 0)).toEqual([3, 0, 1, 2]);
  expect(moved([0, 1], 0, 9)).toEqual([1, 0]);
  expect(moved([0, 1], 5, 0)).toEqual([0, 1]);
});
