import type { Mapping } from "../bundle";

/**
 * Encodings -> visual parameters: `clip(gain * y + offset, 0, 1)`, element by element. The projection of schema 1 is
 * the identity, so `y` is the encoding itself.
 *
 * @param encodings shape [count, size], flattened; size is the number of parameters
 * @param out shape [count, size], flattened; may be `encodings` itself
 */
export function scale(
  encodings: ArrayLike<number>,
  { scaling }: Pick<Mapping, "scaling">,
  out: Float32Array,
): void {
  const size = scaling.gain.length;
  if (encodings.length !== out.length || encodings.length % size !== 0) {
    throw new RangeError(
      `Cannot scale ${encodings.length} numbers into ${out.length} with a mapping of ${size} parameters.`,
    );
  }
  for (let i = 0; i < out.length; i++) {
    const parameter = i % size;
    const y = (scaling.gain[parameter] ?? 0) * (encodings[i] ?? 0) + (scaling.offset[parameter] ?? 0);
    out[i] = Math.min(1, Math.max(0, y));
  }
}
