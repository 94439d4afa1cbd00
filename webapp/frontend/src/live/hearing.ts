import type { AnalysisClient } from "../analysis/client";
import { findStream } from "../analysis/onsets";
import { floorOf } from "../analysis/self-test";
import { Ear, MIN_STRETCH_SECONDS, type Stretch } from "./ear";
import { speakerOf } from "../mapping/impression";
import { LiveImpression } from "./live-impression";
import { SlidingTrack, type TrackChoices } from "./sliding-track";

/** So much later than it is heard the picture shows it: an encoding needs what comes after its moment, and its time. */
export const LIVE_LATENCY_SECONDS = 1;

/** For computing and for what is late on its way. */
const SPARE_SECONDS = 0.25;
/** Where nobody has looked for so long (the page is hidden), nothing is encoded. */
const UNSEEN_MS = 2000;
/**
 * Chunks may come late, never early: the clock follows those that come earlier than it thought, and hardly the others.
 * In shares of the difference, about 40 times a second.
 */
const FOLLOW_EARLY = 0.05;
const FOLLOW_LATE = 0.005;

export type LiveAnalyst = Pick<AnalysisClient, "bundle" | "encode" | "peakDb">;

/** One model's way through sound that comes in: what it has made of it, about a second behind. */
export class Hearing {
  readonly track: SlidingTrack;
  /** What the model takes the last seconds for; null where it tells neither genres nor tags. */
  readonly impression: LiveImpression | null;
  readonly #analyst: LiveAnalyst;
  readonly #ear: Ear;
  readonly #onError: (error: unknown) => void;
  /** When the sound began, on the clock of the page; null before it did. */
  #startSeconds: number | null = null;
  /** What was shown last: time does not run back. */
  #shownSeconds = 0;
  #askedMs: number;
  /** The largest log-mel value so far: of sound without end nobody knows the largest one. */
  #peakDb = -Infinity;
  #busy = false;
  #stopped = false;

  constructor(
    analyst: LiveAnalyst,
    choices: TrackChoices,
    { nowMs, onError }: { readonly nowMs: number; readonly onError: (error: unknown) => void },
  ) {
    const { bundle } = analyst;
    this.#analyst = analyst;
    this.#onError = onError;
    this.#askedMs = nowMs;
    this.#ear = new Ear(bundle, LIVE_LATENCY_SECONDS);
    const speaker = speakerOf(bundle.encoders);
    this.impression = speaker ? new LiveImpression(speaker) : null;
    // An encoder that needs more of what comes after than there is time for shows its numbers later than they were.
    this.track = new SlidingTrack(bundle, choices, (name) => {
      const { windowSeconds, timeOffsetSeconds, stepSeconds } = findStream(bundle, name);
      const needs = windowSeconds - timeOffsetSeconds + stepSeconds + MIN_STRETCH_SECONDS + SPARE_SECONDS;
      return Math.max(0, needs - LIVE_LATENCY_SECONDS);
    });
  }

  /** @param samples mono at the bundle's rate */
  hear(samples: Float32Array, nowMs: number): void {
    this.#ear.hear(samples);
    const start = nowMs / 1000 - this.#ear.heardSeconds;
    this.#startSeconds ??= start;
    const late = start - this.#startSeconds;
    this.#startSeconds += late * (late < 0 ? FOLLOW_EARLY : FOLLOW_LATE);
    if (nowMs - this.#askedMs < UNSEEN_MS) this.#encodeNext();
  }

  /** Which moment is to be shown at that time: the one a second ago, or the last one that is known. */
  secondsAt(nowMs: number): number {
    this.#askedMs = nowMs;
    if (this.#startSeconds !== null) {
      const wanted = nowMs / 1000 - this.#startSeconds - LIVE_LATENCY_SECONDS;
      this.#shownSeconds = Math.max(this.#shownSeconds, Math.min(wanted, this.track.knownSeconds));
    }
    return this.#shownSeconds;
  }

  stop(): void {
    this.#stopped = true;
  }

  #encodeNext(): void {
    // One at a time: what comes in meanwhile waits in the ear, and where it is too much the oldest is given up.
    if (this.#busy || this.#stopped) return;
    const stretch = this.#ear.cut();
    if (!stretch) return;
    this.#busy = true;
    this.#encode(stretch).then(
      () => {
        this.#busy = false;
        this.#encodeNext();
      },
      (error: unknown) => {
        if (this.#stopped) return;
        this.#stopped = true;
        this.#onError(error);
      },
    );
  }

  async #encode({ skipped, ...request }: Stretch): Promise<void> {
    const { audio } = this.#analyst.bundle;
    if (audio.topDb !== null) {
      this.#peakDb = Math.max(this.#peakDb, await this.#analyst.peakDb(request.pcm.slice()));
    }
    const blocks = await this.#analyst.encode({ ...request, floorDb: floorOf(audio, this.#peakDb) });
    if (this.#stopped) return;
    for (const block of blocks) {
      this.track.add(block, skipped.get(block.encoder));
      if (block.encoder === this.impression?.speaker.name) this.impression.add(block);
    }
  }
}
