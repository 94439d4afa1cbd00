import { describe, expect, it } from "vitest";
import type { Encoder } from "../bundle";
import { descriptionOf, impressionsOf, speakerOf, TrackImpression, type Speaker } from "./impression";

const axis = { firstSeconds: 0.5, stepSeconds: 0.5, count: 40 };
const classifier = (n: number): Speaker => ({
  name: "alexnet",
  genres: ["Rock", "Folk"].slice(0, n),
});
const tagger: Speaker = {
  name: "tags",
  genres: ["Rock", "Folk", "Jazz"],
  unsureBelow: 0.4,
  tags: {
    names: ["slow", "guitar", "drums", "no vocals"],
    descriptors: [
      { kind: "mood", name: "calm", tags: [0], typical: 0, spread: 2 },
      { kind: "instrument", name: "guitar", tags: [1], typical: -1, spread: 1 },
      { kind: "instrument", name: "band", tags: [1, 2], typical: 0, spread: 0.5 },
      { kind: "voice", name: "instrumental", tags: [3], typical: 2, spread: 1 },
      { kind: "genre", name: "Folk", tags: [1], typical: -9, spread: 1 },
    ],
  },
};
const odds = (p: number) => Math.log(p / (1 - p));

describe("TrackImpression", () => {
  it("averages a classifier's genres over three seconds of what is known", () => {
    const track = new TrackImpression(classifier(2), axis);
    expect(track.at(3)).toBeNull();
    // Encodings 4 and 5 lie at 2.5 and 3 s.
    track.add({ first: 4, count: 2, genres: Float32Array.of(1, 0, 0.5, 0.5) });
    expect([...track.at(3)!]).toEqual([0.75, 0.25]);
    expect([...track.at(1.25)!]).toEqual([1, 0]);
    expect(track.at(0.9)).toBeNull();
    expect(track.at(4.75)).toBeNull();
  });

  it("averages a tagger's words over half a minute", () => {
    const track = new TrackImpression(tagger, { ...axis, count: 120 });
    for (let first = 0; first < 120; first++) {
      const genres = Float32Array.of(first / 120, 0, 0);
      track.add({ first, count: 1, genres, tags: new Float32Array(4).fill(0.5) });
    }
    expect(track.at(30)![0]).toBeCloseTo(59 / 120, 6);
    expect(track.at(0)![0]).toBeCloseTo(14.5 / 120, 6);
  });

  it("holds what is nearest before the first moment and after the last", () => {
    const track = new TrackImpression(classifier(1), axis);
    track.add({ first: 0, count: 40, genres: Float32Array.from({ length: 40 }, (_, k) => k / 40) });
    expect(track.at(-99)![0]).toBe(0);
    expect(track.at(999)![0]).toBeCloseTo(39 / 40);
    // 7 moments on either side of 10 s are the 19th at its middle.
    expect(track.at(10)![0]).toBeCloseTo(19 / 40);
  });

  it("finds something with the longest steps", () => {
    const track = new TrackImpression(classifier(1), { firstSeconds: 5, stepSeconds: 10, count: 2 });
    track.add({ first: 0, count: 2, genres: Float32Array.of(0.25, 0.75) });
    expect([0, 9, 11, 30].map((seconds) => track.at(seconds)![0])).toEqual([0.25, 0.25, 0.75, 0.75]);
  });

  it("takes blocks in any order and none that does not fit", () => {
    const track = new TrackImpression(classifier(2), axis);
    track.add({ first: 38, count: 2, genres: new Float32Array(4) });
    expect(track.at(0)).toBeNull();
    for (const [first, count, n] of [
      [-1, 1, 2],
      [39, 2, 4],
      [0, 1, 3],
      [0, 0, 0],
    ] as const) {
      expect(() => track.add({ first, count, genres: new Float32Array(n) })).toThrow(RangeError);
    }
    expect(() => track.add({ first: 0, count: 1 })).toThrow(RangeError);
  });
});

describe("impressionsOf", () => {
  it("are the genres and each descriptor's mean log-odds, and never infinite", () => {
    const genres = Float32Array.of(0.5, 0.25, 0.25, 1, 0, 0);
    const tags = Float32Array.of(0.5, 0.9, 0.2, 0.5, 0, 1, 0.5, 0.5);
    const impressions = [...impressionsOf(tagger, { count: 2, genres, tags })];
    const least = odds(1e-4);
    const expected = [
      ...[0.5, 0.25, 0.25, 0, odds(0.9), (odds(0.9) + odds(0.2)) / 2, 0, odds(0.9)],
      ...[1, 0, 0, least, -least, -least / 2, 0, -least],
    ];
    expect(impressions).toHaveLength(16);
    impressions.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
  });

  it("are refused where a row is missing", () => {
    expect(() => impressionsOf(tagger, { count: 1, genres: new Float32Array(3) })).toThrow(RangeError);
  });
});

describe("descriptionOf", () => {
  const told = (genres: number[], scores: number[]) =>
    descriptionOf(tagger, Float32Array.of(...genres, ...scores, 0));

  it("names what stands out from the usual, the clearest first, and kinds without anything", () => {
    expect(told([0.6, 0.3, 0.1], [1.9, 0.1, 2, 3])).toEqual({
      genre: "Rock",
      words: { mood: [], instrument: ["band", "guitar"], voice: ["instrumental"] },
    });
  });

  it("is unsure where no genre is likely enough, or none is a number", () => {
    expect(told([0.39, 0.31, 0.3], [2, 0, 0, 0])).toEqual({
      genre: null,
      words: { mood: ["calm"], instrument: ["guitar"], voice: [] },
    });
    expect(told([NaN, NaN, NaN], [0, 0, 0, 0]).genre).toBeNull();
    expect(told([0.4, 0.3, 0.3], [0, 0, 0, 0]).genre).toBe("Rock");
  });

  it("has words for genres where it does not tell them better", () => {
    const { tags } = tagger;
    const { genre, words } = descriptionOf({ name: "t", tags: tags! }, new Float32Array(5));
    expect([genre, words.genre]).toEqual([undefined, ["Folk"]]);
  });

  it("names at most three of a kind", () => {
    const descriptors = ["a", "b", "c", "d"].map((name, i) => {
      return { kind: "mood" as const, name, tags: [0], typical: -i, spread: 1 };
    });
    const speaker = { name: "t", tags: { names: ["x", "y"], descriptors } };
    expect(descriptionOf(speaker, new Float32Array(4).fill(1))).toEqual({ words: { mood: ["d", "c", "b"] } });
  });
});

it("speakerOf takes the encoder that tells most", () => {
  const encoders = [{ name: "a" }, classifier(2), tagger] as Encoder[];
  expect(speakerOf(encoders)?.name).toBe("tags");
  expect(speakerOf(encoders.slice(0, 2))?.name).toBe("alexnet");
  expect(speakerOf(encoders.slice(0, 1))).toBeUndefined();
});
