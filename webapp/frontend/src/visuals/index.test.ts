import { describe, expect, it } from "vitest";
import { VISUALS } from "./index";

describe("VISUALS", () => {
  it("are the original's seven and one of our own", () => {
    expect(VISUALS.map(({ id }) => id).toSorted()).toEqual(
      ["bar", "real", "crystals", "clouds", "waves", "saturn", "storm", "memory"].toSorted(),
    );
  });

  it.each(VISUALS.map((definition) => [definition.id, definition] as const))(
    "%s declares ten parameters that rest in [0, 1]",
    (_, definition) => {
      expect(definition.parameters).toHaveLength(10);
      expect(new Set(definition.parameters.map(({ name }) => name)).size).toBe(10);
      expect(definition.parameters.some(({ moves }) => moves)).toBe(true);
      for (const { name, label, rest } of definition.parameters) {
        expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
        expect(label).not.toBe("");
        expect(rest).toBeGreaterThanOrEqual(0);
        expect(rest).toBeLessThanOrEqual(1);
      }
    },
  );
});
