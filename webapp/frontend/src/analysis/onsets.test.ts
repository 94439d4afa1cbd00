import { describe, expect, it } from "vitest";
import { ONSETS, ONSETS_SIZE, onsetsOf, onsetStream, streamsOf } from "./onsets";

const audio = { sampleRateHz: 44100, hopLength: 441, nMels: 64, nMfcc: 64 };
const frontend = { padSamples: 551 };
const N_FRAMES = 60;
const stream = onsetStream(audio);
const N_ONSETS = N_FRAMES - stream.windowFrames + 1;
const silence = new Float32Array((N_FRAMES + 2) * audio.hopLength);
const random = (i: number) => (Math.sin(i * i * 0.37) + 1) / 2;

/** The orthonormal DCT-II of a log-mel spectrum, as the front end gives it. */
function mfccOf(logMel: (frame: number, band: number) => number): Float32Array {
  const { nMels, nMfcc } = audio;
  return Float32Array.from({ length: N_FRAMES * nMfcc }, (_, i) => {
    const [frame, k] = [Math.floor(i / nMfcc), i % nMfcc];
    let sum = 0;
    for (let band = 0; band < nMels; band++) {
      sum += logMel(frame, band) * Math.cos((Math.PI * k * (band + 0.5)) / nMels);
    }
    return sum * Math.sqrt((k === 0 ? 1 : 2) / nMels);
  });
}

function hear(mfcc: Float32Array, pcm = silence, start = 0, count = N_ONSETS) {
  const onsets = onsetsOf(audio, frontend, { mfcc, pcm }, start, count);
  expect(onsets).toHaveLength(count * ONSETS_SIZE);
  const column = (offset: number) => [...onsets].filter((_, i) => i % ONSETS_SIZE === offset);
  return { rises: column(0), loudness: column(1) };
}

describe("onsetsOf", () => {
  it("gives no rise and the least loudness for digital silence", () => {
    const { rises, loudness } = hear(mfccOf(() => -100));
    rises.forEach((rise) => expect(rise).toBeCloseTo(0, 4));
    loudness.forEach((level) => expect(level).toBeCloseTo(-70, 4));
  });

  it("finds a rise where it is, to 10 ms, and as large as it is", () => {
    const from = 30;
    const { rises } = hear(mfccOf((frame) => (frame < from ? -60 : -54)));
    const heard = rises.flatMap((rise, k) => (rise > 3 ? [k] : []));
    heard.forEach((k) => expect(rises[k]).toBeCloseTo(6, 3));
    const middle = heard.reduce((sum, k) => sum + k, 0) / heard.length;
    const seconds = stream.timeOffsetSeconds + middle * stream.stepSeconds;
    expect(Math.abs(seconds - (from - 0.5) * stream.stepSeconds)).toBeLessThan(0.01);
  });

  it("counts what bands gain, not what others lose", () => {
    const { rises } = hear(mfccOf((frame, band) => (frame < 30 ? -50 : band < 16 ? -42 : -90)));
    expect(Math.max(...rises)).toBeCloseTo((16 * 8) / 64, 3);
    hear(mfccOf((frame) => -frame)).rises.forEach((rise) => expect(rise).toBeCloseTo(0, 4));
  });

  it("gives a sine's loudness", () => {
    const sine = silence.map((_, i) => 0.5 * Math.sin((2 * Math.PI * 1000 * i) / audio.sampleRateHz));
    const { loudness } = hear(
      mfccOf(() => -20),
      sine,
    );
    loudness.forEach((level) => expect(level).toBeCloseTo(10 * Math.log10(0.125), 1));
  });

  it("gives the same in blocks", () => {
    const mfcc = mfccOf((frame, band) => -40 + 30 * random(frame * 64 + band));
    const noise = silence.map((_, i) => random(i) - 0.5);
    const whole = hear(mfcc, noise);
    const blocks = [
      [0, 10],
      [10, 1],
      [11, N_ONSETS - 11],
    ].map(([start, count]) => hear(mfcc, noise, start, count));
    expect(blocks.flatMap(({ rises }) => rises)).toEqual(whole.rises);
    expect(blocks.flatMap(({ loudness }) => loudness)).toEqual(whole.loudness);
  });
});

it("stands beside the encoders, one encoding a frame, in the middle of its window", () => {
  expect(stream).toMatchObject({ name: ONSETS, encodingSize: 2, windowFrames: 4, stepSeconds: 0.01 });
  expect(stream.timeOffsetSeconds).toBeCloseTo(0.015, 9);
  expect(onsetStream({ sampleRateHz: 100, hopLength: 4 }).windowFrames).toBe(2);
  expect(streamsOf({ audio: audio as never, encoders: [] }).map(({ name }) => name)).toEqual([ONSETS]);
});
