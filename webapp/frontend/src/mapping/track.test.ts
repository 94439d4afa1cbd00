import { describe, expect, it } from "vitest";
import { ONSETS, ONSETS_SIZE } from "../analysis/onsets";
import type { TimeAxis } from "../analysis/segments";
import type { Mapping, Part, Scaling, TimeSettings } from "../bundle";
import { interpolate, positionAt } from "./interpolate";
import { ParameterTrack, type EncodingBlock } from "./track";

const SIZE = 3;
const axis: TimeAxis = { firstSeconds: 0.475, stepSeconds: 0.1, count: 60 };
const durationSeconds = 6.9;
const tickSeconds = 0.01;
const encodings = Float32Array.from(
  { length: axis.count * SIZE },
  (_, i) => 0.5 + 0.45 * Math.sin(1.7 * i) * Math.cos(0.3 * i),
);

/** A second encoder, with larger steps and another window. */
const slowAxis: TimeAxis = { firstSeconds: 0.9, stepSeconds: 0.35, count: 16 };
const slowEncodings = Float32Array.from(
  { length: 2 * slowAxis.count },
  (_, i) => 0.5 + 0.4 * Math.cos(2.3 * i),
);
const encoders = [
  { name: "toy", encodingSize: SIZE, axis },
  { name: "slow", encodingSize: 2, axis: slowAxis },
];

const own: Part = { encoder: "toy", encodingSize: SIZE, steps: [], size: SIZE };
const plain = mapping([1, 1, 1], [0, 0, 0]);
/** Two numbers of the fine encoder between which stands one of the slow one. */
const mixed: Mapping = {
  projection: {
    name: "random",
    parts: [
      { ...own, steps: [{ kind: "select", indices: [2] }], size: 1 },
      { encoder: "slow", encodingSize: 2, steps: [{ kind: "select", indices: [1, 0] }], size: 2 },
    ],
    scalings: plain.projection.scalings,
  },
  scaling: plain.scaling,
};
const slowOnly: Mapping = {
  projection: {
    name: "pca",
    parts: [
      {
        encoder: "slow",
        encodingSize: 2,
        steps: [
          {
            kind: "affine",
            matrix: [
              [1, 0, 0.5],
              [0, 1, 0.5],
            ],
            offset: [0, 0, 0],
          },
        ],
        size: 3,
      },
    ],
    scalings: plain.projection.scalings,
  },
  scaling: plain.scaling,
};
const perTrack: Scaling = {
  mode: "features",
  method: "per-track",
  gain: [1, 1, 1],
  offset: [0, 0, 0],
  percentiles: [2.5, 97.5],
  maxBoost: 4,
};

function mapping(gain: number[], offset: number[]): Mapping {
  const scaling = { mode: "features", method: "standard", gain, offset } as const;
  return { projection: { name: "raw", parts: [own], scalings: [scaling] }, scaling };
}

function settings(retention: number, change: Partial<TimeSettings> = {}): TimeSettings {
  return {
    interpolation: "linear",
    attack: retention,
    release: retention,
    tickSeconds,
    lookAheadSeconds: 0,
    ...change,
  };
}

function block(first: number, end: number): EncodingBlock {
  const rows = encodings.slice(first * SIZE, end * SIZE);
  return { encoder: "toy", first, count: end - first, size: SIZE, encodings: rows };
}

function slowBlock(first: number, end: number): EncodingBlock {
  const rows = slowEncodings.slice(first * 2, end * 2);
  return { encoder: "slow", first, count: end - first, size: 2, encodings: rows };
}

function fresh(chosen: Mapping, time: TimeSettings): ParameterTrack {
  return new ParameterTrack({ encoders, durationSeconds, mapping: chosen, time });
}

function create(retention: number, ...blocks: [number, number][]): ParameterTrack {
  const track = fresh(plain, settings(retention));
  for (const [first, end] of blocks) track.add(block(first, end));
  return track;
}

function complete(chosen: Mapping, time: TimeSettings): ParameterTrack {
  const track = fresh(chosen, time);
  track.add(slowBlock(0, slowAxis.count));
  track.add(block(0, axis.count));
  return track;
}

