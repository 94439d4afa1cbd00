import type { TimeAxis } from "./segments";

/** In steps: encodings at the same time differ by less. */
const ROUNDING = 1e-6;

/** A stretch of encodings to compute. */
export interface Block {
  readonly first: number;
  readonly count: number;
}

/**
 * In which order the encodings of a track are computed: from the place of interest on, and round from the start when
 * the end is reached. Blocks begin small, so that there is something to show at once, and double up to a limit.
 */
export class BlockPlan {
  /** What has not been handed out, as [first, end), in order. */
  private missing: [number, number][];
  private cursor = 0;
  private size: number;

  constructor(
    private readonly count: number,
    private readonly smallest: number,
    private readonly largest: number,
  ) {
    if (!(smallest >= 1 && largest >= smallest)) {
      throw new RangeError(`Blocks of ${smallest} ... ${largest} encodings make no plan.`);
    }
    this.missing = count > 0 ? [[0, count]] : [];
    this.size = smallest;
  }

  /** Go on from this encoding, in small blocks again. */
  focus(index: number): void {
    this.cursor = Math.max(0, Math.min(this.count - 1, Math.floor(index)));
    this.size = this.smallest;
  }

  /** The next block, or null when all have been handed out. */
  next(): Block | null {
    const at = this.missing.findIndex(([, end]) => end > this.cursor);
    const i = at === -1 ? 0 : at;
    const interval = this.missing[i];
    if (interval === undefined) return null;
    const [start, end] = interval;
    const first = at === -1 ? start : Math.max(start, this.cursor);
    const stop = Math.min(end, first + this.size);
    const rest: [number, number][] = [
      [start, first],
      [stop, end],
    ];
    this.missing.splice(i, 1, ...rest.filter(([a, b]) => a < b));
    this.cursor = stop;
    this.size = Math.min(this.largest, this.size * 2);
    return { first, count: stop - first };
  }
}

/**
 * How the blocks of the encoder with the largest step divide the encodings of all encoders: how many on `axis` are
 * complete with encoding `index` of it. That is all up to its time, so whatever lies between two of its encodings of
 * one block can be interpolated as soon as the block is there; its last one brings the rest of the track.
 */
export function countWith(axis: TimeAxis, coarsest: TimeAxis, index: number): number {
  if (index < 0) return 0;
  if (index >= coarsest.count - 1) return axis.count;
  const seconds = coarsest.firstSeconds + index * coarsest.stepSeconds;
  const count = Math.floor((seconds - axis.firstSeconds) / axis.stepSeconds + ROUNDING) + 1;
  return Math.min(axis.count, Math.max(0, count));
}
