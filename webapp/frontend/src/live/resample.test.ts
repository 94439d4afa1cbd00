import { describe, expect, it } from "vitest";
import { Resampler } from "./resample";

const tone = (rate: number, hz: number, seconds: number) =>
  Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) =>
    Math.sin((2 * Math.PI * hz * i) / rate),
  );

/** Resample in chunks of odd sizes. */
function inChunks(resampler: Resampler, samples: Float32Array, size: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < samples.length; i += size) out.push(...resampler.push(samples.slice(i, i + size)));
  return out;
}

describe("Resampler", () => {
  it.each([
    [48000, 44100],
    [44100, 48000],
    [96000, 44100],
    [16000, 44100],
  ])("gives a tone of %i Hz at %i Hz, at its place in time", (from, to) => {
    const output = inChunks(new Resampler(from, to), tone(from, 1000, 0.2), 1024);
    const expected = tone(to, 1000, 0.2);
    expect(output.length).toBeGreaterThan(0.19 * to);
    expect(output.length).toBeLessThanOrEqual(expected.length);
    // The stream begins abruptly; after that the tone is exact.
    for (let i = 200; i < output.length; i++) expect(output[i]).toBeCloseTo(expected[i]!, 2);
  });

  it("does not depend on how the stream is cut", () => {
    const samples = tone(48000, 700, 0.1);
    const whole = inChunks(new Resampler(48000, 44100), samples, samples.length);
    for (const size of [1, 17, 1000]) {
      expect(inChunks(new Resampler(48000, 44100), samples, size)).toEqual(whole);
    }
  });

  it("keeps a constant, and what the lower rate cannot hold disappears", () => {
    const constant = inChunks(new Resampler(48000, 44100), new Float32Array(4800).fill(0.5), 512);
    for (const value of constant.slice(100)) expect(value).toBeCloseTo(0.5, 6);
    const high = inChunks(new Resampler(96000, 44100), tone(96000, 30000, 0.1), 512);
    for (const value of high.slice(200)) expect(Math.abs(value)).toBeLessThan(0.001);
  });

  it("refuses rates that are none", () => {
    for (const [from, to] of [
      [0, 44100],
      [44100, NaN],
      [44100.5, 44100],
    ] as const) {
      expect(() => new Resampler(from, to)).toThrow(RangeError);
    }
  });
});
