import type { Part, Step } from "../bundle";

/**
 * One encoding through a part's steps, in float64 as Python computes them.
 *
 * @param part its sizes chain, as the reader of bundles makes sure
 * @returns shape [part.size]
 * @throws RangeError for an encoding of the wrong size or with a number that is not finite
 */
export function project(
  { steps, encodingSize }: Pick<Part, "steps" | "encodingSize">,
  encoding: ArrayLike<number>,
): Float64Array {
  if (encoding.length !== encodingSize) {
    throw new RangeError(`An encoding has ${encoding.length} numbers, the projection takes ${encodingSize}.`);
  }
  let x = Float64Array.from(encoding);
  if (!x.every(Number.isFinite)) throw new RangeError("An encoding holds numbers that are not finite.");
  for (const step of steps) x = apply(step, x);
  return x;
}

function apply(step: Step, x: Float64Array): Float64Array<ArrayBuffer> {
  switch (step.kind) {
    case "select":
      return Float64Array.from(step.indices, (index) => x[index] ?? NaN);
    case "scale": {
      const { gain, offset } = step;
      return Float64Array.from(x, (value, i) => (gain[i] ?? NaN) * value + (offset[i] ?? NaN));
    }
    case "affine": {
      const y = Float64Array.from(step.offset);
      step.matrix.forEach((row, i) => {
        const value = x[i] ?? NaN;
        for (let j = 0; j < y.length; j++) y[j] = (y[j] ?? 0) + value * (row[j] ?? NaN);
      });
      return y;
    }
    case "inverse-distance":
      return Float64Array.from(step.centroids, (centroid) => {
        let sum = 0;
        for (let i = 0; i < x.length; i++) sum += ((x[i] ?? NaN) - (centroid[i] ?? NaN)) ** 2;
        return 1 / Math.max(step.floor, Math.sqrt(sum));
      });
  }
}
