/** A whole track, block by block. Where a block is executed (a worker, this thread) is the executor's business. */
import { findEncoder, type Bundle } from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import type { EncodeRequest } from "./analyzer";
import { BlockPlan } from "./plan";
import { floorOf } from "./self-test";
import { countFrames, frameRun, hopFramesOf, sliceWithZeros, timeAxis, TrackTooShortError } from "./segments";

/** Music in the first block, so that playback can start at once, and in the largest ones. */
const FIRST_BLOCK_SECONDS = 1;
const LARGEST_BLOCK_SECONDS = 8;
/** Share of the progress that the first of two passes takes, when the floor hangs on the whole track. */
const PEAK_PASS_SHARE = 0.25;

/** Executes blocks in the order of the calls. `pcm` belongs to the executor. */
export interface BlockExecutor {
  /** Largest log-mel value. */
  peakDb(pcm: Float32Array<ArrayBuffer>): Promise<number>;
  /** Shape [count, encodingSize], flattened. */
  encode(request: EncodeRequest & { readonly pcm: Float32Array<ArrayBuffer> }): Promise<Float32Array>;
  /** Blocks that are given before the first one's result is awaited: 2 keeps a worker busy. */
  readonly depth: number;
}

export interface AnalysisOptions {
  /** Distance of the encodings; rounded to whole frames. */
  readonly hopSeconds: number;
  readonly onBlock: (block: EncodingBlock) => void;
  readonly onProgress?: (fraction: number) => void;
  /** Ends the analysis after the block that is being computed. */
  readonly signal?: AbortSignal;
}

/** An analysis under way: `focus` may be called while `run` has not settled. */
export class TrackAnalysis {
  private readonly plan: BlockPlan;
  private readonly axis: ReturnType<typeof timeAxis>;
  private readonly hopFrames: number;

  /**
   * @param pcm mono at the bundle's rate; only read, never copied as a whole
   * @throws TrackTooShortError when it is shorter than one window
   */
  constructor(
    private readonly bundle: Bundle,
    private readonly encoder: string,
    private readonly pcm: Float32Array,
    private readonly options: AnalysisOptions,
  ) {
    const { audio } = bundle;
    const found = findEncoder(bundle, encoder);
    this.axis = timeAxis(audio, found, pcm.length, options.hopSeconds);
    this.hopFrames = hopFramesOf(audio, options.hopSeconds);
    if (this.axis.count === 0) {
      throw new TrackTooShortError(pcm.length / audio.sampleRateHz, found.windowSeconds);
    }
    const encodingsIn = (seconds: number) => Math.max(1, Math.round(seconds / this.axis.stepSeconds));
    this.plan = new BlockPlan(
      this.axis.count,
      encodingsIn(FIRST_BLOCK_SECONDS),
      encodingsIn(LARGEST_BLOCK_SECONDS),
    );
  }

  /** Analyse from this time on first, then wrap round to what is missing. */
  focus(timeSeconds: number): void {
    this.plan.focus((timeSeconds - this.axis.firstSeconds) / this.axis.stepSeconds);
  }

  /** @throws the signal's reason (an AbortError unless told) when it is aborted, and what the executor throws */
  async run(executor: BlockExecutor): Promise<void> {
    const { onBlock, onProgress, signal } = this.options;
    const { audio, frontend } = this.bundle;
    const { windowFrames, encodingSize } = findEncoder(this.bundle, this.encoder);
    signal?.throwIfAborted();
    onProgress?.(0);
    const floorDb = audio.topDb === null ? audio.floorDb : floorOf(audio, await this.findPeak(executor));
    const share = audio.topDb === null ? 0 : PEAK_PASS_SHARE;
    let done = 0;
    await inOrder(
      executor.depth,
      () => {
        const block = this.plan.next();
        if (block === null) return null;
        const run = frameRun(
          audio,
          frontend,
          block.first * this.hopFrames,
          (block.count - 1) * this.hopFrames + windowFrames,
        );
        const request = {
          pcm: sliceWithZeros(this.pcm, run),
          count: block.count,
          hopFrames: this.hopFrames,
          floorDb,
          encoder: this.encoder,
        };
        return executor.encode(request).then((encodings) => ({ ...block, encodings, size: encodingSize }));
      },
      (block) => {
        onBlock(block);
        done += block.count;
        onProgress?.(share + ((1 - share) * done) / this.axis.count);
      },
      signal,
    );
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
