/** File -> PCM, with the browser's own decoders. */

const MAX_BYTES = 300e6;
const DEFAULT_MAX_SECONDS = 30 * 60;
/** A media element that has not found the duration by then will not be waited for. */
const PROBE_TIMEOUT_MS = 3000;

export type DecodeFailure = "empty" | "unsupported" | "too-large" | "too-long" | "too-short";

/** A file that cannot be played, with the reason and a sentence that a person understands. */
export class DecodeError extends Error {
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
}

export interface DecodedTrack {
  /** Mean of the channels at `sampleRateHz`. */
  readonly pcm: Float32Array<ArrayBuffer>;
  /** All channels, for playing. */
  readonly audio: AudioBuffer;
  readonly durationSeconds: number;
}

/**
 * Decode an audio file and resample it.
 *
 * @param data a file, or its bytes; an ArrayBuffer is handed over to the decoder and cannot be used afterwards
 * @throws DecodeError
 */
export async function decodeTrack(data: ArrayBuffer | File, options: DecodeOptions): Promise<DecodedTrack> {
  const { sampleRateHz, maxSeconds = DEFAULT_MAX_SECONDS, minSeconds = 0 } = options;
  const size = data instanceof ArrayBuffer ? data.byteLength : data.size;
  if (size === 0) throw new DecodeError("empty", "The file is empty. Choose another one.");
  if (size > MAX_BYTES) {
    throw new DecodeError(
      "too-large",
      `The file has ${(size / 1e6).toFixed(0)} MB; at most ${MAX_BYTES / 1e6} MB can be played. ` +
        "Choose a shorter or compressed file (MP3, Ogg, M4A).",
    );
  }
  // A small compressed file can hold a day of silence, so ask for its length before unpacking all of it.
  checkDuration(await probeDuration(data instanceof File ? data : new Blob([data])), maxSeconds);

  const audio = await decode(data instanceof File ? await data.arrayBuffer() : data, sampleRateHz);
  checkDuration(audio.duration, maxSeconds);
  if (audio.length === 0) throw new DecodeError("empty", "The file holds no sound. Choose another one.");
  if (audio.duration < minSeconds) {
    throw new DecodeError(
      "too-short",
      `The track lasts ${audio.duration.toFixed(2)} s; at least ${minSeconds.toFixed(2)} s are needed. ` +
        "Choose a longer track.",
    );
  }
  return { pcm: downmix(audio), audio, durationSeconds: audio.duration };
}

function checkDuration(durationSeconds: number | null, maxSeconds: number): void {
  if (durationSeconds === null || durationSeconds <= maxSeconds) return;
  throw new DecodeError(
    "too-long",
    `The track lasts ${(durationSeconds / 60).toFixed(1)} minutes; at most ${(maxSeconds / 60).toFixed(0)} ` +
      "can be played. Cut it or choose a shorter one.",
  );
}

/** A context of the wanted rate resamples what it decodes. */
async function decode(bytes: ArrayBuffer, sampleRateHz: number): Promise<AudioBuffer> {
  try {
    return await new OfflineAudioContext(1, 1, sampleRateHz).decodeAudioData(bytes);
  } catch (error) {
    throw new DecodeError(
      "unsupported",
      "The browser cannot read this file as audio. Choose an MP3, WAV, FLAC, Ogg or M4A file; " +
        "if it is one, it may be damaged.",
      { cause: error },
    );
  }
}

/** Seconds as the file's header states them, or null when the browser cannot tell quickly. */
async function probeDuration(blob: Blob): Promise<number | null> {
  const url = URL.createObjectURL(blob);
  const element = new Audio();
  const settled = new AbortController();
  try {
    return await new Promise<number | null>((resolve) => {
      const { signal } = settled;
      const answer = () => resolve(Number.isFinite(element.duration) ? element.duration : null);
      element.addEventListener("loadedmetadata", answer, { signal });
      element.addEventListener("error", answer, { signal });
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

/** The mean of all channels. */
function downmix(audio: AudioBuffer): Float32Array<ArrayBuffer> {
  const pcm = new Float32Array(audio.length);
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    for (let i = 0; i < pcm.length; i++) pcm[i] = (pcm[i] ?? 0) + (samples[i] ?? 0) / audio.numberOfChannels;
  }
  return pcm;
}
