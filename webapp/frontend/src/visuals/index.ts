import { bar } from "./bar";
import { clouds } from "./clouds";
import { crystals } from "./crystals";
import { memory } from "./memory";
import { real } from "./real";
import { saturn } from "./saturn";
import { storm } from "./storm";
import type { VisualDefinition } from "./visual";
import { waves } from "./waves";

/** Every visual, in the order in which the chooser shows them. */
export const VISUALS: readonly VisualDefinition[] = [
  bar,
  real,
  crystals,
  clouds,
  waves,
  saturn,
  storm,
  memory,
];
