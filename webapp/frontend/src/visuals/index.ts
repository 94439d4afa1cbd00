import { bar } from "./bar";
import { clouds } from "./clouds";
import { memory } from "./memory";
import { real } from "./real";
import { saturn } from "./saturn";
import { storm } from "./storm";
import type { VisualDefinition } from "./visual";

/** Every visual, in the order in which the chooser shows them. */
export const VISUALS: readonly VisualDefinition[] = [bar, real, clouds, saturn, storm, memory];
