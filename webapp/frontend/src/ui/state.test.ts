import { describe, expect, it } from "vitest";
import { pageTitle, phaseOf, type Situation } from "./state";

const nothing: Situation = {
  hasTrack: false,
  opening: false,
  failed: false,
  playing: false,
  waiting: false,
  started: false,
  live: false,
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
    [{ live: true, hasTrack: true, opening: true }, "playing"],
    [{ hasTrack: true, started: true, failed: true }, "paused"],
    [{ hasTrack: true, playing: true, started: true, opening: true }, "loading"],
  ])("%j is %s", (change, phase) => {
    expect(phaseOf({ ...nothing, ...change })).toBe(phase);
  });
});

it("titles the page", () => {
  expect(pageTitle(null)).toBe("tfdeepviz playground");
  expect(pageTitle({ title: "Air", artist: "Bach", durationSeconds: 1 })).toMatch(/^Air – Bach · /);
  expect(pageTitle({ title: "Air", artist: null, durationSeconds: 1 })).toMatch(/^Air · /);
});
