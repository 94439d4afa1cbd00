import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findStream, ONSETS, streamsOf } from "../analysis/onsets";
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

/** Encodings that hang on their moment only; a beat and a half a second, among them louder and quieter ones. */
function block(name: string, first: number, count: number, of: Bundle = bundle): EncodingBlock {
  const { stepSeconds } = findStream(of, name);
  const encodings = Float32Array.from({ length: 2 * count }, (_, i) => {
    const seconds = (first + Math.floor(i / 2)) * stepSeconds;
    if (name !== ONSETS) return Math.sin(seconds * (1 + (i % 2) / 3));
    return i % 2 ? -20 + 8 * Math.sin(seconds) : seconds % 0.68 < 0.06 ? 6 + 4 * Math.cos(seconds) : 0.4;
  });
  return { encoder: name, first, count, encodings, size: 2 };
}

/** Blocks of a second, as far as they fit. */
function* seconds(from: number, to: number, of: Bundle = bundle): Generator<EncodingBlock> {
  for (let second = from; second < to; second++) {
    for (const { name, stepSeconds } of streamsOf(of)) {
      const first = Math.round(second / stepSeconds);
      const count = Math.round((second + 1) / stepSeconds) - first;
      if (count > 0) yield block(name, first, count, of);
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
        const [motion, wholeMotion] = [sliding.motionAt(moment), whole.motionAt(moment)];
        // Near the start of what is kept, what is usual is known from less.
        const isRecent = ago <= RECALL_SECONDS / 2;
        const tolerance = isRecent ? 0.002 : 0.2;
        parameters.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(tolerance));
        expect(Math.abs(motion.pulse - wholeMotion.pulse)).toBeLessThan(tolerance);
        if (!isRecent) continue;
        travel.forEach((value, i) => expect(Math.abs(value - expectedTravel[i]!)).toBeLessThan(0.02));
        expect(Math.abs(motion.musicSeconds - wholeMotion.musicSeconds)).toBeLessThan(0.02);
      }
    }
  });

  it("remembers how far the music had come, however long ago", () => {
    const sliding = new SlidingTrack(bundle, choices);
    for (const part of seconds(0, 400)) sliding.add(part);
    const passed = Array.from({ length: 391 }, (_, second) => sliding.motionAt(second).musicSeconds);
    passed.slice(1).forEach((now, i) => expect(now, `${i + 1} s`).toBeGreaterThan(passed[i]!));
  });

  it("fits its scaling to what was heard, without a jump of what has been travelled", () => {
    const mapping = findMapping(bundle, { method: "per-track" });
    const sliding = new SlidingTrack(bundle, { ...choices, mapping });
    let before = { seconds: 0, travel: [0, 0], musicSeconds: 0 };
    for (const part of seconds(0, 60)) {
      sliding.add(part);
      const known = sliding.knownSeconds;
      if (known === before.seconds) continue;
      const [, travel] = values(sliding, known);
      const { musicSeconds } = sliding.motionAt(known);
      // No parameter is less than 0 or more than 1, so none travels back, or faster than musical time.
      const passed = musicSeconds - before.musicSeconds;
      travel.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(before.travel[i]! - 1e-4);
        expect(value).toBeLessThanOrEqual(before.travel[i]! + passed + 1e-4);
      });
      before = { seconds: known, travel, musicSeconds };
    }
    const fitted = ParameterTrack.of(bundle, 6000, { mapping, time: choices.time });
    for (const part of seconds(0, 60)) {
      const { count } = fitted.encodingsOf(part.encoder).axis;
      if (part.first + part.count <= count) fitted.add(part);
    }
    // Fitted to less than the whole, a few times in a minute.
    const [expected] = values(fitted, 50);
    values(sliding, 50)[0].forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(0.1));
  });

  it("holds what was last where encodings are given up, however many", () => {
    const sliding = new SlidingTrack(bundle, choices);
    for (const part of seconds(0, 5)) sliding.add(part);
    const next = new Map([
      ["toy", 63],
      ["wide", 25],
      [ONSETS, 125],
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
      // Musical time passes slowly there: a last onset that held would make it rush.
      const passed = sliding.motionAt(from - 0.5).musicSeconds - sliding.motionAt(from - 1.5).musicSeconds;
      expect(passed).toBeLessThan(2);
      expect(sliding.motionAt(from - 0.5).pulse).toBeLessThan(0.1);
    }
    expect(() => sliding.add(block("toy", 3, 1))).toThrow(RangeError);
    expect(() => sliding.add({ ...block("toy", 3, 1), encoder: "other" })).toThrow(RangeError);
  });

  it("takes early encodings, and slides on after them", async () => {
    vi.stubGlobal("fetch", toyFetch(await toyFiles({ tagger: true })));
    const tagging = await loadBundle(TOY_URL);
    const time = { ...choices.time, attack: 0, release: 0 };
    const mapping = findMapping(tagging);
    const sliding = new SlidingTrack(tagging, { mapping, time, order: [0, 1] }, () => 0.5);
    expect(() => sliding.add(block("tagger", 0, 1, tagging))).toThrow(RangeError);
    sliding.add(block("tagger", -2, 2, tagging));
    for (const part of seconds(0, 700, tagging)) sliding.add(part);
    expect(sliding.knownSeconds).toBeGreaterThan(698);
    // Encoding 1500 of the tagger lies at 600 s + its offset of 0.88 s, half a second late.
    const [[, value]] = values(sliding, 600 + 0.88 + 0.5) as [[number, number], number[]];
    // It lies between two rows of the finer encoder.
    expect(Math.abs(value - (0.5 * Math.sin((600 * 4) / 3) + 0.5))).toBeLessThan(0.02);
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
    const plain = { ...choices, time: { ...choices.time, attack: 0, release: 0 } };
    const [late, prompt] = [0.4, 0].map(
      (seconds) => new SlidingTrack(bundle, plain, (name) => (name === "wide" ? seconds : 0)),
    ) as [SlidingTrack, SlidingTrack];
    for (const part of seconds(0, 20)) {
      late.add(part);
      prompt.add(part);
    }
    const [[a, b]] = values(late, 10.4) as [[number, number], number[]];
    expect(a).toBeCloseTo(values(prompt, 10.4)[0][0]!, 6);
    expect(b).toBeCloseTo(values(prompt, 10)[0][1]!, 3);
  });
});
