/** The grid on which a track is cut into frames and segments (docs/bundle-format.md, "Walking the graphs"). */
import type { AudioParams, Encoder, FrontendGraph } from "../bundle";
import { ToldError } from "../told-error";

/** Where a track's encodings lie in time: encoding `k` at `firstSeconds + k * stepSeconds`. */
export interface TimeAxis {
  readonly firstSeconds: number;
  readonly stepSeconds: number;
  /** Number of encodings of the whole track. */
  readonly count: number;
}

/** A run of frames and the PCM that it sees. */
export interface FrameRun {
  /** First sample; negative where the track's start is padded with zeros. */
  readonly startSample: number;
  /** Number of samples, a multiple of the hop length. */
  readonly nSamples: number;
}

/** Consecutive segments of a track for one encoder. */
export interface SegmentRun {
  /** Name of the encoder. */
  readonly encoder: string;
  /** Index of the first segment; negative: of those that begin before the sound does. */
  readonly first: number;
  readonly count: number;
}

/** The track is too short to be music. */
export class TrackTooShortError extends ToldError {
  readonly durationSeconds: number;
  readonly minSeconds: number;

  constructor(durationSeconds: number, minSeconds: number) {
    super(
      `The track lasts ${durationSeconds.toFixed(2)} s, but the model needs at least ${minSeconds.toFixed(2)} s. ` +
        "Choose a longer track.",
    );
    this.name = "TrackTooShortError";
    this.durationSeconds = durationSeconds;
    this.minSeconds = minSeconds;
  }
}

/** Frames of a track of `nSamples` samples: they are centred, so there is one more than whole hops. */
export function countFrames(audio: Pick<AudioParams, "hopLength">, nSamples: number): number {
  return 1 + Math.floor(nSamples / audio.hopLength);
}

/** The hop between segments in frames, at least one. */
export function hopFramesOf(
  audio: Pick<AudioParams, "hopLength" | "sampleRateHz">,
  stepSeconds: number,
): number {
  if (!(stepSeconds > 0) || !Number.isFinite(stepSeconds)) {
    throw new RangeError(`stepSeconds is ${stepSeconds}, it must be a number greater than 0.`);
  }
  return Math.max(1, roundHalfToEven((stepSeconds * audio.sampleRateHz) / audio.hopLength));
}

/** Segments in `nFrames` frames: the complete ones, or one that repeats what there is. */
export function countSegments(nFrames: number, windowFrames: number, hopFrames: number): number {
  return Math.max(1, 1 + Math.floor((nFrames - windowFrames) / hopFrames));
}

/**
 * The frames of a segment. One that reaches beyond the sound takes those that there are, over and over.
 *
 * @param start its first frame
 * @param nFrames frames of the sound
 * @returns shape [windowFrames], within `0 ... nFrames - 1`
 */
export function segmentFrames(start: number, windowFrames: number, nFrames: number): number[] {
  const first = Math.max(0, start);
  const count = Math.min(nFrames, start + windowFrames) - first;
  return Array.from({ length: windowFrames }, (_, i) => first + (i % count));
}

/** The time axis of a whole track's encodings. */
export function timeAxis(
  audio: Pick<AudioParams, "hopLength" | "sampleRateHz">,
  encoder: Pick<Encoder, "windowFrames" | "stepSeconds" | "timeOffsetSeconds">,
  nSamples: number,
): TimeAxis {
  const hopFrames = hopFramesOf(audio, encoder.stepSeconds);
  return {
    firstSeconds: encoder.timeOffsetSeconds,
    stepSeconds: (hopFrames * audio.hopLength) / audio.sampleRateHz,
    count: countSegments(countFrames(audio, nSamples), encoder.windowFrames, hopFrames),
  };
}

/** The PCM that the frames `first ... first + count - 1` of a track see. */
export function frameRun(
  audio: Pick<AudioParams, "hopLength">,
  frontend: Pick<FrontendGraph, "padSamples" | "overlapHops">,
  first: number,
  count: number,
): FrameRun {
  return {
    startSample: first * audio.hopLength - frontend.padSamples,
    nSamples: (count + frontend.overlapHops) * audio.hopLength,
  };
}

/** A copy of a run of PCM, with zeros where it reaches over the track's ends. */
export function sliceWithZeros(
  pcm: Float32Array,
  { startSample, nSamples }: FrameRun,
): Float32Array<ArrayBuffer> {
  const run = new Float32Array(nSamples);
  const from = Math.max(0, startSample);
  const to = Math.min(pcm.length, startSample + nSamples);
  if (to > from) run.set(pcm.subarray(from, to), from - startSample);
  return run;
}

/** As Python's `round`, which the exporter counts with: a half goes to the even neighbour. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
