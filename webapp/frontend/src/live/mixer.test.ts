import { describe, expect, it } from "vitest";
import { Mixer } from "./mixer";

const RATE = 44100;
const BLOCK = 128;

type Channels = (seconds: number) => readonly number[];

/** Two tones, so that no moment is silent for longer than a block. */
const music = (seconds: number) => 0.3 * Math.sin(2765 * seconds) + 0.2 * Math.sin(9011 * seconds);
const aside = (seconds: number) => 0.1 * Math.sin(5003 * seconds);
const inPhase: Channels = (seconds) => [music(seconds), music(seconds)];
const inAntiphase: Channels = (seconds) => [music(seconds), -music(seconds)];

/** What a mixer makes of parts that follow one another, each with its seconds. */
function mix(parts: readonly (readonly [seconds: number, channels: Channels])[], mixer = new Mixer(RATE)) {
  const mixed: number[] = [];
  for (const [seconds, channels] of parts) {
    for (const end = mixed.length + seconds * RATE; mixed.length < end;) {
      const moments = Array.from({ length: BLOCK }, (_, i) => channels((mixed.length + i) / RATE));
      const blocks = moments[0]!.map((_, channel) => Float32Array.from(moments, (all) => all[channel]!));
      const block = new Float32Array(BLOCK);
      mixer.mix(blocks, block);
      mixed.push(...block);
    }
  }
  return mixed;
}

/** The largest distance from what it should be, between two moments. */
function distance(mixed: readonly number[], expected: (seconds: number) => number, from = 0, to = Infinity) {
  return mixed.reduce((most, sample, i) => {
    const seconds = i / RATE;
    return seconds < from || seconds >= to ? most : Math.max(most, Math.abs(sample - expected(seconds)));
  }, 0);
}

describe("channels that come in", () => {
  it.each<[string, Channels, Channels]>([
    ["alike", inPhase, (seconds) => [music(seconds)]],
    ["alone", (seconds) => [music(seconds)], (seconds) => [music(seconds)]],
    ["of which one is silent", (seconds) => [music(seconds), 0], (seconds) => [music(seconds) / 2]],
    [
      "of a wide stereo picture",
      (seconds) => [music(seconds) + aside(seconds), aside(seconds) - music(seconds)],
      (seconds) => [aside(seconds)],
    ],
    ["silent", () => [0, 0], () => [0]],
  ])("are averaged where they are %s", (_, channels, expected) => {
    expect(distance(mix([[0.5, channels]]), (seconds) => expected(seconds)[0]!)).toBeLessThan(1e-6);
  });

  it("that cancel each other out are heard through one of them, within a second and back", () => {
    const mixed = mix([
      [1, inPhase],
      [2, inAntiphase],
      [1, inPhase],
    ]);
    expect(distance(mixed, music, 0, 1)).toBeLessThan(1e-6);
    expect(distance(mixed, music, 2.1, 3)).toBeLessThan(1e-6);
    expect(distance(mixed, music, 3.1)).toBeLessThan(1e-6);
    expect(distance(mix([[1, inAntiphase]]), music, BLOCK / RATE)).toBeLessThan(1e-6); // at once from the start
  });

  it("are heard through the louder one", () => {
    const channels: Channels = (seconds) => [-0.97 * music(seconds), music(seconds)];
    expect(distance(mix([[1, channels]]), music, BLOCK / RATE)).toBeLessThan(1e-6);
  });

  it("near the limit do not go to and fro", () => {
    const near: Channels = (seconds) => {
      const rest = (0.06 + 0.03 * Math.sin(20 * seconds)) * music(seconds); // the mean is at -36 to -27 dB
      return [music(seconds), rest - music(seconds)];
    };
    const mixed = mix([
      [1, inAntiphase],
      [3, near],
    ]);
    expect(distance(mixed, music, 0.1)).toBeLessThan(1e-6);
  });

  it("pass from one to the other without a click", () => {
    const mixed = mix([
      [0.5, inPhase],
      [1.5, inAntiphase],
    ]);
    const steps = mixed.slice(1).map((sample, i) => Math.abs(sample - mixed[i]!));
    // The source itself turns round at half a second.
    const turn = 0.5 * RATE;
    const steepest = Math.max(...steps.slice(0, turn - BLOCK));
    expect(Math.max(...steps.slice(turn + BLOCK))).toBeLessThan(1.1 * steepest);
  });

  it("may change in number, and hold what is no number", () => {
    const mixer = new Mixer(RATE);
    mix([[0.2, inAntiphase]], mixer);
    expect(distance(mix([[0.2, (seconds) => [music(seconds)]]], mixer), music)).toBeLessThan(1e-6);
    mix([[0.01, () => [NaN, Infinity]]], mixer);
    const mixed = mix([[0.3, inAntiphase]], mixer);
    expect(mixed.every(Number.isFinite)).toBe(true);
    expect(distance(mixed, music, 0.1)).toBeLessThan(1e-6);
  });
});
