import type { TimeAxis } from "../analysis/segments";
import type { Interpolation } from "../bundle";

/** A place between two rows of a series: `(1 - fraction) * row[left] + fraction * row[right]`. */
export interface Position {
  readonly left: number;
  readonly right: number;
  /** In [0, 1). */
  readonly fraction: number;
}

/** Closer to a row than this share of a step is on it: rounding must not ask for a neighbour that is not there yet. */
const ON_ROW = 1e-7;

/**
 * Where a time lies among the rows: `linear` between two of them, or at the one that was reached last (`hold`).
 * Before the first and after the last it holds.
 */
export function positionAt(
  axis: TimeAxis,
  timeSeconds: number,
  interpolation: Interpolation = "linear",
): Position {
  const x = (timeSeconds - axis.firstSeconds) / axis.stepSeconds;
  const last = axis.count - 1;
  if (!(x > 0)) return at(0);
  if (x >= last) return at(last);
  const nearest = Math.round(x);
  if (Math.abs(x - nearest) < ON_ROW) return at(nearest);
  const left = Math.floor(x);
  return interpolation === "hold" ? at(left) : { left, right: left + 1, fraction: x - left };
}

function at(row: number): Position {
  return { left: row, right: row, fraction: 0 };
}

/** One column of a series at a position. */
export function interpolate(
  rows: ArrayLike<number>,
  size: number,
  { left, right, fraction }: Position,
  column: number,
): number {
  const a = rows[left * size + column] ?? 0;
  return a + fraction * ((rows[right * size + column] ?? 0) - a);
}
