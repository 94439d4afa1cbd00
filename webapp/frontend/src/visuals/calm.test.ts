import { describe, expect, it } from "vitest";
import { calmFrame } from "./calm";
import type { VisualFrame, VisualParameter } from "./visual";

const STEP_SECONDS = 0.01;

const declared: VisualParameter[] = [
  { name: "moving", label: "Moving", rest: 0.4, moves: true },
  { name: "look", label: "Look", rest: 0.5, moves: false },
];

const musicSecondsAt = (seconds: number): number => 1.3 * seconds;
const pulseAt = (seconds: number): number => Math.max(0, 1 - 2 * (seconds % 0.7));
const valuesAt = (seconds: number): number[] => [0.5 + 0.5 * Math.sin(3 * seconds), 0.1 + 0.02 * seconds];

function frameAt(timeSeconds: number): VisualFrame {
  const travel = [0, 0];
  for (let seconds = 0; seconds < timeSeconds - 1e-9; seconds += STEP_SECONDS)
    valuesAt(seconds).forEach((value, i) => (travel[i] = (travel[i] ?? 0) + 1.3 * STEP_SECONDS * value));
  return {
    timeSeconds,
    musicSeconds: musicSecondsAt(timeSeconds),
    pulse: pulseAt(timeSeconds),
    parameters: valuesAt(timeSeconds),
    travel,
    recall: (seconds, out) => out.set(valuesAt(seconds)),
    pulseAt,
    musicSecondsAt,
  };
}

const calmAt = (seconds: number): VisualFrame => calmFrame(frameAt(seconds), declared);

describe("a calm frame", () => {
  it("moves less from rest, and keeps its look", () => {
    const [moving = NaN, look = NaN] = Array.from(frameAt(0.5).parameters);
    const [calmMoving = NaN, calmLook = NaN] = Array.from(calmAt(0.5).parameters);
    expect(calmLook).toBe(look);
    expect((calmMoving - 0.4) / (moving - 0.4)).toBeCloseTo(0.3, 9);
  });

  it("has weaker pulses and slower musical time", () => {
    expect(calmAt(1.4).pulse).toBeCloseTo(0.25, 9);
    expect(calmAt(1.4).musicSeconds).toBeCloseTo(0.25 * 1.3 * 1.4, 9);
  });

  it("remembers what it was", () => {
    const out = new Float32Array(2);
    calmAt(3).recall(1.2, out);
    expect(Array.from(out)).toEqual(Array.from(calmAt(1.2).parameters, Math.fround));
    expect(calmAt(3).pulseAt(1.4)).toBe(calmAt(1.4).pulse);
    expect(calmAt(3).musicSecondsAt(1.2)).toBe(calmAt(1.2).musicSeconds);
  });

  it("has travelled by the integral of its own parameters over its own musical time", () => {
    const travelled = [0, 0];
    for (let seconds = 0; seconds < 2 - 1e-9; seconds += STEP_SECONDS) {
      const step = calmAt(seconds + STEP_SECONDS).musicSeconds - calmAt(seconds).musicSeconds;
      Array.from(calmAt(seconds).parameters).forEach((value, i) => (travelled[i]! += step * value));
    }
    Array.from(calmAt(2).travel).forEach((value, i) => expect(value).toBeCloseTo(travelled[i]!, 6));
  });
});
