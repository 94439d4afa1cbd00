/** A whole track, block by block. Where a block is executed (a worker, this thread) is the executor's business. */
import type { Bundle } from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import { encodeRequest, type EncodeRequest } from "./analyzer";
import { BlockPlan, countWith, type Block } from "./plan";
import { checkLength, streamsOf } from "./onsets";
import { floorOf } from "./self-test";
import { countFrames, frameRun, sliceWithZeros, timeAxis, type SegmentRun, type TimeAxis } from "./segments";

/** Music in the first block, so that playback can start at once, and in the largest ones. */
const FIRST_BLOCK_SECONDS = 1;
const LARGEST_BLOCK_SECONDS = 8;
/** Share of the progress that the first of two passes takes, when the floor hangs on the whole track. */
const PEAK_PASS_SHARE = 0.25;

/** Executes blocks in the order of the calls. `pcm` belongs to the executor. */
export interface BlockExecutor {
  /** Largest log-mel value. */
  peakDb(pcm: Float32Array<ArrayBuffer>): Promise<number>;
  /** One block for each run of segments. */
  encode(request: EncodeRequest): Promise<readonly EncodingBlock[]>;
  /** Blocks that are given before the first one's result is awaited: 2 keeps a worker busy. */
  readonly depth: number;
}

export interface AnalysisOptions {
  /** Called for every stream in turn, in order of time; within a stretch the finest comes last. */
  readonly onBlock: (block: EncodingBlock) => void;
  readonly onProgress?: (fraction: number) => void;
  /** Ends the analysis after the block that is being computed. */
  readonly signal?: AbortSignal;
}

/** An analysis under way: `focus` may be called while `run` has not settled. */
export class TrackAnalysis {
  private readonly plan: BlockPlan;
  /** The largest step first. */
  private readonly axes: readonly { readonly encoder: string; readonly axis: TimeAxis }[];
  /** The plan counts encodings of the encoder with the largest step; the others' go with them. */
  private readonly coarsest: TimeAxis;

  /**
   * Every encoder of the bundle and the onsets, each at its own step.
   *
   * @param pcm mono at the bundle's rate; only read, never copied as a whole
   * @throws TrackTooShortError when nothing can be made of it
   */
  constructor(
    private readonly bundle: Bundle,
    private readonly pcm: Float32Array,
    private readonly options: AnalysisOptions,
  ) {
    const { audio } = bundle;
    checkLength(bundle, pcm.length);
    this.axes = streamsOf(bundle)
      .map((stream) => ({ encoder: stream.name, axis: timeAxis(audio, stream, pcm.length) }))
      .sort((a, b) => b.axis.stepSeconds - a.axis.stepSeconds);
    const coarsest = this.axes[0]?.axis;
    if (coarsest === undefined) throw new RangeError("A bundle without encoders analyses nothing.");
    this.coarsest = coarsest;
    const encodingsIn = (seconds: number) => Math.max(1, Math.round(seconds / coarsest.stepSeconds));
    this.plan = new BlockPlan(
      coarsest.count,
      encodingsIn(FIRST_BLOCK_SECONDS),
      encodingsIn(LARGEST_BLOCK_SECONDS),
    );
  }

  /** Analyse from this time on first, then wrap round to what is missing. */
  focus(timeSeconds: number): void {
    // A finer encoder's last row before this time lies up to its step earlier, and has to be complete as well.
    const start = timeSeconds - (this.axes[1]?.axis.stepSeconds ?? 0);
    this.plan.focus((start - this.coarsest.firstSeconds) / this.coarsest.stepSeconds);
  }

  /** @throws the signal's reason (an AbortError unless told) when it is aborted, and what the executor throws */
  async run(executor: BlockExecutor): Promise<void> {
    const { onBlock, onProgress, signal } = this.options;
    const { audio } = this.bundle;
    signal?.throwIfAborted();
    onProgress?.(0);
    const floorDb = audio.topDb === null ? audio.floorDb : floorOf(audio, await this.findPeak(executor));
    const share = audio.topDb === null ? 0 : PEAK_PASS_SHARE;
    let done = 0;
    await inOrder(
      executor.depth,
      () => {
        const stretch = this.plan.next();
        if (stretch === null) return null;
        const request = encodeRequest(this.bundle, this.pcm, this.runsOf(stretch), floorDb);
        return executor.encode(request).then((blocks) => ({ stretch, blocks }));
      },
      ({ stretch, blocks }) => {
        for (const block of blocks) {
          signal?.throwIfAborted();
          onBlock(block);
        }
        done += stretch.count;
        onProgress?.(share + ((1 - share) * done) / this.coarsest.count);
      },
      signal,
    );
  }

  /** What every stream has to encode of a stretch. */
  private runsOf({ first, count }: Block): SegmentRun[] {
    return this.axes
      .map(({ encoder, axis }) => {
        const start = countWith(axis, this.coarsest, first - 1);
        return {
          encoder,
          first: start,
          count: countWith(axis, this.coarsest, first + count - 1) - start,
        };
      })
      .filter((run) => run.count > 0);
  }

  /** The largest log-mel value of the whole track. */
  private async findPeak(executor: BlockExecutor): Promise<number> {
    const { onProgress, signal } = this.options;
    const { audio, frontend } = this.bundle;
    const nFrames = countFrames(audio, this.pcm.length);
    const step = Math.max(1, Math.round((LARGEST_BLOCK_SECONDS * audio.sampleRateHz) / audio.hopLength));
    let next = 0;
    let done = 0;
    let peakDb = -Infinity;
    await inOrder(
      executor.depth,
      () => {
        if (next >= nFrames) return null;
        const count = Math.min(step, nFrames - next);
        const run = frameRun(audio, frontend, next, count);
        next += count;
        return executor.peakDb(sliceWithZeros(this.pcm, run)).then((peak) => ({ peak, count }));
      },
      ({ peak, count }) => {
        peakDb = Math.max(peakDb, peak);
        done += count;
        onProgress?.((PEAK_PASS_SHARE * done) / nFrames);
      },
      signal,
    );
    return peakDb;
  }
}

/** Start up to `depth` jobs ahead and hand over their results in the order in which they were started. */
async function inOrder<T>(
  depth: number,
  start: () => Promise<T> | null,
  finish: (result: T) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const running: Promise<T>[] = [];
  try {
    for (;;) {
      while (running.length < depth) {
        const job = start();
        if (job === null) break;
        running.push(job);
      }
      const oldest = running[0];
      if (oldest === undefined) return;
      const result = await oldest;
      void running.shift();
      signal?.throwIfAborted();
      finish(result);
    }
  } finally {
    // Jobs that nobody awaits any more must not end as unhandled rejections.
    for (const job of running) job.catch(() => undefined);
  }
}
