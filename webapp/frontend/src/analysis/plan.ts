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