function expectSame(track: ParameterTrack, expected: ParameterTrack): void {
  for (const time of times) expect(at(track, time)).toEqual(at(expected, time));
}

function at(track: ParameterTrack, time: number): { parameters: number[]; travel: number[] } {
  const parameters = new Float32Array(SIZE);
  const travel = new Float32Array(SIZE);
  track.at(time, parameters, travel);
  return { parameters: [...parameters], travel: [...travel] };
}

const times = Array.from({ length: 200 }, (_, i) => (i * durationSeconds) / 199);

/** The original's post-processing, tick by tick. */
function perTick(retention: number, column: number): number[] {
  const nTicks = Math.floor(durationSeconds / tickSeconds) + 1;
  const result: number[] = [];
  for (let tick = 0; tick < nTicks; tick++) {
    const value = interpolate(encodings, SIZE, positionAt(axis, tick * tickSeconds), column);
    result.push(tick === 0 ? value : retention * result[tick - 1]! + (1 - retention) * value);
  }
  return result;
}

describe("ParameterTrack", () => {
  it("gives the scaled encodings themselves without smoothing", () => {
    const track = create(0, [0, 60]);
    for (let k = 0; k < axis.count; k++) {
      const { parameters } = at(track, axis.firstSeconds + k * axis.stepSeconds);
      parameters.forEach((value, i) => expect(value).toBeCloseTo(encodings[k * SIZE + i]!, 6));
    }
  });

  it.each([0, 0.5, 0.9, 1])("equals the original's ticks at retention %f", (retention) => {
    const track = create(retention, [0, 60]);
    for (let column = 0; column < SIZE; column++) {
      perTick(retention, column).forEach((expected, tick) => {
        expect(at(track, tick * tickSeconds).parameters[column]).toBeCloseTo(expected, 5);
      });
    }
  });

  it("rises by attack and falls by release", () => {
    const [rise, fall] = [0.3, 0.9];
    const track = complete(plain, settings(0, { attack: rise, release: fall }));
    for (let column = 0; column < SIZE; column++) {
      let expected = encodings[column]!;
      for (let tick = 1; tick < 600; tick++) {
        const value = interpolate(encodings, SIZE, positionAt(axis, tick * tickSeconds), column);
        const weight = value > expected ? rise : fall;
        expected = weight * expected + (1 - weight) * value;
        expect(at(track, tick * tickSeconds).parameters[column]).toBeCloseTo(expected, 5);
      }
    }
  });

  it("holds a row until the next one, if told", () => {
    const track = complete(plain, settings(0, { interpolation: "hold" }));
    for (let k = 1; k < axis.count - 1; k++) {
      for (const share of [0, 0.3, 0.99]) {
        const { parameters } = at(track, axis.firstSeconds + (k + share) * axis.stepSeconds);
        parameters.forEach((value, i) => expect(value).toBeCloseTo(encodings[k * SIZE + i]!, 6));
      }
    }
  });

  it.each([0.3, -0.3])("looks %f s ahead, within the track", (lookAheadSeconds) => {
    const track = complete(plain, settings(0.6, { lookAheadSeconds }));
    const present = complete(plain, settings(0.6));
    for (const time of times) {
      const shown = Math.min(durationSeconds, Math.max(0, time + lookAheadSeconds));
      expect(track.shownSeconds(time)).toBe(shown);
      expect(at(track, time)).toEqual(at(present, shown));
    }
    expect(track.readyUntil(0)).toBe(durationSeconds);
  });

  it("is ready for what it shows, not for what is heard", () => {
    const ahead = fresh(plain, settings(0.5, { lookAheadSeconds: 0.3 }));
    const behind = fresh(plain, settings(0.5, { lookAheadSeconds: -0.3 }));
    for (const track of [ahead, behind]) track.add(block(0, 10));
    expect(ahead.readyUntil(0)).toBeCloseTo(1.375 - 0.3, 9);
    expect(ahead.isReady(1.2)).toBe(false);
    expect(behind.readyUntil(0)).toBeCloseTo(1.375 + 0.3, 9);
    expect(behind.isReady(1.6)).toBe(true);
    for (const track of [ahead, behind]) {
      for (const time of times) {
        expect(track.readyUntil(time)).toBeGreaterThanOrEqual(time);
        expect(track.readyUntil(time)).toBeLessThanOrEqual(durationSeconds);
      }
    }
  });

  it("is continuous and stays between 0 and 1", () => {
    const track = create(0.8, [0, 60]);
    let before = at(track, 0);
    for (let time = 0.001; time < durationSeconds; time += 0.003) {
      const now = at(track, time);
      now.parameters.forEach((value, i) => {
        expect(Math.abs(value - before.parameters[i]!)).toBeLessThan(0.05);
        expect(now.travel[i]! - before.travel[i]!).toBeGreaterThanOrEqual(-1e-6);
      });
      before = now;
    }
  });

  it("integrates the parameters over playback time", () => {
    const track = create(0.5, [0, 60]);
    const sum = new Float64Array(SIZE);
    const step = 0.0005;
    for (let time = step / 2; time < 5; time += step) {
      at(track, time).parameters.forEach((value, i) => (sum[i]! += value * step));
    }
    at(track, 5).travel.forEach((travel, i) => expect(travel).toBeCloseTo(sum[i]!, 3));
  });

  it("does not depend on the order of the blocks", () => {
    const whole = create(0.7, [0, 60]);
    for (const blocks of [
      [
        [0, 10],
        [10, 30],
        [30, 60],
      ],
      [
        [40, 60],
        [20, 40],
        [0, 20],
      ],
      [
        [30, 45],
        [45, 60],
        [0, 5],
        [5, 30],
      ],
      [
        [10, 20],
        [40, 50],
        [0, 12],
        [18, 41],
        [50, 60],
      ],
      [
        [0, 60],
        [5, 9],
      ],
    ] as [number, number][][]) {
      const track = create(0.7, ...blocks);
      for (const time of times) expect(at(track, time)).toEqual(at(whole, time));
    }
  });

  it("rests where nothing is known yet", () => {
    const track = create(0.5, [20, 30]);
    expect(at(track, 1)).toEqual({ parameters: [0.5, 0.5, 0.5], travel: [0.5, 0.5, 0.5] });
    const end = at(track, axis.firstSeconds + 29 * axis.stepSeconds).travel;
    const later = at(track, 5);
    expect(later.parameters).toEqual([0.5, 0.5, 0.5]);
    later.travel.forEach((travel, i) => {
      expect(travel).toBeCloseTo(end[i]! + 0.5 * (5 - axis.firstSeconds - 29 * axis.stepSeconds), 5);
    });
    expect(at(create(0.5), 4).travel).toEqual([2, 2, 2]);
  });

  it("starts a run from its first value", () => {
    const track = create(0.9, [20, 30]);
    const { parameters } = at(track, axis.firstSeconds + 20 * axis.stepSeconds);
    parameters.forEach((value, i) => expect(value).toBeCloseTo(encodings[20 * SIZE + i]!, 6));
  });

  it("knows until when it is ready", () => {
    const track = create(0.5, [0, 10], [20, 30]);
    expect(track.isReady(0)).toBe(true);
    expect(track.readyUntil(0)).toBeCloseTo(0.475 + 0.9, 9);
    expect(track.isReady(1.5)).toBe(false);
    expect(track.readyUntil(1.5)).toBe(1.5);
    expect(track.readyUntil(2.6)).toBeCloseTo(0.475 + 2.9, 9);
    track.add(block(10, 20));
    expect(track.readyUntil(0)).toBeCloseTo(0.475 + 2.9, 9);
    track.add(block(30, 60));
    expect(track.readyUntil(3)).toBe(durationSeconds);
    expect(track.isReady(durationSeconds + 1)).toBe(true);
  });

  it("changes mapping, time and order at once, as if it had been so from the start", () => {
    const other = mapping([0.5, 2, 1], [0.1, -0.3, 0]);
    const time = settings(0.2, { release: 0.8, interpolation: "hold", tickSeconds: 0.02 });
    const expected = fresh(other, time);
    expected.add(block(0, 60));
    const track = create(0.9, [0, 25], [30, 60]);
    track.mapping = other;
    track.time = time;
    track.add(block(25, 30));
    expectSame(track, expected);
    track.order = [2, 0, 1];
    const [a, b, c] = at(expected, 3).parameters;
    expect(at(track, 3).parameters).toEqual([c, a, b]);
    expect(track.order).toEqual([2, 0, 1]);
  });

  it("refuses what does not fit, and goes on as before", () => {
    const track = create(0.5, [0, 60]);
    expect(() => track.add(block(0, 61))).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), first: 58 })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), first: -1 })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), size: 2 })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), encoder: "other" })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 1), encodings: Float32Array.of(0, NaN, 0) })).toThrow(RangeError);
    expect(() => (track.order = [0, 1, 1])).toThrow(RangeError);
    for (const wrong of [{ attack: 1.01 }, { release: NaN }, { tickSeconds: 0 }, { lookAheadSeconds: NaN }]) {
      expect(() => (track.time = settings(0.5, wrong))).toThrow(RangeError);
    }
    expect(() => (track.mapping = mapping([1], [0]))).toThrow(RangeError);
    const foreign = { ...plain.projection, parts: [{ ...own, encoder: "other" }] };
    expect(() => (track.mapping = { ...plain, projection: foreign })).toThrow(RangeError);
    expect(track.mapping).toBe(plain);
    expectSame(track, create(0.5, [0, 60]));
  });
});

