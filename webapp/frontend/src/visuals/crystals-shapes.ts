import type { BufferGeometry } from "three";
import {
  BufferAttribute,
  IcosahedronGeometry,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  Vector3,
} from "three";
import type { Random } from "./random";
import { mix } from "./curves";

export const N_GROUPS = 6;
export const CRYSTALS_PER_GROUP = 10;
export const N_CRYSTALS = N_GROUPS * CRYSTALS_PER_GROUP;

/** Of the rock that the crystals grow out of, about. */
const ROCK_RADIUS = 0.5;
/** How deep in the rock a crystal begins. */
const ROOT_RADIUS = 0.3;
/** Sides of a crystal: as many lie around it as around its tip. */
const SIDES = 6;

/** Where the groups of crystals point: along the axes of space, each a little off. */
export function groupDirections(random: Random): Vector3[] {
  return Array.from({ length: N_GROUPS }, (_, group) => {
    const axis = new Vector3().setComponent(group % 3, group < 3 ? 1 : -1);
    const off = new Vector3(random() - 0.5, random() - 0.5, random() - 0.5).multiplyScalar(0.55);
    return axis.add(off).normalize();
  });
}

/** A place between a group's middle (0) and its outside (1): crystals at equal distances around a spiral. */
const spiral = (index: number): number => Math.sqrt(index / (CRYSTALS_PER_GROUP - 1));

/** The corners of one crystal, and what makes each of them another one. */
export function createCrystals(directions: readonly Vector3[], random: Random): InstancedBufferGeometry {
  // x: which edge, y: 0 the foot, 1 the shoulder, 2 the tip, z: which facet. The vertex shader knows where that is.
  const corners: number[] = [];
  for (let side = 0; side < SIDES; side++) {
    const [left, right] = [(side + SIDES - 1) % SIDES, side];
    const quad = [
      [left, 0],
      [right, 0],
      [right, 1],
      [left, 0],
      [right, 1],
      [left, 1],
    ] as const;
    for (const [edge, level] of quad) corners.push(edge, level, side);
    corners.push(left, 1, SIDES + side, right, 1, SIDES + side, right, 2, SIDES + side);
  }
  const root = new Float32Array(3 * N_CRYSTALS);
  const axis = new Float32Array(4 * N_CRYSTALS); // and its turn around it
  const shape = new Float32Array(4 * N_CRYSTALS); // radius, length, height of the tip, a random number
  const apex = new Float32Array(2 * N_CRYSTALS);
  const widths = [0, 1].map(() => new Float32Array(3 * N_CRYSTALS)); // from the axis to each of the six sides

  const [first, second, along] = [new Vector3(), new Vector3(), new Vector3()];
  for (let crystal = 0; crystal < N_CRYSTALS; crystal++) {
    const direction = directions[Math.floor(crystal / CRYSTALS_PER_GROUP)] ?? along;
    const place = spiral(crystal % CRYSTALS_PER_GROUP);
    first.set(0.3, 0.5, -0.8).cross(direction).normalize();
    second.crossVectors(direction, first);
    const angle = 2.3999632 * crystal + 0.5 * random();
    const lean = place * mix(0.55, 0.85, random());
    along
      .copy(direction)
      .addScaledVector(first, lean * Math.cos(angle))
      .addScaledVector(second, lean * Math.sin(angle))
      .normalize();
    axis.set([along.x, along.y, along.z, 2 * Math.PI * random()], 4 * crystal);
    // They lean apart, and begin apart, too.
    const foot = first
      .multiplyScalar(Math.cos(angle))
      .addScaledVector(second, Math.sin(angle))
      .multiplyScalar(0.17 * place)
      .addScaledVector(direction, ROOT_RADIUS);
    foot.toArray(root, 3 * crystal);
    const size = mix(1, 0.5, place) * mix(0.8, 1.15, random());
    shape.set([0.15 * mix(size, 1, 0.25), 1.22 * size, mix(1.1, 2, random()), random()], 4 * crystal);
    apex.set([0.6 * (random() - 0.5), 0.6 * (random() - 0.5)], 2 * crystal);
    for (const part of widths)
      part.set(
        [0, 1, 2].map(() => mix(0.72, 1.02, random())),
        3 * crystal,
      );
  }

  const geometry = new InstancedBufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array(corners), 3));
  const each = { root: [root, 3], axis: [axis, 4], shape: [shape, 4], apex: [apex, 2] } as const;
  for (const [name, [values, size]] of Object.entries(each)) {
    geometry.setAttribute(name, new InstancedBufferAttribute(values, size));
  }
  widths.forEach((values, part) => {
    geometry.setAttribute(part === 0 ? "widths" : "otherWidths", new InstancedBufferAttribute(values, 3));
  });
  geometry.instanceCount = N_CRYSTALS;
  return geometry;
}

/** A broken stone: what many planes leave of a ball. */
export function createRock(random: Random): BufferGeometry {
  const planes = Array.from({ length: 26 }, () => ({
    normal: new Vector3().setFromSphericalCoords(1, Math.acos(2 * random() - 1), 2 * Math.PI * random()),
    distance: ROCK_RADIUS * mix(0.72, 1, random()),
  }));
  const rock = new IcosahedronGeometry(1, 11);
  const position = rock.getAttribute("position");
  const corner = new Vector3();
  for (let index = 0; index < position.count; index++) {
    corner.fromBufferAttribute(position, index).normalize();
    const radius = Math.min(
      ROCK_RADIUS * 1.12,
      ...planes.map(({ normal, distance }) => distance / Math.max(normal.dot(corner), 0.01)),
    );
    // Rough, but the same at corners that meet.
    const { x, y, z } = corner;
    const rough = Math.sin(17 * x + 11 * y) + Math.sin(19 * y - 13 * z + 1) + Math.sin(23 * z + 9 * x + 2);
    corner.multiplyScalar(radius * (1 + 0.014 * rough));
    position.setXYZ(index, corner.x, corner.y, corner.z);
  }
  rock.deleteAttribute("normal");
  rock.deleteAttribute("uv");
  return rock;
}
