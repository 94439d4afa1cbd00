/**
 * Where playback stands, in seconds of the track.
 *
 * All of it is arithmetic on numbers that are handed in, so that it can be tested without sound.
 */

/** What an audio context says about its time at one moment. */
export interface OutputReading {
  /** `AudioContext.currentTime`: how far the graph is rendered. */
  readonly renderedSeconds: number;
  /** Time between rendering and hearing, as far as the context knows it. */
  readonly latencySeconds: number;
  /** `AudioContext.getOutputTimestamp()`, where the browser has it. */
  readonly timestamp: AudioTimestamp | null;
  /** `performance.now()`. */
  readonly nowMs: number;
}

/** An output timestamp further behind rendering than this is not believed. */
const MAX_PLAUSIBLE_LATENCY_SECONDS = 1;
/** Rendering moves in blocks, so that a good timestamp may seem ahead of it by as much as this. */
const RENDER_JITTER_SECONDS = 0.1;

/**
 * The context time of the sample that leaves the loudspeaker now.
 *
 * The output timestamp pairs a context time with a wall time; from there the wall clock carries on.
 * Browsers report zeros before the first sound, and a stale pair after the context was suspended:
 * then rendering time less latency has to do.
 */
export function heardSeconds(reading: OutputReading): number {
  const fallback = Math.max(0, reading.renderedSeconds - reading.latencySeconds);
  const { contextTime, performanceTime } = reading.timestamp ?? {};
  if (!contextTime || !performanceTime) return fallback;
  const heard = contextTime + (reading.nowMs - performanceTime) / 1000;
  const behind = reading.renderedSeconds - heard;
  const plausible = behind >= -RENDER_JITTER_SECONDS && behind <= MAX_PLAUSIBLE_LATENCY_SECONDS;
  return plausible ? Math.min(heard, reading.renderedSeconds) : fallback;
}

/** A playhead over a track of known length. It never steps back unless it is told to. */
export class PlaybackClock {
  readonly #heard: () => number;
  #durationSeconds = 0;
  #positionSeconds = 0;
  /** The context time at which `#anchorSeconds` of the track is heard; `null` while standing still. */
  #startedAt: number | null = null;
  #anchorSeconds = 0;

  /** @param heard the context time that is heard now, see `heardSeconds` */
  constructor(heard: () => number) {
    this.#heard = heard;
  }

  get running(): boolean {
    return this.#startedAt !== null;
  }

  get durationSeconds(): number {
    return this.#durationSeconds;
  }

  /** Forget the old track and stand at the beginning of a new one. */
  reset(durationSeconds: number): void {
    this.#durationSeconds = durationSeconds;
    this.#positionSeconds = 0;
    this.#startedAt = null;
  }

  /** Run: the current position will be heard at context time `contextSeconds`. */
  start(contextSeconds: number): void {
    this.#anchorSeconds = this.#positionSeconds;
    this.#startedAt = contextSeconds;
  }

  /** Stand still where the listener has got to. */
  stop(): void {
    this.#positionSeconds = this.position();
    this.#startedAt = null;
  }

  /** Move the playhead. Only while standing still: a running clock has to be restarted at a known time. */
  seek(seconds: number): void {
    this.#startedAt = null;
    this.#positionSeconds = clamp(seconds, 0, this.#durationSeconds);
  }

  position(): number {
    if (this.#startedAt !== null) {
      const elapsed = Math.max(0, this.#heard() - this.#startedAt);
      const reached = Math.min(this.#anchorSeconds + elapsed, this.#durationSeconds);
      this.#positionSeconds = Math.max(this.#positionSeconds, reached);
    }
    return this.#positionSeconds;
  }
}

export function clamp(value: number, low: number, high: number): number {
  // Also turns NaN, which a broken media file or a slider can produce, into `low`.
  return value > low ? Math.min(value, high) : low;
}
