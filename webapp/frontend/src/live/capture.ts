/** Microphone, tab or system sound -> mono samples at a model's rate. Nothing of it reaches the speakers. */
import { resume } from "../player/resume";
import {
  blocked,
  explainFailure,
  insecure,
  noAudioShared,
  unsupported,
  type LiveInputError,
  type LiveInputKind,
} from "./live-input-error";
import { Resampler } from "./resample";
import workletUrl from "./worklet.ts?worker&url";

type ChunkListener = (samples: Float32Array) => void;

/** Sound that comes in until somebody stops it. */
export interface LiveInput {
  readonly kind: LiveInputKind;
  /** What the browser calls the source, for people. */
  readonly label: string;
  readonly sampleRateHz: number;
  /** Mono samples as they come. What came before is not repeated. @returns ends it */
  listen(onChunk: ChunkListener): () => void;
  /** Settles when the source has ended by itself (unplugged, sharing stopped, device lost) or was stopped here. */
  readonly ended: Promise<void>;
  /** Let go of the device. The browser's recording sign disappears. */
  stop(): void;
}

/** Why the page cannot listen to a microphone, whatever the person allows; null when it can. */
export function microphoneObstacle(): LiveInputError | null {
  return obstacle("microphone");
}

/**
 * As for the microphone. Firefox and Safari share the picture of tabs without their sound and do not say so, but only
 * those that share sound know how to silence it where it came from.
 */
export function tabObstacle(): LiveInputError | null {
  const media = devices();
  const sharesSound =
    media !== undefined &&
    "getDisplayMedia" in media &&
    "suppressLocalAudioPlayback" in media.getSupportedConstraints();
  return obstacle("tab") ?? (sharesSound ? null : unsupported("tab"));
}

function obstacle(kind: LiveInputKind): LiveInputError | null {
  if (!isSecureContext) return insecure(kind);
  return devices() !== undefined && "AudioWorkletNode" in globalThis ? null : unsupported(kind);
}

/**
 * Ask for a microphone.
 *
 * @param sampleRateHz the model's rate
 * @param signal the person no longer wants it; what the browser gives afterwards is let go at once
 * @throws LiveInputError, or the signal's reason
 */
export function captureMicrophone(sampleRateHz: number, signal?: AbortSignal): Promise<LiveInput> {
  // Made for calls, these would take the music away: steady tones count as noise, loud as too loud.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return capture("microphone", sampleRateHz, signal, (media) => media.getUserMedia({ audio }));
}

/**
 * Ask for a tab, window or screen, for the sake of its sound; it goes on sounding where it is. To be called right after
 * a press on something: browsers refuse it otherwise.
 *
 * @param sampleRateHz the model's rate
 * @param signal as for the microphone
 * @throws LiveInputError, or the signal's reason
 */
export function captureTab(sampleRateHz: number, signal?: AbortSignal): Promise<LiveInput> {
  const options = {
    video: true, // browsers share no sound without it; its tracks are stopped at once
    audio: {
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: false,
      suppressLocalAudioPlayback: false,
    },
    systemAudio: "include",
    selfBrowserSurface: "exclude",
  };
  return capture("tab", sampleRateHz, signal, (media) => media.getDisplayMedia(options));
}

async function capture(
  kind: LiveInputKind,
  sampleRateHz: number,
  signal: AbortSignal | undefined,
  ask: (media: MediaDevices) => Promise<MediaStream>,
): Promise<LiveInput> {
  signal?.throwIfAborted();
  const missing = obstacle(kind);
  if (missing) throw missing;
  let stream: MediaStream | undefined;
  try {
    stream = await ask(navigator.mediaDevices);
    signal?.throwIfAborted();
    for (const track of stream.getVideoTracks()) track.stop();
    const [track] = stream.getAudioTracks();
    if (track === undefined) throw noAudioShared();
    return await StreamInput.open(kind, stream, track, sampleRateHz, signal);
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    throw signal?.aborted ? error : explainFailure(kind, error);
  }
}

class StreamInput implements LiveInput {
  readonly kind: LiveInputKind;
  readonly label: string;
  readonly sampleRateHz: number;
  readonly ended: Promise<void>;
  readonly #stream: MediaStream;
  readonly #context: AudioContext;
  readonly #listeners = new Set<ChunkListener>();
  readonly #stopped = new AbortController();

  private constructor(
    kind: LiveInputKind,
    label: string,
    sampleRateHz: number,
    stream: MediaStream,
    context: AudioContext,
  ) {
    this.kind = kind;
    this.label = label;
    this.sampleRateHz = sampleRateHz;
    this.#stream = stream;
    this.#context = context;
    const { signal } = this.#stopped;
    this.ended = new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }

  static async open(
    kind: LiveInputKind,
    stream: MediaStream,
    track: MediaStreamTrack,
    sampleRateHz: number,
    signal: AbortSignal | undefined,
  ): Promise<StreamInput> {
    const { context, source } = sourceOf(stream, sampleRateHz);
    try {
      const [runs] = await Promise.all([resume(context), context.audioWorklet.addModule(workletUrl)]);
      signal?.throwIfAborted();
      if (!runs) throw blocked();
      // Without an output it is called all the same, and there is nothing that could reach the speakers.
      const node = new AudioWorkletNode(context, "tfdeepviz-capture", { numberOfOutputs: 0 });
      const input = new StreamInput(kind, track.label, sampleRateHz, stream, context);
      const resampler =
        context.sampleRate === sampleRateHz ? null : new Resampler(context.sampleRate, sampleRateHz);
      node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
        const samples = resampler ? resampler.push(data) : data;
        for (const listener of input.#listeners) listener(samples);
      };
      source.connect(node);
      const listening = { signal: input.#stopped.signal };
      track.addEventListener("ended", () => input.stop(), listening);
      context.addEventListener("statechange", () => void input.#keepRunning(), listening);
      if (track.readyState === "ended") input.stop();
      return input;
    } catch (error) {
      void context.close();
      throw error;
    }
  }

  listen(onChunk: ChunkListener): () => void {
    this.#listeners.add(onChunk);
    return () => this.#listeners.delete(onChunk);
  }

  stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#listeners.clear();
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#context.state !== "closed") void this.#context.close();
  }

  /** A context that was suspended from outside hears nothing: it goes on, or the source has ended. */
  async #keepRunning(): Promise<void> {
    const runs = this.#context.state !== "closed" && (await resume(this.#context));
    if (!runs) this.stop();
  }
}

/** The stream in a context of the wanted rate, or where the browser resamples no stream (Firefox) of the device's own. */
function sourceOf(
  stream: MediaStream,
  sampleRateHz: number,
): { context: AudioContext; source: MediaStreamAudioSourceNode } {
  const context = new AudioContext({ sampleRate: sampleRateHz });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch (error) {
    void context.close();
    if (!(error instanceof DOMException && error.name === "NotSupportedError")) throw error;
    const own = new AudioContext();
    return { context: own, source: own.createMediaStreamSource(stream) };
  }
}

/** Undefined where the page is not secure, whatever TypeScript believes. */
function devices(): MediaDevices | undefined {
  return (navigator as Partial<Navigator>).mediaDevices;
}
