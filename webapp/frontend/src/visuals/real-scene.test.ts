import { describe, expect, it } from "vitest";
import {
  CAMERA_DISTANCE,
  cameraElevation,
  createCameraFrame,
  createOrbit,
  createShells,
  DIRECTIONS,
  dot,
  placeCamera,
  skyChannel,
  sphereDistance,
  sphereRadius,
  surfaceChannel,
  throwShells,
  writeSpheres,
  type Vec3,
} from "./real-scene";

function spheres(distances: Vec3, camera: Vec3, timeSeconds: number): { center: Vec3; number: number }[] {
  const out = new Float32Array(4 * DIRECTIONS.length);
  const order = Uint8Array.from(DIRECTIONS.keys());
  writeSpheres(out, order, new Float32Array(DIRECTIONS.length), distances, camera, timeSeconds);
  return DIRECTIONS.map((_, place) => {
    const [x = 0, y = 0, z = 0, number = 0] = out.subarray(4 * place, 4 * place + 4);
    return { center: [x, y, z], number };
  });
}

/** Shells at a distance, a moment after a pulse of full strength. */
function thrown(distance: number, secondsAfter: number): Vec3 {
  const shells = createShells();
  const pulseAt = (seconds: number): number => (seconds < 0 ? 0 : Math.max(0, 1 - 2 * seconds));
  throwShells(shells, distance, { timeSeconds: secondsAfter, pulse: pulseAt(secondsAfter), pulseAt });
  return shells.distance;
}

const between = (a: Vec3, b: Vec3): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

describe("the grid", () => {
  it("has 26 different directions", () => {
    expect(new Set(DIRECTIONS.map(String)).size).toBe(26);
    expect(DIRECTIONS.every((direction) => dot(direction, direction) > 0)).toBe(true);
  });

  it("never lets spheres touch, nor the camera", () => {
    for (const [timeSeconds, afterPulse] of [0, 3, 47, 180, 1000].flatMap((time) =>
      [-1, 0, 0.05, 0.1, 0.4].map((after) => [time, after] as const),
    )) {
      const all = spheres(thrown(sphereDistance(0), afterPulse), [0, 0, CAMERA_DISTANCE], timeSeconds);
      all.forEach((one, index) => {
        for (const other of all.slice(index + 1)) {
          expect(between(one.center, other.center)).toBeGreaterThan(2 * sphereRadius(1));
        }
      });
      for (const { center } of spheres(
        thrown(sphereDistance(1), afterPulse),
        [0, 0, CAMERA_DISTANCE],
        timeSeconds,
      )) {
        expect(Math.hypot(...center) + sphereRadius(1)).toBeLessThan(CAMERA_DISTANCE - 1);
      }
    }
  });

  it("is painted from far to near, whatever was painted before", () => {
    const camera: Vec3 = [3, 6, -8];
    const all = spheres([3, 2.5, 2.5], camera, 12);
    expect(new Set(all.map(({ number }) => number)).size).toBe(26);
    for (let place = 1; place < all.length; place++) {
      expect(between(all[place]!.center, camera)).toBeLessThanOrEqual(
        between(all[place - 1]!.center, camera),
      );
    }
  });
});

describe("a pulse", () => {
  it("throws the spheres outwards, the nearest shell first, and lets them come home", () => {
    const [sides, edges, corners] = thrown(2, 0);
    expect(sides).toBeGreaterThan(2.5);
    expect(edges).toBe(2);
    expect(corners).toBe(2);
    for (const distance of thrown(2, 0.1)) expect(distance).toBeGreaterThan(2.5);
    expect(thrown(2, 0.6)).toEqual([2, 2, 2]);
  });
});

describe("the camera", () => {
  it("looks at the middle, upright, from a constant distance", () => {
    const frame = createCameraFrame();
    const orbit = createOrbit(0.5, 2);
    for (const azimuth of [0, 1, 4, 30]) {
      for (const parameter of [0, 0.5, 1]) {
        placeCamera(frame, orbit, azimuth, cameraElevation(parameter));
        expect(Math.hypot(...frame.position)).toBeCloseTo(CAMERA_DISTANCE, 5);
        expect(dot(frame.position, frame.forward)).toBeCloseTo(-CAMERA_DISTANCE, 5);
        expect(dot(frame.right, frame.up)).toBeCloseTo(0, 5);
        expect(dot(frame.right, frame.right)).toBeCloseTo(1, 5);
        expect(dot(frame.up, orbit.axis)).toBeGreaterThan(0.3);
      }
    }
  });

  it("rises with its parameter", () => {
    const frame = createCameraFrame();
    const orbit = createOrbit(0.5, 2);
    const heights = [0, 0.5, 1].map((parameter) => {
      placeCamera(frame, orbit, 1, cameraElevation(parameter));
      return dot(frame.position, orbit.axis);
    });
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
  });
});

describe("colours", () => {
  it.each([surfaceChannel, skyChannel])("rise with their parameter, from more than nothing", (channel) => {
    const values = Array.from({ length: 11 }, (_, step) => channel(step / 10));
    expect(values[0]).toBeGreaterThan(0);
    expect(values.at(-1)).toBeLessThan(1);
    for (let step = 1; step < values.length; step++) expect(values[step]).toBeGreaterThan(values[step - 1]!);
  });
});
