import { describe, expect, it } from "vitest";
import { createRandom } from "../visuals/random";
import { cpuMilliseconds } from "../testing/cpu-time";
import { findSections, sectionAt, type SectionsInput, type Structure } from "./sections";

const SIZE = 10;

interface SongOptions {
  readonly seconds?: number;
  readonly stepSeconds?: number;
  readonly firstSeconds?: number;
  readonly noise?: number;
  readonly seed?: number;
  readonly size?: number;
}

/** A song of kinds of sound, each of the same length: a point for each kind, and noise around it. */
function song(
  form: string,
  {
    seconds = 120,
    stepSeconds = 0.25,
    firstSeconds = 0.5,
    noise = 0.3,
    seed = 1,
    size = SIZE,
  }: SongOptions = {},
): SectionsInput & { readonly encodings: Float32Array } {
  const random = createRandom(seed);
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const kinds = new Map([...new Set(form)].map((kind) => [kind, Float64Array.from({ length: size }, gauss)]));
  const count = Math.floor((seconds - 2 * firstSeconds) / stepSeconds);
  const encodings = new Float32Array(count * size);
  for (let k = 0; k < count; k++) {
    const kind = form[Math.floor(((firstSeconds + k * stepSeconds) / seconds) * form.length)] ?? "";
    for (let i = 0; i < size; i++) {
      encodings[k * size + i] = (kinds.get(kind)?.[i] ?? 0) + noise * gauss();
    }
  }
  return { encodings, size, axis: { firstSeconds, stepSeconds, count }, durationSeconds: seconds };
}

const labelsOf = ({ sections }: Structure) => sections.map(({ label }) => label);
const startsOf = ({ sections }: Structure) => sections.map(({ startSeconds }) => startSeconds);

function expectSound({ novelty, axis, sections }: Structure, durationSeconds: number): void {
  expect(novelty).toHaveLength(axis.count);
  expect(novelty.every((value) => value >= 0 && value <= 1)).toBe(true);
  expect(sections[0]?.startSeconds).toBe(0);
  expect(sections.at(-1)?.endSeconds).toBe(durationSeconds);
  let known = -1;
  sections.forEach(({ startSeconds, endSeconds, label }, i) => {
    expect(endSeconds).toBeGreaterThan(startSeconds);
    if (i > 0) {
      expect(startSeconds).toBe(sections[i - 1]!.endSeconds);
      expect(label).not.toBe(sections[i - 1]!.label);
    }
    expect(label).toBeLessThanOrEqual(known + 1);
    known = Math.max(known, label);
  });
}

