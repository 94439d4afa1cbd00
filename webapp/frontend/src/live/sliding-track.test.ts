import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hopFramesOf } from "../analysis/segments";
import { findMapping, loadBundle, type Bundle } from "../bundle";
import { ParameterTrack, type EncodingBlock } from "../mapping/track";
import { TOY_URL, toyFetch, toyFiles } from "../testing/toy-bundle";
import { RECALL_SECONDS, SlidingTrack, type TrackChoices } from "./sliding-track";

let bundle: Bundle;
let choices: TrackChoices;

beforeAll(async () => {
  vi.stubGlobal("fetch", toyFetch(await toyFiles({ wide: true })));
  bundle = await loadBundle(TOY_URL);
  choices = { mapping: findMapping(bundle), time: bundle.mappings.time, order: [0, 1] };
});
afterAll(() => void vi.unstubAllGlobals());

/** Encodings that hang on their moment only. */
function block(name: string, first: number, count: number): EncodingBlock {
  const { stepSeconds } = bundle.encoders.find((encoder) => encoder.name === name)!;
  const encodings = Float32Array.from({ length: 2 * count }, (_, i) =>
    Math.sin((first + Math.floor(i / 2)) * stepSeconds * (1 + (i % 2) / 3)),
  );
  return { encoder: name, first, count, encodings, size: 2 };
}

/** Blocks of a second, as far as they fit. */
function* seconds(from: number, to: number): Generator<EncodingBlock> {
  for (let second = from; second < to; second++) {
    for (const { name, stepSeconds } of bundle.encoders) {
      const first = Math.round(second / stepSeconds);
      const count = Math.round((second + 1) / stepSeconds) - first;
      if (count > 0) yield block(name, first, count);
    }
  }
}

function values(track: Pick<ParameterTrack, "at">, moment: number): [number[], number[]] {
  const [parameters, travel] = [new Float32Array(2), new Float32Array(2)];
  track.at(moment, parameters, travel);
  return [[...parameters], [...travel]];
}

describe("SlidingTrack", () => {
  it("shows what a track of the whole length shows, for minutes back", () => {
    const total = 620;
    const whole = ParameterTrack.of(bundle, total * 100);
    const sliding = new SlidingTrack(bundle, choices);
    expect(sliding.knownSeconds).toBe(0);
    expect(values(sliding, 0)).toEqual([
      [0.5, 0.5],
      [0, 0],
    ]);
    for (const part of seconds(0, total)) {
      const { count } = whole.encodingsOf(part.encoder).axis;
      if (part.first + part.count <= count) whole.add(part);
    }
    let before = 0;
    for (let second = 0; second < total - 2; second++) {
      for (const part of seconds(second, second + 1)) sliding.add(part);
      const known = sliding.knownSeconds;
      expect(known).toBeGreaterThan(before);
      expect(known).toBeGreaterThan(second);
      before = known;
      const moments = second % 20 === 0 ? [0, 0.37, RECALL_SECONDS / 2, RECALL_SECONDS - 3] : [0];
      for (const ago of moments) {
        const moment = known - ago;
        if (moment < 0) continue;
        const [parameters, travel] = values(sliding, moment);
        const [expected, expectedTravel] = values(whole, moment);
        parameters.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
        travel.forEach((value, i) => expect(Math.abs(value - expectedTravel[i]!)).toBeLessThan(0.005));
      }
    }
  });

  it("holds what was last where encodings are given up, however many", () => {
    const sliding = new SlidingTrack(bundle, choices);
    for (const part of seconds(0, 5)) sliding.add(part);
    const next = new Map([
      ["toy", 63],
      ["wide", 25],
    ]);
    for (const end of [10, 1012]) {
      const from = end - 2;
      for (const part of seconds(from, end)) {
        sliding.add(part, part.first - next.get(part.encoder)!);
        next.set(part.encoder, part.first + part.count);
      }
      expect(sliding.knownSeconds).toBeGreaterThan(end - 1);
      const [held] = values(sliding, from - 1);
      values(sliding, from - 0.5)[0].forEach((value, i) => expect(value).toBeCloseTo(held[i]!, 5));
      expect(values(sliding, end - 1)[0]).not.toEqual(held);
    }
    expect(() => sliding.add(block("toy", 3, 1))).toThrow(RangeError);
    expect(() => sliding.add({ ...block("toy", 3, 1), encoder: "other" })).toThrow(RangeError);
  });

  it("lets choices count for what was heard, and after sliding", () => {
    const sliding = new SlidingTrack(bundle, choices);
    for (const part of seconds(0, 100)) sliding.add(part);
    const [[a, b], [travelA, travelB]] = values(sliding, 90) as [[number, number], [number, number]];
    sliding.choose({ ...choices, order: [1, 0] });
    expect(values(sliding, 90)).toEqual([
      [b, a],
      [travelB, travelA],
    ]);
    for (const part of seconds(100, 300)) sliding.add(part);
    const [swapped, swappedTravel] = values(sliding, 295);
    sliding.choose(choices);
    expect(values(sliding, 295)).toEqual([swapped.reverse(), swappedTravel.reverse()]);
    const mapping = findMapping(bundle, { mode: "across", method: "minmax" });
    const time = { ...choices.time, attack: 0, release: 0, lookAheadSeconds: 3 };
    sliding.choose({ ...choices, mapping, time });
    const toy = bundle.encoders.find(({ name }) => name === "toy")!;
    const step = (hopFramesOf(bundle.audio, toy.stepSeconds) * 4) / 100;
    const index = Math.round((290 - toy.timeOffsetSeconds) / step);
    const [[value]] = values(sliding, toy.timeOffsetSeconds + index * step) as [[number], number[]];
    expect(value).toBeCloseTo(Math.max(0, Math.sin(index * step)), 4);
  });

  it("shows an encoder's numbers later where that is asked for", () => {
    const [late, plain] = [0.4, 0].map(
      (seconds) => new SlidingTrack(bundle, choices, (name) => (name === "wide" ? seconds : 0)),
    ) as [SlidingTrack, SlidingTrack];
    for (const part of seconds(0, 20)) {
      late.add(part);
      plain.add(part);
    }
    const [[a, b]] = values(late, 10.4) as [[number, number], number[]];
    expect(a).toBeCloseTo(values(plain, 10.4)[0][0]!, 6);
    expect(b).toBeCloseTo(values(plain, 10)[0][1]!, 3);
  });
});