describe("a track of several encoders", () => {
  it("has its rows on the finest axis, the other parts interpolated", () => {
    const track = complete(mixed, settings(0));
    expect(track.axis).toBe(axis);
    const { rows } = track;
    for (let k = 0; k < axis.count; k++) {
      const position = positionAt(slowAxis, axis.firstSeconds + k * axis.stepSeconds);
      expect(rows[SIZE * k]).toBeCloseTo(encodings[SIZE * k + 2]!, 6);
      expect(rows[SIZE * k + 1]).toBeCloseTo(interpolate(slowEncodings, 2, position, 1), 6);
      expect(rows[SIZE * k + 2]).toBeCloseTo(interpolate(slowEncodings, 2, position, 0), 6);
    }
  });

  it("knows a row when it knows all encodings that the row hangs on", () => {
    const track = fresh(mixed, settings(0.5));
    track.add(block(0, 20)); // 0.475 ... 2.375 s
    expect(track.isReady(0)).toBe(false);
    expect([...track.rows].every((value) => value === 0.5)).toBe(true);
    track.add(slowBlock(0, 3)); // 0.9, 1.25, 1.6 s; before 0.9 s it holds
    expect(track.readyUntil(0)).toBeCloseTo(1.575, 9);
    expect(track.rows[SIZE * 12]).toBe(0.5);
    track.add(slowBlock(4, 6)); // 2.3, 2.65 s
    expect(track.readyUntil(0)).toBeCloseTo(1.575, 9);
    expect(track.isReady(2.35)).toBe(false); // between a row that is not known and one that is
    expect(track.isReady(2.375)).toBe(true);
    track.add(slowBlock(3, 4));
    expect(track.readyUntil(0)).toBeCloseTo(2.375, 9);
    track.add(block(20, 60));
    track.add(slowBlock(6, 16)); // up to 6.15 s, after which it holds
    expect(track.readyUntil(0)).toBe(durationSeconds);
  });

  it("does not depend on the order of the blocks", () => {
    const blocks = [
      block(0, 20),
      block(20, 45),
      block(45, 60),
      slowBlock(0, 7),
      slowBlock(7, 12),
      slowBlock(10, 16),
    ];
    for (const scaling of [plain.scaling, perTrack]) {
      const expected = complete({ ...mixed, scaling }, settings(0.7, { release: 0.95 }));
      for (let seed = 0; seed < 12; seed++) {
        const track = fresh({ ...mixed, scaling }, settings(0.7, { release: 0.95 }));
        const order = blocks.map((entry, i) => ({ entry, key: (7 * (i + 1) * (seed + 1)) % 31 }));
        for (const { entry } of order.sort((a, b) => a.key - b.key)) track.add(entry);
        expectSame(track, expected);
      }
    }
  });

  it("takes another projection at once, whichever encoders it takes", () => {
    const chain = [plain, mixed, slowOnly, mixed, plain, slowOnly];
    const track = complete(chain[0]!, settings(0.5));
    for (const chosen of chain) {
      track.mapping = chosen;
      expectSame(track, complete(chosen, settings(0.5)));
    }
    expect(track.axis).toBe(slowAxis);

    const partly = fresh(plain, settings(0.5));
    partly.add(slowBlock(0, 4));
    partly.add(block(0, 10));
    expect(partly.readyUntil(0)).toBeCloseTo(1.375, 9);
    partly.mapping = slowOnly;
    expect(partly.readyUntil(0)).toBeCloseTo(0.9 + 3 * 0.35, 9);
    partly.mapping = plain;
    partly.add(block(10, 60));
    partly.add(slowBlock(4, 16));
    expectSame(partly, complete(plain, settings(0.5)));
  });

  it("fits a scaling to all that is known of the track", () => {
    const chosen = { ...plain, scaling: perTrack };
    const range = (track: ParameterTrack, column: number) => {
      const values = [...track.rows].filter((_, i) => i % SIZE === column).sort((a, b) => a - b);
      return { smallest: values[0], second: values[2], greatest: values.at(-1) };
    };
    const whole = complete(chosen, settings(0));
    for (let column = 0; column < SIZE; column++) {
      expect(range(whole, column)).toMatchObject({ smallest: 0, greatest: 1 });
      expect(range(whole, column).second).toBeGreaterThan(0);
    }
    const track = fresh(chosen, settings(0));
    track.add(block(0, 12));
    expect(track.rows.subarray(0, SIZE)).not.toEqual(whole.rows.subarray(0, SIZE));
    track.add(block(12, 60));
    expect(track.rows).toEqual(whole.rows);
    track.mapping = plain;
    expect(track.rows).toEqual(complete(plain, settings(0)).rows);
    track.mapping = chosen;
    expect(track.rows).toEqual(whole.rows);
  });

  it("is not affected by encodings that its mapping does not take", () => {
    const track = create(0.5, [0, 30]);
    const before = times.map((time) => at(track, time));
    track.add(slowBlock(0, 16));
    expect(times.map((time) => at(track, time))).toEqual(before);
  });

  it("needs an encoding of every encoder", () => {
    const none = { ...encoders[1]!, axis: { ...slowAxis, count: 0 } };
    expect(
      () =>
        new ParameterTrack({
          encoders: [encoders[0]!, none],
          durationSeconds,
          mapping: plain,
          time: settings(0.5),
        }),
    ).toThrow(RangeError);
  });

  it("is copied with what it knows, gaps and all", () => {
    const track = new ParameterTrack({ encoders, durationSeconds, mapping: mixed, time: settings(0.5) });
    const part = (first: number, count: number): EncodingBlock => ({
      encoder: "toy",
      first,
      count,
      encodings: encodings.slice(first * SIZE, (first + count) * SIZE),
      size: SIZE,
    });
    track.add(part(0, 20));
    track.add(part(35, 10));
    track.add({ encoder: "slow", first: 0, count: 16, encodings: slowEncodings, size: 2 });
    track.order = [2, 0, 1];
    expect(track.encodingsOf("slow")).toMatchObject({ encodings: slowEncodings, size: 2, complete: true });
    expect(track.encodingsOf("toy").complete).toBe(false);
    const copy = track.copy();
    const [values, copied] = [new Float32Array(6), new Float32Array(6)];
    const at = (one: ParameterTrack, time: number, out: Float32Array) =>
      one.at(time, out.subarray(0, 3), out.subarray(3));
    for (const time of times) {
      at(track, time, values);
      at(copy, time, copied);
      expect(copied).toEqual(values);
    }
    track.add(part(20, 15));
    track.order = [0, 1, 2];
    at(copy, 3, copied);
    expect(copy.isReady(3)).toBe(false);
    expect([...copied.subarray(0, 3)]).toEqual([0.5, 0.5, 0.5]);
  });
});

