/** File -> PCM, with the browser's own decoders. */
import { untilAborted } from "../abort";
import { ToldError } from "../told-error";
import { downmix, type Pcm } from "./pcm";
import { isOutOfMemory } from "./memory";

const MAX_BYTES = 300e6;
const DEFAULT_MAX_SECONDS = 30 * 60;
/** Float files may go beyond full scale, but not by more than 80 dB: the same limit as in Python. */
const MAX_AMPLITUDE = 1e4;
/** A media element that has not found the duration by then will not be waited for. */
const PROBE_TIMEOUT_MS = 3000;

export type DecodeFailure =
  "empty" | "unreadable" | "unsupported" | "no-sound" | "memory" | "too-large" | "too-long" | "too-short";

/** A file that cannot be played, with the reason and a sentence that a person understands. */
export class DecodeError extends ToldError {
  readonly reason: DecodeFailure;

  constructor(reason: DecodeFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DecodeError";
    this.reason = reason;
  }
}

export interface DecodeOptions {
  /** The rate of the returned audio: the bundle's. */
  readonly sampleRateHz: number;
  /** Longest track accepted; 30 minutes unless told. */
  readonly maxSeconds?: number;
  /** Shortest track accepted: the encoder's window. */
  readonly minSeconds?: number;
  /** The track is no longer wanted. */
  readonly signal?: AbortSignal;
}

export interface DecodedTrack {
  /** What models hear: the mean of the channels, or the loudest one where they cancel each other out. */
  readonly pcm: Pcm;
  /** All channels, for playing. */
  readonly audio: AudioBuffer;
  readonly durationSeconds: number;
}

/**
 * Decode an audio file and resample it.
 *
 * @param data a file, or its bytes; an ArrayBuffer is handed over to the decoder and cannot be used afterwards
 * @throws DecodeError, or the signal's reason as soon as it is aborted
 */
export async function decodeTrack(data: ArrayBuffer | File, options: DecodeOptions): Promise<DecodedTrack> {
  try {
    // The browser's decoder cannot be stopped, but nobody has to wait for it.
    return await untilAborted(decodeWhole(data, options), options.signal);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    throw new DecodeError(
      "memory",
      "The browser ran out of memory while it decoded the file. Close other tabs, or choose a shorter track.",
      { cause: error },
    );
  }
}

async function decodeWhole(data: ArrayBuffer | File, options: DecodeOptions): Promise<DecodedTrack> {
  const { sampleRateHz, maxSeconds = DEFAULT_MAX_SECONDS, minSeconds = 0, signal } = options;
  const size = data instanceof ArrayBuffer ? data.byteLength : data.size;
  if (size === 0) throw new DecodeError("empty", "The file is empty. Choose another one.");
  if (size > MAX_BYTES) {
    throw new DecodeError(
      "too-large",
      `The file has ${(size / 1e6).toFixed(0)} MB, but at most ${MAX_BYTES / 1e6} MB can be played. ` +
        "Choose a shorter or compressed file (MP3, Ogg, M4A).",
    );
  }
  const blob = data instanceof File ? data : new Blob([data]);
  const estimate = await estimateSeconds(blob);
  signal?.throwIfAborted();
  // A small compressed file can hold a day of silence, which must not be unpacked; but an estimate refuses nothing.
  if (estimate !== null && estimate > maxSeconds) checkDuration(await measureSeconds(blob), maxSeconds);
  signal?.throwIfAborted();

  const bytes = data instanceof File ? await readFile(data) : data;
  signal?.throwIfAborted();
  const audio = await decode(bytes, sampleRateHz, estimate !== null);
  signal?.throwIfAborted();
  checkDuration(audio.duration, maxSeconds);
  if (audio.length === 0) throw new DecodeError("empty", "The file holds no sound. Choose another one.");
  if (audio.duration < minSeconds) {
    throw new DecodeError(
      "too-short",
      `The track lasts ${audio.duration.toFixed(2)} s, but at least ${minSeconds.toFixed(2)} s are needed. ` +
        "Choose a longer track.",
    );
  }
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  const samples = downmix(channels);
  if (!isSound(samples)) {
    throw new DecodeError(
      "no-sound",
      "The file contains samples that are not sound (NaN, infinite, or beyond 10000 times full scale). " +
        "Encode it again, or choose another one.",
    );
  }
  return { pcm: { samples, sampleRateHz: audio.sampleRate }, audio, durationSeconds: audio.duration };
}

function checkDuration(durationSeconds: number | null, maxSeconds: number): void {
  if (durationSeconds === null || durationSeconds <= maxSeconds) return;
  throw new DecodeError(
    "too-long",
    `The track lasts ${(durationSeconds / 60).toFixed(1)} minutes, but at most ${(maxSeconds / 60).toFixed(0)} ` +
      "can be played. Cut it, or choose a shorter one.",
  );
}

/** Whether every sample is a number that sound can have. */
function isSound(samples: Float32Array): boolean {
  for (const sample of samples) if (!(Math.abs(sample) < MAX_AMPLITUDE)) return false;
  return true;
}

async function readFile(file: File): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer();
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new DecodeError(
      "unreadable",
      "The file can no longer be read; it may have been moved or changed. Choose it again.",
      { cause: error },
    );
  }
}

/**
 * A context of the wanted rate resamples what it decodes.
 *
 * @param known the browser knows the file's format
 */
async function decode(bytes: ArrayBuffer, sampleRateHz: number, known: boolean): Promise<AudioBuffer> {
  try {
    return await new OfflineAudioContext(1, 1, sampleRateHz).decodeAudioData(bytes);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "EncodingError")) throw error;
    // Chromium says the same of damage and of memory that it does not get.
    throw new DecodeError(
      "unsupported",
      known
        ? "The browser knows this kind of file, but cannot decode it: it may be damaged, or too large for the memory " +
            "that is left. Close other tabs and try again, or choose another file."
        : "The browser cannot read this file as audio. Choose an MP3, WAV, FLAC, Ogg or M4A file; " +
            "if it is one, it may be damaged.",
      { cause: error },
    );
  }
}

/**
 * Seconds as a media element estimates them from the first part of the file: infinite where it cannot tell, null where
 * it knows no such file.
 */
async function estimateSeconds(blob: Blob): Promise<number | null> {
  const url = URL.createObjectURL(blob);
  const element = new Audio();
  const settled = new AbortController();
  try {
    return await new Promise<number | null>((resolve) => {
      const { signal } = settled;
      const answer = () => resolve(Number.isFinite(element.duration) ? element.duration : Infinity);
      element.addEventListener("loadedmetadata", answer, { signal });
      element.addEventListener("error", () => resolve(null), { signal });
      AbortSignal.timeout(PROBE_TIMEOUT_MS).addEventListener("abort", answer, { signal });
      element.preload = "metadata";
      element.src = url;
    });
  } finally {
    settled.abort();
    element.removeAttribute("src");
    element.load(); // lets go of the file
    URL.revokeObjectURL(url);
  }
}

/** What the file really lasts; null where that cannot be told without decoding it. */
async function measureSeconds(blob: Blob): Promise<number | null> {
  try {
    const { countSeconds } = await import("./length");
    return await countSeconds(blob);
  } catch {
    return null; // that part of the page cannot be loaded: the decoder will tell
  }
}
