import type { TimeAxis } from "../analysis/segments";
import { interpolate, positionAt } from "./interpolate";

/** One encoder's share of the parameters: its projected encodings. */
export interface ProjectedPart {
  readonly axis: TimeAxis;
  /** Shape [axis.count, size], flattened. */
  readonly values: ArrayLike<number>;
  readonly size: number;
}

/** The axis that a mapping's rows lie on: the smallest step, the first one of equals. */
export function finestAxis(parts: readonly Pick<ProjectedPart, "axis">[]): TimeAxis {
  const [first, ...others] = parts.map(({ axis }) => axis);
  if (first === undefined) throw new RangeError("A mapping without parts has no rows.");
  return others.reduce((finest, axis) => (stepOf(axis) < stepOf(finest) ? axis : finest), first);
}

/** The places in a row whose numbers are of encoders with the smallest step: what moves. */
export function movingColumns(parts: readonly Pick<ProjectedPart, "axis" | "size">[]): number[] {
  const finest = stepOf(finestAxis(parts));
  const moving = parts.flatMap(({ axis, size }) => Array<boolean>(size).fill(stepOf(axis) === finest));
  return [...moving.keys()].filter((column) => moving[column]);
}

/** One encoding alone has no step. */
function stepOf({ count, stepSeconds }: TimeAxis): number {
  return count > 1 ? stepSeconds : Infinity;
}

/**
 * The row of a moment: every part's values interpolated to it, one after the other.
 *
 * @param out the row goes to its start
 */
export function writeRow(parts: readonly ProjectedPart[], timeSeconds: number, out: Float64Array): void {
  let place = 0;
  for (const { axis, values, size } of parts) {
    const position = positionAt(axis, timeSeconds);
    for (let column = 0; column < size; column++) out[place++] = interpolate(values, size, position, column);
  }
}
