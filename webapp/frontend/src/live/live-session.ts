import { signal, type ReadonlySignal } from "@preact/signals";
import { captureMicrophone, captureTab, type LiveInput } from "./capture";
import type { Impression } from "../mapping/impression";
import type { MotionAt } from "../mapping/track";
import { Hearing, type LiveAnalyst } from "./hearing";
import type { LiveInputKind } from "./live-input-error";
import { Resampler } from "./resample";
import type { TrackChoices } from "./sliding-track";

export { LIVE_LATENCY_SECONDS } from "./hearing";

/** What is quieter shows as nothing. */
const QUIETEST_DB = -60;
/** Of the level per chunk, about 40 times a second: it rises at once and falls slowly, so that peaks can be seen. */
const LEVEL_KEPT = 0.92;
/** Smaller changes need no drawing. */
const LEVEL_STEPS = 50;

export interface LiveOptions {
  readonly analyst: LiveAnalyst;
  readonly choices: TrackChoices;
  /** The source has ended: sharing was stopped, the microphone unplugged. The session is over. */
  readonly onEnd: () => void;
  /** The analysis has failed. The session is over. */
  readonly onError: (error: unknown) => void;
}

/** Listening to something that goes on, as a source of music for pictures. It is silent itself. */
export class LiveSession {
  readonly kind: LiveInputKind;
  /** What the browser calls the source, for people. */
  readonly label: string;
  readonly #input: LiveInput;
  readonly #options: LiveOptions;
  readonly #level = signal(0);
  readonly #impression = signal<Impression | null>(null);
  #resampler: Resampler | null = null;
  #hearing: Hearing;
  #disposed = false;

  /**
   * Ask for a source and listen to it. To be called right after a press on something.
   *
   * @param signal the person no longer wants it; what the browser gives afterwards is let go at once
   * @throws LiveInputError, or the signal's reason
   */
  static async start(kind: LiveInputKind, options: LiveOptions, signal?: AbortSignal): Promise<LiveSession> {
    const capture = kind === "microphone" ? captureMicrophone : captureTab;
    const input = await capture(options.analyst.bundle.audio.sampleRateHz, signal);
    try {
      signal?.throwIfAborted();
      return new LiveSession(input, options);
    } catch (error) {
      input.stop();
      throw error;
    }
  }

  constructor(input: LiveInput, options: LiveOptions) {
    this.kind = input.kind;
    this.label = input.label;
    this.#input = input;
    this.#options = options;
    this.#hearing = this.#listenWith(options.analyst, options.choices);
    input.listen((samples) => this.#hear(samples));
    void input.ended.then(() => {
      if (this.#disposed) return;
      this.dispose();
      options.onEnd();
    });
  }

  /** How loud it is, in [0, 1]: in decibels, from hardly anything to as loud as can be. */
  get level(): ReadonlySignal<number> {
    return this.#level;
  }

  /** What the model that listens takes the music for; null where it tells neither genres nor tags. */
  get impression(): ReadonlySignal<Impression | null> {
    return this.#impression;
  }

  /** There is something to show. */
  get ready(): boolean {
    return this.#hearing.track.knownSeconds > 0;
  }

  /** Which moment the picture is to show now: `LIVE_LATENCY_SECONDS` ago, counted from the start. Never runs back. */
  secondsAt(nowMs: number): number {
    return this.#hearing.secondsAt(nowMs);
  }

  /** The parameters of a moment of the last minutes, as `ParameterTrack.at`. */
  at(seconds: number, parameters: Float32Array, travel: Float32Array): void {
    this.#hearing.track.at(seconds, parameters, travel);
  }

  /** How the music moves at such a moment, as `ParameterTrack.motionAt`. */
  motionAt(seconds: number): MotionAt {
    return this.#hearing.track.motionAt(seconds);
  }

  /** Let changed choices count, also for what was heard already. */
  choose(choices: TrackChoices): void {
    this.#hearing.track.choose(choices);
  }

  /** Let another model listen from here on. Its time begins anew. */
  use(analyst: LiveAnalyst, choices: TrackChoices): void {
    this.#hearing.stop();
    this.#hearing = this.#listenWith(analyst, choices);
  }

  /** Let go of the device. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#hearing.stop();
    this.#input.stop();
    this.#level.value = 0;
  }

  #listenWith(analyst: LiveAnalyst, choices: TrackChoices): Hearing {
    const { sampleRateHz } = analyst.bundle.audio;
    const { sampleRateHz: given } = this.#input;
    this.#resampler = given === sampleRateHz ? null : new Resampler(given, sampleRateHz);
    const hearing = new Hearing(analyst, choices, {
      nowMs: performance.now(),
      onError: (error) => {
        this.dispose();
        this.#options.onError(error);
      },
    });
    this.#impression.value = hearing.impression;
    return hearing;
  }

  #hear(samples: Float32Array): void {
    const level = Math.max(levelOf(samples), this.#level.peek() * LEVEL_KEPT);
    this.#level.value = Math.floor(level * LEVEL_STEPS) / LEVEL_STEPS;
    this.#hearing.hear(this.#resampler?.push(samples) ?? samples, performance.now());
  }
}

/** In shares of the range from the quietest. */
function levelOf(samples: Float32Array): number {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / Math.max(1, samples.length);
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power)) / QUIETEST_DB));
}
