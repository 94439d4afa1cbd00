import { describe, expect, it } from "vitest";
import {
  createCrystals,
  createRock,
  CRYSTALS_PER_GROUP,
  groupDirections,
  N_CRYSTALS,
  N_GROUPS,
} from "./crystals-shapes";
import { createRandom } from "./random";

describe("crystals", () => {
  it("point in six directions, apart from each other", () => {
    for (const seed of [1, 2, 3, 4]) {
      const directions = groupDirections(createRandom(seed));
      expect(directions).toHaveLength(N_GROUPS);
      directions.forEach((direction, index) => {
        expect(direction.length()).toBeCloseTo(1);
        for (const other of directions.slice(0, index)) expect(direction.dot(other)).toBeLessThan(0.75);
      });
    }
  });

  it("stay near their group, and have sides that meet", () => {
    const random = createRandom(5);
    const directions = groupDirections(random);
    const geometry = createCrystals(directions, random);
    expect(geometry.instanceCount).toBe(N_CRYSTALS);
    const axis = geometry.getAttribute("axis");
    for (let crystal = 0; crystal < N_CRYSTALS; crystal++) {
      const along = directions[Math.floor(crystal / CRYSTALS_PER_GROUP)]!.clone();
      const cosine =
        along.x * axis.getX(crystal) + along.y * axis.getY(crystal) + along.z * axis.getZ(crystal);
      expect(cosine).toBeGreaterThan(0.7);
      // A side nearer than half of its neighbours' distances would cut them off.
      for (const name of ["widths", "otherWidths"]) {
        const widths = geometry.getAttribute(name);
        for (const width of [widths.getX(crystal), widths.getY(crystal), widths.getZ(crystal)]) {
          expect(width).toBeGreaterThan(0.7);
          expect(width).toBeLessThan(1.03);
        }
      }
    }
  });

  it("grow out of a rock that is a closed, finite body", () => {
    const position = createRock(createRandom(6)).getAttribute("position");
    for (let index = 0; index < position.count; index++) {
      const radius = Math.hypot(position.getX(index), position.getY(index), position.getZ(index));
      expect(radius).toBeGreaterThan(0.3);
      expect(radius).toBeLessThan(0.6);
    }
  });
});
