import { describe, expect, it } from "vitest";
import { GenreTrack, topGenres } from "./genres";

const axis = { firstSeconds: 0.5, stepSeconds: 0.5, count: 40 };

describe("GenreTrack", () => {
  it("averages over three seconds of what is known", () => {
    const track = new GenreTrack(2, axis);
    expect(track.at(3)).toBeNull();
    // Encodings 4 and 5 lie at 2.5 and 3 s.
    track.add({ first: 4, count: 2, genres: Float32Array.of(1, 0, 0.5, 0.5) });
    expect([...track.at(3)!]).toEqual([0.75, 0.25]);
    expect([...track.at(1.25)!]).toEqual([1, 0]);
    expect(track.at(0.9)).toBeNull();
    expect(track.at(4.75)).toBeNull();
  });

  it("holds what is nearest before the first moment and after the last", () => {
    const track = new GenreTrack(1, axis);
    track.add({ first: 0, count: 40, genres: Float32Array.from({ length: 40 }, (_, k) => k / 40) });
    expect(track.at(-99)![0]).toBe(0);
    expect(track.at(999)![0]).toBeCloseTo(39 / 40);
    // 7 moments on either side of 10 s are the 19th at its middle.
    expect(track.at(10)![0]).toBeCloseTo(19 / 40);
  });

  it("finds something with the longest steps", () => {
    const track = new GenreTrack(1, { firstSeconds: 5, stepSeconds: 10, count: 2 });
    track.add({ first: 0, count: 2, genres: Float32Array.of(0.25, 0.75) });
    expect([0, 9, 11, 30].map((seconds) => track.at(seconds)![0])).toEqual([0.25, 0.25, 0.75, 0.75]);
  });

  it("takes blocks in any order and none that does not fit", () => {
    const track = new GenreTrack(2, axis);
    track.add({ first: 38, count: 2, genres: new Float32Array(4) });
    track.add({ first: 0, count: 1 });
    expect(track.at(0)).toBeNull();
    for (const [first, count, n] of [
      [-1, 1, 2],
      [39, 2, 4],
      [0, 1, 3],
      [0, 0, 0],
    ] as const) {
      expect(() => track.add({ first, count, genres: new Float32Array(n) })).toThrow(RangeError);
    }
  });
});

it("topGenres", () => {
  const names = ["Rock", "Folk", "Jazz", "Pop"];
  expect(topGenres(names, [0.1, 0.5, NaN, 0.4])).toEqual([
    { name: "Folk", probability: 0.5 },
    { name: "Pop", probability: 0.4 },
    { name: "Rock", probability: 0.1 },
  ]);
  expect(topGenres(["A"], [])).toEqual([{ name: "A", probability: 0 }]);
});
