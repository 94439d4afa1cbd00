/** The next number in [0, 1). */
export type Random = () => number;

/** 2^32 divided by the golden ratio: successive multiples of it spread evenly over 32 bits. */
const GOLDEN_STEP = 0x9e3779b9;

/** Spread every bit of a 32-bit integer over all others (multipliers found by Chris Wellons' hash-prospector). */
function mixBits(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * A repeatable sequence of numbers: a counter whose bits are mixed. Good enough for pictures, and neighbouring seeds
 * give unrelated sequences.
 */
export function createRandom(seed: number): Random {
  // A seed may be any number: its fraction and what exceeds 32 bits count too.
  const high = Math.floor(seed / 2 ** 32) | 0;
  const fraction = ((seed - Math.floor(seed)) * 2 ** 32) | 0;
  let counter = mixBits((seed | 0) ^ mixBits(high ^ mixBits(fraction)));
  return () => {
    counter = (counter + GOLDEN_STEP) | 0;
    return mixBits(counter) / 2 ** 32;
  };
}
