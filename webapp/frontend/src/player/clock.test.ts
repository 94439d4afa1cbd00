import { describe, expect, it } from "vitest";
import { PlaybackClock, clamp, heardSeconds } from "./clock";

describe("heardSeconds", () => {
  const reading = { renderedSeconds: 10, latencySeconds: 0.04, nowMs: 5000, timestamp: null };

  it("takes rendering less latency without a timestamp", () => {
    expect(heardSeconds(reading)).toBeCloseTo(9.96);
    expect(heardSeconds({ ...reading, renderedSeconds: 0.01 })).toBe(0);
  });

  it("carries a timestamp on with the wall clock", () => {
    const timestamp = { contextTime: 9.9, performanceTime: 4970 };
    expect(heardSeconds({ ...reading, timestamp })).toBeCloseTo(9.93);
  });

  it("does not believe zeros, stale pairs or the far past", () => {
    for (const timestamp of [
      { contextTime: 0, performanceTime: 0 },
      { contextTime: 9.9, performanceTime: 1000 }, // suspended for four seconds: 13.9 s would be heard
      { contextTime: 2, performanceTime: 5000 },
      {},
    ]) {
      expect(heardSeconds({ ...reading, timestamp })).toBeCloseTo(9.96);
    }
  });

  it("never runs ahead of rendering", () => {
    const timestamp = { contextTime: 10.02, performanceTime: 5000 };
    expect(heardSeconds({ ...reading, timestamp })).toBe(10);
  });
});

describe("PlaybackClock", () => {
  function setUp(durationSeconds = 30) {
    const context = { heard: 100 };
    const clock = new PlaybackClock(() => context.heard);
    clock.reset(durationSeconds);
    return { context, clock };
  }

  it("stands still until it is started", () => {
    const { context, clock } = setUp();
    context.heard += 5;
    expect(clock.position()).toBe(0);
    expect(clock.running).toBe(false);
  });

  it("counts from the moment at which the sound is heard, not before", () => {
    const { context, clock } = setUp();
    clock.start(100.02);
    expect(clock.position()).toBe(0);
    context.heard = 103.02;
    expect(clock.position()).toBeCloseTo(3);
  });

  it("keeps its place over a pause", () => {
    const { context, clock } = setUp();
    clock.start(100);
    context.heard = 104;
    clock.stop();
    context.heard = 150;
    expect(clock.position()).toBeCloseTo(4);
    clock.start(150);
    context.heard = 151;
    expect(clock.position()).toBeCloseTo(5);
  });

  it("never steps back while it runs", () => {
    const { context, clock } = setUp();
    clock.start(100);
    context.heard = 102;
    expect(clock.position()).toBeCloseTo(2);
    context.heard = 101.9;
    expect(clock.position()).toBeCloseTo(2);
    context.heard = 102.5;
    expect(clock.position()).toBeCloseTo(2.5);
  });

  it("seeks both ways, within the track", () => {
    const { context, clock } = setUp();
    clock.start(100);
    context.heard = 110;
    expect(clock.position()).toBeCloseTo(10);
    clock.seek(3);
    expect(clock.running).toBe(false);
    expect(clock.position()).toBe(3);
    clock.start(110);
    context.heard = 111;
    expect(clock.position()).toBeCloseTo(4);
    clock.seek(99);
    expect(clock.position()).toBe(30);
    clock.seek(-1);
    expect(clock.position()).toBe(0);
  });

  it("stops at the track's end", () => {
    const { context, clock } = setUp(2);
    clock.start(100);
    context.heard = 190;
    expect(clock.position()).toBe(2);
  });

  it("begins anew with a new track", () => {
    const { context, clock } = setUp();
    clock.start(100);
    context.heard = 110;
    clock.position();
    clock.reset(5);
    expect(clock.position()).toBe(0);
    expect(clock.durationSeconds).toBe(5);
  });
});

describe("clamp", () => {
  it("keeps numbers inside and makes NaN the lower end", () => {
    expect([clamp(-1, 0, 1), clamp(0.5, 0, 1), clamp(2, 0, 1), clamp(NaN, 0, 1)]).toEqual([0, 0.5, 1, 0]);
  });
});
