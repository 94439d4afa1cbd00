import { expect, it } from "vitest";
import { N_PARAMETERS } from "../visuals/visual";
import { MusicFrames, type MusicSource } from "./music-frames";
import { wiresFor } from "./wiring";

/** Numbers that rise with time, and musical time that passes twice as fast. */
const source: MusicSource = {
  at: (seconds, parameters, travel) => {
    parameters.fill(seconds / 10);
    travel.fill(seconds);
  },
  motionAt: (seconds) => ({ musicSeconds: 2 * seconds, pulse: seconds / 20 }),
};
const straight = wiresFor(Array.from({ length: N_PARAMETERS }, (_, i) => i));

it("leads numbers, musical time and pulse to the picture", () => {
  const frame = new MusicFrames().hear(source, straight, 4);
  expect(frame).toMatchObject({ timeSeconds: 4, musicSeconds: 8, pulse: 0.2 });
  expect(frame.parameters[3]).toBeCloseTo(0.4);
  expect(frame.travel[3]).toBeCloseTo(4);
  expect(frame.pulseAt(2)).toBeCloseTo(0.1);
});

it("lets what is held, or upside down, travel in musical time", () => {
  const wires = straight.map((wire, i) =>
    i === 0 ? { ...wire, held: 0.25 } : { ...wire, inverted: i === 1 },
  );
  const { parameters, travel } = new MusicFrames().hear(source, wires, 4);
  expect([parameters[0], travel[0]]).toEqual([0.25, 2]);
  expect(parameters[1]).toBeCloseTo(0.6);
  expect(travel[1]).toBeCloseTo(4);
});

it("recalls another moment and leaves the present as it is", () => {
  const frame = new MusicFrames().hear(source, straight, 4);
  const then = new Float32Array(N_PARAMETERS);
  frame.recall(2, then);
  expect(then[5]).toBeCloseTo(0.2);
  expect(frame.parameters[5]).toBeCloseTo(0.4);
  expect(frame.travel[5]).toBeCloseTo(4);
});

it("holds what was heard last while time goes on", () => {
  const frames = new MusicFrames();
  expect(frames.hold(1)).toMatchObject({ timeSeconds: 1, musicSeconds: 0, pulse: 0 });
  frames.hear(source, straight, 4);
  expect(frames.hold(9)).toMatchObject({ timeSeconds: 9, musicSeconds: 8, pulse: 0.2 });
});
