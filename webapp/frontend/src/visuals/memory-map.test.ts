import { describe, expect, it } from "vitest";
import { BEAT_STEPS, unroll, writeBeats, writeLandmarks } from "./memory-map";
import { Moments, MOMENTS } from "./memory-moments";
import { createRandom } from "./random";
import type { VisualFrame } from "./visual";

/** A song whose onsets are beats at 120 a minute, until it falls silent. */
function frameAt(timeSeconds: number, silentFrom = Number.POSITIVE_INFINITY): VisualFrame {
  const musicSecondsAt = (seconds: number): number => Math.min(seconds, silentFrom);
  const pulseAt = (seconds: number): number =>
    seconds < 0 || seconds >= silentFrom + 0.5 ? 0 : 1 - 2 * (seconds % 0.5);
  const at = (seconds: number): number[] =>
    Array.from({ length: 10 }, (_, i) => 0.5 + 0.4 * Math.sin(0.7 * musicSecondsAt(seconds) + i));
  return {
    timeSeconds,
    musicSeconds: musicSecondsAt(timeSeconds),
    pulse: pulseAt(timeSeconds),
    parameters: at(timeSeconds),
    travel: new Array<number>(10).fill(0.5 * musicSecondsAt(timeSeconds)),
    recall: (seconds, out) => out.set(at(seconds)),
    pulseAt,
    musicSecondsAt,
  };
}

function shown(frame: VisualFrame): Moments {
  const moments = new Moments({ places: [6, 7, 8], hue: 9, size: 0, random: createRandom(1) });
  moments.listen(frame, 0.5, 1);
  const beats = new Float32Array(BEAT_STEPS);
  writeBeats(beats, frame);
  const { musicSeconds } = frame;
  unroll(moments, { coil: 1.5, swirl: 1, ripple: 0.5, musicSeconds }, beats);
  return moments;
}

const placeOf = ({ data }: Moments, i: number): [number, number, number] => [
  data[4 * i] ?? NaN,
  data[4 * i + 1] ?? NaN,
  data[4 * i + 2] ?? NaN,
];

function fromHead(moments: Moments, i: number): number {
  const head = placeOf(moments, moments.count - 1);
  return Math.hypot(...placeOf(moments, i).map((x, axis) => x - (head[axis] ?? NaN)));
}

describe("the map", () => {
  it("is thrown outwards by a beat, from the present on", () => {
    const before = shown({ ...frameAt(10), pulse: 0, pulseAt: () => 0 });
    const atOnce = shown(frameAt(10));
    const later = shown(frameAt(10.2));
    const beatOf = ({ data }: Moments, i: number): number => data[4 * (2 * MOMENTS + i)] ?? NaN;
    expect(beatOf(atOnce, atOnce.count - 1)).toBe(1);
    // What is far away is still under the beat before.
    const far = Array.from({ length: before.count }, (_, i) => i).sort(
      (a, b) => fromHead(before, b) - fromHead(before, a),
    )[0]!;
    expect(beatOf(atOnce, far)).toBeLessThan(0.5);
    expect(beatOf(later, far)).toBeGreaterThan(0.5);
    for (let i = 0; i < before.count - 1; i++) {
      expect(fromHead(atOnce, i)).toBeGreaterThanOrEqual(fromHead(before, i) * (1 - 1e-6) - 0.06);
    }
    const still = shown({ ...frameAt(10.2), pulse: 0, pulseAt: () => 0 });
    expect(fromHead(later, far)).toBeGreaterThan(1.1 * fromHead(still, far));
  });

  it("stands still in silence, but for lights that fade for good", () => {
    const first = shown(frameAt(40, 30));
    const second = shown(frameAt(40.1, 30));
    for (let i = 0; i < first.count - 1; i++) {
      const apart = Math.hypot(...placeOf(first, i).map((x, axis) => x - (placeOf(second, i)[axis] ?? NaN)));
      expect(apart).toBeLessThan(0.01);
    }
    // Nothing happens there, so there is no light.
    const silent = Math.round(36 / first.grid.stepSeconds);
    expect(first.data[4 * silent + 3]).toBe(0);
    expect(first.data[4 * (silent / 2) + 3]).toBeGreaterThan(0);
  });

  it("has landmarks that are evenly spread over musical time", () => {
    const frame = frameAt(20, 10);
    const moments = shown(frame);
    const landmarks = new Float32Array(4);
    writeLandmarks(landmarks, moments, frame.musicSeconds);
    landmarks.forEach((at, k) => {
      expect(at * moments.grid.stepSeconds).toBeCloseTo(10 * ((k + 0.5) / 4), 3);
    });
  });

  it("stays finite, from the first moment on", () => {
    for (const seconds of [0, 0.01, 5, 400]) {
      expect(shown(frameAt(seconds)).data.every(Number.isFinite)).toBe(true);
    }
  });
});
