import type { EncodeRequest } from "../analysis/analyzer";
import { streamsOf } from "../analysis/onsets";
import { frameRun, hopFramesOf, type SegmentRun } from "../analysis/segments";
import type { AudioParams, Bundle, Encoder } from "../bundle";

/** Shorter stretches would cost more than they give: front end and encoders have work that does not hang on length. */
export const MIN_STRETCH_SECONDS = 0.1;

/** After so much sound the first encodings come, also of an encoder that sees more at a time. */
const FIRST_ENCODING_SECONDS = 1;

/**
 * How many encodings come before the first whole window has been heard. They repeat what there is until it fills the
 * window, and are as far apart as the others.
 */
export function earlyEncodings(
  audio: Pick<AudioParams, "hopLength" | "sampleRateHz">,
  { windowSeconds, stepSeconds }: Pick<Encoder, "windowSeconds" | "stepSeconds">,
): number {
  const step = (hopFramesOf(audio, stepSeconds) * audio.hopLength) / audio.sampleRateHz;
  return Math.max(0, Math.round((windowSeconds - FIRST_ENCODING_SECONDS) / step));
}

/** A stretch to encode: one run for each stream that has something new. */
export interface Stretch extends Omit<EncodeRequest, "floorDb"> {
  /** By the encoder's name: how many encodings before its run are given up. */
  readonly skipped: ReadonlyMap<string, number>;
}

/** What is asked of one stream. */
interface Cutter {
  readonly encoder: string;
  readonly windowFrames: number;
  readonly hopFrames: number;
  /** So many of the newest encodings are worth their while. */
  readonly most: number;
  /** Index of the first encoding that has not been handed out; the early ones have negative ones. */
  next: number;
}

/**
 * Sound as it comes in, cut into what encoders take, at the same places as a track that begins where listening begins.
 * It remembers no more than the next stretch can need.
 */
export class Ear {
  readonly #bundle: Pick<Bundle, "audio" | "frontend" | "encoders">;
  readonly #cutters: readonly Cutter[];
  /** The last samples that were heard, the newest of them at `#filled - 1`. */
  readonly #buffer: Float32Array;
  /** So many of them are kept. */
  readonly #keep: number;
  #filled = 0;
  #nSamples = 0;
  /** As `#nSamples`, when the last stretch was cut. */
  #nCut = 0;

  /** @param worthSeconds what is older than this is not worth encoding any more */
  constructor(bundle: Pick<Bundle, "audio" | "frontend" | "encoders">, worthSeconds: number) {
    const { audio, frontend } = bundle;
    this.#bundle = bundle;
    const secondsPerFrame = audio.hopLength / audio.sampleRateHz;
    this.#cutters = streamsOf(bundle).map((stream) => {
      const { name, windowFrames } = stream;
      const hopFrames = hopFramesOf(audio, stream.stepSeconds);
      const most = Math.max(1, Math.floor(worthSeconds / (hopFrames * secondsPerFrame)));
      return { encoder: name, windowFrames, hopFrames, most, next: 0 - earlyEncodings(audio, stream) };
    });
    const frames = Math.max(
      ...this.#cutters.map(({ windowFrames, hopFrames, most }) => windowFrames + (most + 1) * hopFrames),
    );
    this.#keep = frameRun(audio, frontend, 0, frames).nSamples + frontend.padSamples;
    this.#buffer = new Float32Array(2 * this.#keep);
  }

  get heardSeconds(): number {
    return this.#nSamples / this.#bundle.audio.sampleRateHz;
  }

  hear(samples: Float32Array): void {
    const news = samples.subarray(Math.max(0, samples.length - this.#keep));
    if (this.#filled + news.length > this.#buffer.length) {
      const kept = Math.min(this.#filled, this.#keep);
      this.#buffer.copyWithin(0, this.#filled - kept, this.#filled);
      this.#filled = kept;
    }
    this.#buffer.set(news, this.#filled);
    this.#filled += news.length;
    this.#nSamples += samples.length;
  }

  /** All that is new, at most `worthSeconds` of it. Null: not worth it yet. */
  cut(): Stretch | null {
    const { audio, frontend } = this.#bundle;
    if (this.#nSamples - this.#nCut < MIN_STRETCH_SECONDS * audio.sampleRateHz) return null;
    // A frame is there when all that its run of PCM sees has been heard.
    const nFrames =
      Math.floor((this.#nSamples + frontend.padSamples) / audio.hopLength) - frontend.overlapHops;
    const runs: SegmentRun[] = [];
    const skipped = new Map<string, number>();
    let firstFrame = Infinity;
    let endFrame = 0;
    for (const cutter of this.#cutters) {
      const { encoder, windowFrames, hopFrames, most, next } = cutter;
      const end = 1 + Math.floor((nFrames - windowFrames) / hopFrames);
      if (end <= next) continue;
      const first = Math.max(next, end - most);
      runs.push({ encoder, first, count: end - first });
      skipped.set(encoder, first - next);
      firstFrame = Math.min(firstFrame, Math.max(0, first * hopFrames));
      endFrame = Math.max(endFrame, (end - 1) * hopFrames + windowFrames);
      cutter.next = end;
    }
    if (runs.length === 0) return null;
    this.#nCut = this.#nSamples;
    const { startSample, nSamples } = frameRun(audio, frontend, firstFrame, endFrame - firstFrame);
    const pcm = new Float32Array(nSamples);
    // Before the first sample there are zeros.
    const from = Math.max(0, startSample);
    const offset = this.#filled - (this.#nSamples - from);
    pcm.set(this.#buffer.subarray(offset, offset + startSample + nSamples - from), from - startSample);
    return { pcm, firstFrame, runs, skipped };
  }
}
