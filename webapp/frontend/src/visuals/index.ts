import { bar } from "./bar";
import { clouds } from "./clouds";
import { real } from "./real";
import { saturn } from "./saturn";
import type { VisualDefinition } from "./visual";

/** Every visual, in the order in which the chooser shows them. */
export const VISUALS: readonly VisualDefinition[] = [bar, real, clouds, saturn];