describe("a track with onsets", () => {
  const fine: TimeAxis = { firstSeconds: 0.015, stepSeconds: 0.01, count: 687 };
  const onsets = Float32Array.from({ length: 2 * fine.count }, (_, i) => {
    const seconds = fine.firstSeconds + Math.floor(i / 2) * fine.stepSeconds;
    return i % 2 ? -20 - 10 * (seconds % 0.5) : seconds % 0.5 < 0.03 ? 7 : 0.6;
  });
  const all = [...encoders, { name: ONSETS, encodingSize: ONSETS_SIZE, axis: fine }];

  function onsetBlock(first: number, end: number): EncodingBlock {
    const encodings = onsets.slice(first * ONSETS_SIZE, end * ONSETS_SIZE);
    return { encoder: ONSETS, first, count: end - first, size: ONSETS_SIZE, encodings };
  }

  function tracked(blocks: readonly EncodingBlock[], change: Partial<TimeSettings> = {}): ParameterTrack {
    const time = settings(0.9, change);
    const track = new ParameterTrack({ encoders: all, durationSeconds, mapping: mixed, time });
    for (const entry of blocks) track.add(entry);
    return track;
  }

  const blocks = [
    block(0, 20),
    block(20, 60),
    slowBlock(0, 16),
    onsetBlock(0, 205),
    onsetBlock(205, 400),
    onsetBlock(400, 660),
    onsetBlock(660, 687),
  ];
  const whole = tracked(blocks);

  it("moves the same in whatever order blocks come, and wherever one asks first", () => {
    for (let seed = 0; seed < 20; seed++) {
      const order = blocks.map((entry, i) => ({ entry, key: (11 * (i + 1) * (seed + 1)) % 37 }));
      const track = tracked([]);
      for (const { entry } of order.sort((a, b) => a.key - b.key)) {
        track.add(entry);
        track.motionAt((seed / 20) * durationSeconds);
      }
      for (const time of times.toReversed()) {
        expect(track.motionAt(time)).toEqual(whole.motionAt(time));
        expect(at(track, time)).toEqual(at(whole, time));
      }
    }
  });

  it("moves on without jumps, most at onsets", () => {
    const musicAt = (time: number) => whole.motionAt(time).musicSeconds;
    for (let time = 0.001; time < durationSeconds; time += 0.003) {
      const passed = musicAt(time) - musicAt(time - 0.001);
      expect(passed).toBeGreaterThanOrEqual(0);
      expect(passed).toBeLessThan(0.02);
    }
    for (let beat = 1; beat < 6; beat += 0.5) {
      expect(musicAt(beat + 0.06) - musicAt(beat)).toBeGreaterThan(
        2 * (musicAt(beat + 0.3) - musicAt(beat + 0.24)),
      );
      expect(whole.motionAt(beat + 0.05).pulse).toBeGreaterThan(whole.motionAt(beat - 0.05).pulse);
    }
  });

  it("integrates over musical time", () => {
    const sum = new Float64Array(SIZE);
    const step = 0.0005;
    for (let time = step / 2; time < 5; time += step) {
      const passed =
        whole.motionAt(time + step / 2).musicSeconds - whole.motionAt(time - step / 2).musicSeconds;
      at(whole, time).parameters.forEach((value, i) => (sum[i]! += value * passed));
    }
    at(whole, 5).travel.forEach((travel, i) => expect(Math.abs(travel - sum[i]!)).toBeLessThan(0.01));
  });

  it("rests where the onsets are missing, and goes on after", () => {
    const track = tracked(blocks.filter((_, i) => i !== 4));
    expect(track.readyUntil(0)).toBeLessThanOrEqual(2.065);
    expect(track.isReady(3)).toBe(false);
    expect(track.isReady(5)).toBe(true);
    const rest = track.motionAt(3.5).musicSeconds - track.motionAt(2.5).musicSeconds;
    expect(rest).toBeCloseTo(1, 9);
    expect(track.motionAt(3).pulse).toBe(0);
    expect(track.motionAt(6).musicSeconds).toBeGreaterThan(track.motionAt(4.5).musicSeconds);
    track.add(blocks[4]!);
    for (const time of times) expect(track.motionAt(time)).toEqual(whole.motionAt(time));
  });

  it("misses no onset between two ticks", () => {
    const coarse = tracked(blocks, { tickSeconds: 0.2 });
    const [a, b] = [coarse, whole].map((track) => track.motionAt(6).musicSeconds) as [number, number];
    expect(Math.abs(a - b)).toBeLessThan(0.1 * b);
  });
});
