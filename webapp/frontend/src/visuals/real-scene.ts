/** VIZ-REAL without a GPU: what the ten parameters mean, where camera and spheres are. */

import { mix } from "./curves";
import type { VisualFrame } from "./visual";

export type Vec3 = [number, number, number];

/** The directions of a 3x3x3 grid from its centre: six sides, twelve edges, eight corners. */
export const DIRECTIONS: readonly Readonly<Vec3>[] = [-1, 0, 1].flatMap((x) =>
  [-1, 0, 1].flatMap((y) =>
    [-1, 0, 1].filter((z) => x !== 0 || y !== 0 || z !== 0).map((z): Vec3 => [x, y, z]),
  ),
);

/** From the middle of the grid to the camera. */
export const CAMERA_DISTANCE = 11;

/** Radians per musical second of the camera, and what its parameter at 1 adds: together once around in ten seconds. */
export const REVOLUTION_SPEED = 0.35;
export const REVOLUTION_FASTER = 0.25;

/** How far along each axis a pulse throws the spheres outwards, shell by shell: sides, edges, corners. */
const THROW = 0.8;
/** How much later than the nearest shell each is thrown. */
const SHELL_DELAYS_SECONDS = [0, 1 / 30, 2 / 30] as const;

/** Largest radius and smallest distance never let spheres touch; the outermost stays in front of the camera. */
export const sphereRadius = (parameter: number): number => mix(0.34, 0.79, parameter);
export const sphereDistance = (parameter: number): number => mix(1.75, 3.5, parameter);

/** The camera's elevation above the plane that it revolves in, in radians. */
export const cameraElevation = (parameter: number): number => mix(-0.75, 1.05, parameter);

/** How far spheres float from their places, as a share of the grid's width. Neighbours still never touch. */
const FLOAT = 0.02;

/** What a shell of spheres does: sides, edges or corners of the grid. */
export interface Shells {
  /** The pulse that has reached it, in [0, 1]. */
  readonly pulse: Vec3;
  /** From the middle to its spheres' places, along each axis that they lie on. */
  readonly distance: Vec3;
}

export function createShells(): Shells {
  return { pulse: [0, 0, 0], distance: [1, 1, 1] };
}

/** Throw the spheres of a grid outwards. What is farther out is thrown later, so none gets nearer to another. */
export function throwShells(
  out: Shells,
  distance: number,
  frame: Pick<VisualFrame, "timeSeconds" | "pulse" | "pulseAt">,
): void {
  SHELL_DELAYS_SECONDS.forEach((delay, shell) => {
    const pulse = delay === 0 ? frame.pulse : frame.pulseAt(frame.timeSeconds - delay);
    out.pulse[shell] = pulse;
    out.distance[shell] = distance + THROW * pulse;
  });
}

/** A channel of a surface's colour: never black, never a perfect mirror of the light. */
export const surfaceChannel = (parameter: number): number => mix(0.055, 0.9, parameter ** 1.7);

/** A channel of the sky's light. */
export const skyChannel = (parameter: number): number => mix(0.012, 0.8, parameter ** 1.8);

export function dot(a: Readonly<Vec3>, b: Readonly<Vec3>): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function cross(out: Vec3, a: Readonly<Vec3>, b: Readonly<Vec3>): Vec3 {
  const x = a[1] * b[2] - a[2] * b[1];
  const y = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
  out[0] = x;
  out[1] = y;
  return out;
}

export function normalize(out: Vec3): Vec3 {
  const scale = 1 / Math.sqrt(dot(out, out));
  out[0] *= scale;
  out[1] *= scale;
  out[2] *= scale;
  return out;
}

/** A camera that looks at the origin. */
export interface CameraFrame {
  readonly position: Vec3;
  readonly right: Vec3;
  readonly up: Vec3;
  readonly forward: Vec3;
}

export function createCameraFrame(): CameraFrame {
  return { position: [0, 0, 0], right: [0, 0, 0], up: [0, 0, 0], forward: [0, 0, 0] };
}

/** The axis that the camera revolves about, with two directions that span the plane of its way. */
export interface Orbit {
  readonly axis: Vec3;
  readonly start: Vec3;
  readonly side: Vec3;
}

/** An orbit about an axis that is tilted against the grid, so that rows of spheres rarely line up. */
export function createOrbit(tilt: number, turn: number): Orbit {
  const axis: Vec3 = [Math.sin(tilt) * Math.cos(turn), Math.cos(tilt), Math.sin(tilt) * Math.sin(turn)];
  const start = normalize(cross([0, 0, 0], axis, [0, 0, 1]));
  return { axis, start, side: cross([0, 0, 0], axis, start) };
}

/** Place a camera on its orbit, looking at the middle. Nothing is allocated. */
export function placeCamera(out: CameraFrame, orbit: Orbit, azimuth: number, elevation: number): void {
  const along = Math.cos(elevation) * Math.cos(azimuth);
  const aside = Math.cos(elevation) * Math.sin(azimuth);
  const above = Math.sin(elevation);
  for (let index = 0; index < 3; index++) {
    const direction =
      along * (orbit.start[index] ?? 0) + aside * (orbit.side[index] ?? 0) + above * (orbit.axis[index] ?? 0);
    out.position[index] = CAMERA_DISTANCE * direction;
    out.forward[index] = -direction;
  }
  normalize(cross(out.right, out.forward, orbit.axis));
  cross(out.up, out.right, out.forward);
}

const position: Vec3 = [0, 0, 0];

/** Where a sphere's centre is; it floats a little about its place in the grid. The result is overwritten by the next call. */
function spherePosition(sphere: number, distances: Readonly<Vec3>, timeSeconds: number): Readonly<Vec3> {
  const place = DIRECTIONS[sphere] ?? [0, 0, 0];
  const distance = distances[Math.abs(place[0]) + Math.abs(place[1]) + Math.abs(place[2]) - 1] ?? 0;
  for (let axis = 0; axis < 3; axis++) {
    const phase = sphere * 2.4 + axis * 1.9;
    position[axis] =
      distance * ((place[axis] ?? 0) + FLOAT * Math.sin(phase + timeSeconds * (0.3 + 0.01 * sphere)));
  }
  return position;
}

/**
 * Write the spheres' centres and their numbers (x, y, z, number) to `out`, the farthest from the camera first. Painted
 * in this order, spheres of one size that don't touch always cover each other rightly.
 */
export function writeSpheres(
  out: Float32Array,
  order: Uint8Array,
  nearness: Float32Array,
  distances: Readonly<Vec3>,
  camera: Readonly<Vec3>,
  timeSeconds: number,
): void {
  for (let sphere = 0; sphere < DIRECTIONS.length; sphere++) {
    const [x, y, z] = spherePosition(sphere, distances, timeSeconds);
    nearness[sphere] = -((x - camera[0]) ** 2) - (y - camera[1]) ** 2 - (z - camera[2]) ** 2;
  }
  order.sort((a, b) => (nearness[a] ?? 0) - (nearness[b] ?? 0) || a - b);
  for (let place = 0; place < order.length; place++) {
    const sphere = order[place] ?? 0;
    const [x, y, z] = spherePosition(sphere, distances, timeSeconds);
    out[4 * place] = x;
    out[4 * place + 1] = y;
    out[4 * place + 2] = z;
    out[4 * place + 3] = sphere;
  }
}
