import { bar } from "./bar";
import { real } from "./real";
import type { VisualDefinition } from "./visual";

/** Every visual, in the order in which the chooser shows them. */
export const VISUALS: readonly VisualDefinition[] = [bar, real];
