/**
 * What moves pictures, straight from the front end: how much louder each band has become, and how loud the music is.
 *
 * It stands beside a bundle's encoders as one without a graph, with a window and a step of its own, so files and live
 * sound go through it as they go through those. Why not from encodings: docs/decisions/0013-musical-time.md.
 */
import { findEncoder, type AudioParams, type Bundle, type Encoder, type FrontendGraph } from "../bundle";
import { TrackTooShortError } from "./segments";

/** No encoder of a bundle can have this name. */
export const ONSETS = "(onsets)";

/** Numbers of an encoding: the rise in dB, and the loudness in dB of full scale. */
export const ONSETS_SIZE = 2;

/** What is shorter is a click rather than music. */
const SHORTEST_SECONDS = 0.1;

/** Over which a rise is measured: as long as the attack of most instruments, shorter than two notes are apart. */
const RISE_SECONDS = 0.03;
/** Where the spectrum is looked at: places on the mel axis at equal distances. */
const N_BANDS = 64;
/** Digital silence is as loud as this. */
const SILENCE_DB = -70;

/** What the analysis needs to know of an encoder to run it along a track. */
export type Stream = Pick<
  Encoder,
  | "name"
  | "encodingSize"
  | "genres"
  | "tags"
  | "windowFrames"
  | "windowSeconds"
  | "stepSeconds"
  | "timeOffsetSeconds"
>;

/** The onsets as a stream: one encoding for every frame. */
export function onsetStream(audio: Pick<AudioParams, "hopLength" | "sampleRateHz">): Stream {
  const hopSeconds = audio.hopLength / audio.sampleRateHz;
  const rise = riseFrames(audio);
  return {
    name: ONSETS,
    encodingSize: ONSETS_SIZE,
    windowFrames: rise + 1,
    windowSeconds: (rise + 1) * hopSeconds,
    stepSeconds: hopSeconds,
    timeOffsetSeconds: (rise * hopSeconds) / 2,
  };
}

/** All that an analysis makes of a track: the bundle's encoders, and the onsets. */
export function streamsOf({ audio, encoders }: Pick<Bundle, "audio" | "encoders">): readonly Stream[] {
  return [...encoders, onsetStream(audio)];
}

/** What a track must last at least: encoders repeat what they lack, onsets cannot. */
export function minTrackSeconds({ audio }: Pick<Bundle, "audio">): number {
  return Math.max(SHORTEST_SECONDS, onsetStream(audio).windowSeconds);
}

/** @throws TrackTooShortError when nothing can be made of so few samples */
export function checkLength(bundle: Pick<Bundle, "audio">, nSamples: number): void {
  const seconds = nSamples / bundle.audio.sampleRateHz;
  const minSeconds = minTrackSeconds(bundle);
  if (seconds < minSeconds) throw new TrackTooShortError(seconds, minSeconds);
}

/** @throws RangeError when there is no such stream */
export function findStream(bundle: Pick<Bundle, "audio" | "encoders">, name: string): Stream {
  return name === ONSETS ? onsetStream(bundle.audio) : findEncoder(bundle, name);
}

/**
 * Rise and loudness of consecutive frames.
 *
 * @param mfcc shape [n, nMfcc], flattened: orthonormal DCT-II of the log-mel spectrum in dB
 * @param pcm the samples that the front end was given for them
 * @param start row of the first encoding's first frame
 * @param count of encodings
 * @returns shape [count, ONSETS_SIZE], flattened. The rise is the mean over the bands of what each has gained within the
 *   window; what has lost counts as 0 (spectral flux: Bello et al. 2005, section III.A.2)
 */
export function onsetsOf(
  audio: Pick<AudioParams, "hopLength" | "sampleRateHz" | "nMfcc" | "nMels">,
  { padSamples }: Pick<FrontendGraph, "padSamples">,
  { mfcc, pcm }: { readonly mfcc: Float32Array; readonly pcm: Float32Array },
  start: number,
  count: number,
): Float32Array {
  const { hopLength, nMfcc } = audio;
  const rise = riseFrames(audio);
  const bands = logMel(audio, mfcc.subarray(start * nMfcc, (start + count + rise) * nMfcc));
  const onsets = new Float32Array(count * ONSETS_SIZE);
  for (let k = 0; k < count; k++) {
    let gained = 0;
    for (let band = 0; band < N_BANDS; band++) {
      const before = bands[k * N_BANDS + band] ?? 0;
      gained += Math.max(0, (bands[(k + rise) * N_BANDS + band] ?? 0) - before);
    }
    // From the middle of the first frame to the middle of the last.
    const from = (start + k) * hopLength + padSamples;
    let power = 0;
    for (let i = from; i < from + rise * hopLength; i++) power += (pcm[i] ?? 0) ** 2;
    onsets[k * ONSETS_SIZE] = gained / N_BANDS;
    onsets[k * ONSETS_SIZE + 1] = 10 * Math.log10(power / (rise * hopLength) + 10 ** (SILENCE_DB / 10));
  }
  return onsets;
}

function riseFrames({ hopLength, sampleRateHz }: Pick<AudioParams, "hopLength" | "sampleRateHz">): number {
  return Math.max(1, Math.round((RISE_SECONDS * sampleRateHz) / hopLength));
}

/** The log-mel spectrum that MFCC stand for, shape [n, N_BANDS], flattened: the DCT turned back. */
function logMel({ nMfcc, nMels }: Pick<AudioParams, "nMfcc" | "nMels">, mfcc: Float32Array): Float32Array {
  const basis = new Float32Array(N_BANDS * nMfcc);
  for (let band = 0; band < N_BANDS; band++) {
    for (let k = 0; k < nMfcc; k++) {
      const scale = Math.sqrt((k === 0 ? 1 : 2) / nMels);
      basis[band * nMfcc + k] = scale * Math.cos((Math.PI * k * (band + 0.5)) / N_BANDS);
    }
  }
  const n = mfcc.length / nMfcc;
  const bands = new Float32Array(n * N_BANDS);
  for (let row = 0; row < n; row++) {
    for (let band = 0; band < N_BANDS; band++) {
      let sum = 0;
      for (let k = 0; k < nMfcc; k++) sum += (mfcc[row * nMfcc + k] ?? 0) * (basis[band * nMfcc + k] ?? 0);
      bands[row * N_BANDS + band] = sum;
    }
  }
  return bands;
}
