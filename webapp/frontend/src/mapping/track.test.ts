import { describe, expect, it } from "vitest";
import type { Mapping } from "../bundle";
import type { TimeAxis } from "../analysis/segments";
import { interpolate, positionAt } from "./interpolate";
import { scale } from "./scale";
import { pastWeight, smooth } from "./smooth";
import { ParameterTrack, type EncodingBlock } from "./track";

const SIZE = 3;
const axis: TimeAxis = { firstSeconds: 0.475, stepSeconds: 0.1, count: 60 };
const durationSeconds = 6.9;
const tickSeconds = 0.01;
const plain: Mapping = mapping([1, 1, 1], [0, 0, 0]);
const encodings = Float32Array.from(
  { length: axis.count * SIZE },
  (_, i) => 0.5 + 0.45 * Math.sin(1.7 * i) * Math.cos(0.3 * i),
);

function mapping(gain: number[], offset: number[]): Mapping {
  const scaling = { mode: "features", method: "standard", gain, offset };
  return { projection: { name: "raw", kind: "identity", encoder: "toy", scalings: [scaling] }, scaling };
}

function block(first: number, end: number): EncodingBlock {
  return { first, count: end - first, size: SIZE, encodings: encodings.slice(first * SIZE, end * SIZE) };
}

function create(retention: number, ...blocks: [number, number][]): ParameterTrack {
  const track = new ParameterTrack({
    axis,
    durationSeconds,
    mapping: plain,
    smoothing: { retention, tickSeconds },
  });
  for (const [first, end] of blocks) track.add(block(first, end));
  return track;
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

describe("scale", () => {
  it("is gain * y + offset, clipped", () => {
    const out = new Float32Array(6);
    scale([0, 1, 2, -9, 0.5, 9], mapping([2, 0.5, 1], [0.1, 0.2, -1.5]), out);
    [0.1, 0.7, 0.5, 0, 0.45, 1].forEach((expected, i) => expect(out[i]).toBeCloseTo(expected, 6));
    expect(() => scale([1, 2], plain, new Float32Array(2))).toThrow(RangeError);
  });
});

describe("positionAt", () => {
  it("holds before the first and after the last encoding", () => {
    expect(positionAt(axis, -1)).toEqual({ left: 0, right: 0, fraction: 0 });
    expect(positionAt(axis, 0.475)).toEqual({ left: 0, right: 0, fraction: 0 });
    expect(positionAt(axis, 99)).toEqual({ left: 59, right: 59, fraction: 0 });
  });

  it("is on a row at every encoding's own time", () => {
    for (let k = 0; k < axis.count; k++) {
      expect(positionAt(axis, axis.firstSeconds + k * axis.stepSeconds)).toEqual({
        left: k,
        right: k,
        fraction: 0,
      });
    }
    expect(positionAt(axis, 0.5).fraction).toBeCloseTo(0.25, 9);
  });
});

describe("smoothing", () => {
  it("depends on time alone", () => {
    const whole = smooth(0.2, 0.9, pastWeight(0.5, tickSeconds, 0.03));
    let stepped = 0.2;
    for (let i = 0; i < 12; i++) stepped = smooth(stepped, 0.9, pastWeight(0.5, tickSeconds, 0.0025));
    expect(stepped).toBeCloseTo(whole, 12);
  });

  it("equals the original at its tick", () => {
    expect(smooth(0.2, 0.9, pastWeight(0.7, tickSeconds, tickSeconds))).toBeCloseTo(
      0.7 * 0.2 + 0.3 * 0.9,
      12,
    );
  });

  it("has its ends: 0 follows at once, 1 never moves", () => {
    expect(pastWeight(0, tickSeconds, 1e-6)).toBe(0);
    expect(pastWeight(1, tickSeconds, 99)).toBe(1);
    expect(pastWeight(0, tickSeconds, 0)).toBe(1);
  });
});

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

  it("changes mapping, retention and order at once, as if it had been so from the start", () => {
    const other = mapping([0.5, 2, 1], [0.1, -0.3, 0]);
    const expected = new ParameterTrack({
      axis,
      durationSeconds,
      mapping: other,
      smoothing: { retention: 0.2, tickSeconds },
    });
    expected.add(block(0, 60));
    const track = create(0.9, [0, 25], [30, 60]);
    track.mapping = other;
    track.retention = 0.2;
    track.add(block(25, 30));
    for (const time of times) expect(at(track, time)).toEqual(at(expected, time));
    track.order = [2, 0, 1];
    const [a, b, c] = at(expected, 3).parameters;
    expect(at(track, 3).parameters).toEqual([c, a, b]);
    expect(track.order).toEqual([2, 0, 1]);
  });

  it("refuses what does not fit", () => {
    const track = create(0.5);
    expect(() => track.add(block(0, 61))).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), first: 58 })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), first: -1 })).toThrow(RangeError);
    expect(() => track.add({ ...block(0, 5), size: 2 })).toThrow(RangeError);
    expect(() => (track.order = [0, 1, 1])).toThrow(RangeError);
    expect(() => (track.retention = 1.01)).toThrow(RangeError);
    expect(() => (track.retention = NaN)).toThrow(RangeError);
    expect(() => (track.mapping = mapping([1], [0]))).toThrow(RangeError);
  });
});