describe("findSections", () => {
  it.each([1, 2, 3, 4, 5])("finds what returns: ABAB (seed %i)", (seed) => {
    const structure = findSections(song("ABAB", { seed }));
    expectSound(structure, 120);
    expect(labelsOf(structure)).toEqual([0, 1, 0, 1]);
    for (const [i, seconds] of [30, 60, 90].entries()) {
      expect(Math.abs(startsOf(structure)[i + 1]! - seconds)).toBeLessThanOrEqual(1);
    }
  });

  it("tells three kinds apart and numbers them by first appearance", () => {
    const structure = findSections(song("ABCBCAD", { seconds: 240, seed: 7 }));
    expect(labelsOf(structure)).toEqual([0, 1, 2, 1, 2, 0, 3]);
    expect(structure.novelty.every((value) => value <= 1)).toBe(true);
  });

  it.each([10, 30, 240, 1800])("hears one section in a constant song of %i s", (seconds) => {
    const structure = findSections(song("A", { seconds, noise: 0 }));
    expect(structure.sections).toEqual([{ startSeconds: 0, endSeconds: seconds, label: 0 }]);
    expect(structure.novelty.every((value) => value === 0)).toBe(true);
  });

  it("takes rounding for no music", () => {
    const input = song("A", { noise: 0 });
    const shaken = Float32Array.from(input.encodings, (value, i) => value * (1 + 1e-7 * (i % 3)));
    expect(findSections({ ...input, encodings: shaken }).sections).toHaveLength(1);
  });

  it("takes chance for no structure", () => {
    for (const size of [4, 10, 64]) {
      for (let seed = 1; seed <= 20; seed++) {
        for (const seconds of [30, 200]) {
          expect(labelsOf(findSections(song("A", { seconds, seed, noise: 1, size })))).toEqual([0]);
        }
      }
    }
  });

  it("depends on nothing but the music: not on where time begins, nor on scale or offset of a component", () => {
    const input = song("ABCAB", { seconds: 100, seed: 3 });
    const reference = findSections(input);
    expect(reference.sections.length).toBe(5);
    const shifted = findSections({
      ...input,
      axis: { ...input.axis, firstSeconds: input.axis.firstSeconds + 7 },
      durationSeconds: 107,
    });
    expect(labelsOf(shifted)).toEqual(labelsOf(reference));
    startsOf(shifted)
      .slice(1)
      .forEach((start, i) => expect(start).toBeCloseTo(startsOf(reference)[i + 1]! + 7, 9));
    const scaled = Float32Array.from(
      input.encodings,
      (value, i) => 0.01 * (i % SIZE) + (1 + (i % SIZE)) * value,
    );
    const other = findSections({ ...input, encodings: scaled });
    expect(other.sections).toEqual(reference.sections);
    other.novelty.forEach((value, k) => expect(value).toBeCloseTo(reference.novelty[k]!, 3));
  });

  it("moves a boundary along with the music", () => {
    const input = song("AB", { seconds: 80, seed: 5 });
    const before = startsOf(findSections(input))[1]!;
    // 6 s of the first kind go to the end: everything else is that much earlier.
    const n = 24 * SIZE;
    const rotated = new Float32Array(input.encodings.length);
    rotated.set(input.encodings.subarray(n));
    rotated.set(input.encodings.subarray(input.encodings.length - n), rotated.length - n);
    expect(startsOf(findSections({ ...input, encodings: rotated }))[1]).toBeCloseTo(before - 6, 6);
  });

  it("is the same backwards", () => {
    const input = song("ABCA", { seconds: 100, seed: 9, firstSeconds: 0 });
    const { count } = input.axis;
    const reversed = new Float32Array(input.encodings.length);
    for (let k = 0; k < count; k++) {
      reversed.set(input.encodings.subarray(k * SIZE, (k + 1) * SIZE), (count - 1 - k) * SIZE);
    }
    const forth = startsOf(findSections(input)).slice(1);
    const back = startsOf(findSections({ ...input, encodings: reversed })).slice(1);
    expect(back).toHaveLength(forth.length);
    back.toReversed().forEach((start, i) => expect(Math.abs(100 - start - forth[i]!)).toBeLessThanOrEqual(1));
  });

  it("stays sound for every length and step", () => {
    const random = createRandom(11);
    for (let round = 0; round < 60; round++) {
      const seconds = 10 + 200 * random() ** 2;
      const form = Array.from(
        { length: 1 + Math.floor(8 * random()) },
        () => "ABCD"[Math.floor(4 * random())],
      );
      const stepSeconds = 0.02 + 1.5 * random();
      const noise = 2 * random() ** 2;
      const structure = findSections(song(form.join(""), { seconds, stepSeconds, noise, seed: round }));
      expectSound(structure, seconds);
      expect(structure.axis.stepSeconds).toBeGreaterThanOrEqual(0.5 - 1e-9);
    }
  });

  it("lives with a single encoding, and with none that is a number", () => {
    const one = { size: 2, axis: { firstSeconds: 0.5, stepSeconds: 1, count: 1 }, durationSeconds: 1 };
    expect(findSections({ ...one, encodings: [1, 2] }).sections).toHaveLength(1);
    expect(() => findSections({ ...one, encodings: [1, NaN] })).toThrow("not finite");
    expect(() => findSections({ ...one, encodings: [1] })).toThrow(RangeError);
  });

  it("is quick", () => {
    const input = song("ABABCAB", { seconds: 240, stepSeconds: 0.1, size: 64 });
    const long = song("ABABCABABCAB", { seconds: 1800, stepSeconds: 0.1 });
    const best = (run: () => void) => Math.min(...Array.from({ length: 5 }, () => cpuMilliseconds(run)));
    // Generous for slow machines; on others they are 10 and 90 ms.
    expect(best(() => findSections(input))).toBeLessThan(150);
    expect(best(() => findSections(long))).toBeLessThan(1000);
  });
});

it("sectionAt", () => {
  const sections = [0, 10, 25].map((startSeconds, label) => ({ startSeconds, endSeconds: 30, label }));
  expect([-1, 0, 9.9, 10, 24, 25, 99].map((seconds) => sectionAt(sections, seconds))).toEqual([
    0, 0, 0, 1, 1, 2, 2,
  ]);
});
