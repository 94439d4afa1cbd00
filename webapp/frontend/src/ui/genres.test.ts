import { expect, it } from "vitest";
import { linesOf, topGenres } from "./genres";

it("topGenres", () => {
  const names = ["Rock", "Folk", "Jazz", "Pop"];
  expect(topGenres(names, [0.1, 0.5, NaN, 0.4])).toEqual([
    { name: "Folk", probability: 0.5 },
    { name: "Pop", probability: 0.4 },
    { name: "Rock", probability: 0.1 },
  ]);
  expect(topGenres(["A"], [])).toEqual([{ name: "A", probability: 0 }]);
});

it("linesOf", () => {
  const words = { mood: [], instrument: ["guitar", "drums"], voice: ["male voice"] };
  const others = [
    ["Mood", ""],
    ["Instruments", "guitar, drums"],
    ["Voice", "male voice"],
  ];
  expect(linesOf({ genre: "Rock", words })).toEqual([["Genre", "Rock"], ...others]);
  expect(linesOf({ genre: null, words })).toEqual([["Genre", "Unsure"], ...others]);
  expect(linesOf({ words: { genre: ["Rock", "Pop"], ...words } })).toEqual([
    ["Genre", "Rock, Pop"],
    ...others,
  ]);
});
