/**
 * Musical time: how far the music has moved, in seconds that pass as fast as it moves.
 *
 * They rush where something begins to sound, the faster the louder the music is, and stand still in silence; averaged
 * over a song they run slightly faster than the clock. Everything in a picture that moves by itself moves in them, and so
 * does the smoothing of parameters: that is what lets a picture be seen to follow (docs/mapping.md, "Musical time").
 *
 * Each value depends only on what came before, so a file and live sound move alike, and what becomes known later changes
 * nothing earlier.
 */

/** Time constant of the usual rise, which rises are compared with: what is loud in one track is nothing in another. */
export const RISE_MEMORY_SECONDS = 6;
/** In dB: taken for usual before anything was heard, and the least that is. */
const RISE_PRIOR = 2;
const RISE_LEAST = 0.3;
/** Onset strength is 0 up to the first of these times the usual rise, and 1 from so many usual rises above it. */
const ONSET_FROM = 0.5;
const ONSET_SPAN = 3;
/** What rises less than an onset moves by this share of the greatest one. */
const UNDERTOW = 0.2;

/** Time constants of the loudness, and of the usual loudness that it is compared with. */
const LOUDNESS_SECONDS = 0.2;
const LOUDNESS_MEMORY_SECONDS = 15;
/** Its standard deviation in dB: taken for usual before anything was heard, and the least that is. */
const LOUDNESS_PRIOR = 4;
const LOUDNESS_LEAST = 2;
/** Slope of the logistic curve from quiet to loud, per standard deviation. */
const LOUDNESS_SLOPE = 2;
/** The quietest moves by this share of the loudest. */
const QUIET = 0.05;

/** What is known before the first moment counts as if it had been heard for this share of what is remembered. */
const PRIOR_WEIGHT = 0.3;

/** Musical seconds per second at the strongest onset of the loudest music; songs average about 1.3. */
const FULL_RATE = 11.5;

/** Pulse per onset strength and loudness, so that the strongest few onsets of most songs come near 1. */
const PULSE_GAIN = 1.3;
/** A pulse has died away after this, unless there is another onset: within a beat at 120 a minute. */
export const PULSE_SECONDS = 0.5;

/** An exponential average that begins with a prior and forgets it. */
class Average {
  #sum: number;
  #weight: number;
  readonly #kept: number;

  constructor(prior: number, priorWeight: number, memorySeconds: number, tickSeconds: number) {
    this.#sum = prior * priorWeight;
    this.#weight = priorWeight;
    this.#kept = Math.exp(-tickSeconds / memorySeconds);
  }

  add(value: number): number {
    const fresh = 1 - this.#kept;
    this.#sum = this.#kept * this.#sum + fresh * value;
    this.#weight = this.#kept * this.#weight + fresh;
    return this.#sum / this.#weight;
  }
}

/** Follows a track from onset to onset, tick by tick. */
export class Motion {
  /** Musical seconds per second from this tick to the next. */
  rate = 0;
  /** In [0, 1]: how strong the last onset was, dying away. */
  pulse = 0;
  readonly #tickSeconds: number;
  readonly #usualRise: Average;
  readonly #loudness: Average;
  readonly #usualLoudness: Average;
  readonly #variance: Average;

  constructor(tickSeconds: number) {
    this.#tickSeconds = tickSeconds;
    this.#usualRise = new Average(RISE_PRIOR, PRIOR_WEIGHT, RISE_MEMORY_SECONDS, tickSeconds);
    this.#loudness = new Average(0, 0, LOUDNESS_SECONDS, tickSeconds);
    this.#usualLoudness = new Average(0, 0, LOUDNESS_MEMORY_SECONDS, tickSeconds);
    this.#variance = new Average(LOUDNESS_PRIOR ** 2, PRIOR_WEIGHT, LOUDNESS_MEMORY_SECONDS, tickSeconds);
  }

  /**
   * Go on by a tick.
   *
   * @param rise in dB, as `onsetsOf` gives it
   * @param loudnessDb of full scale
   */
  step(rise: number, loudnessDb: number): void {
    const usual = Math.max(RISE_LEAST, this.#usualRise.add(rise));
    const onset = clip((rise - ONSET_FROM * usual) / (ONSET_SPAN * usual)) ** 2; // strong ones stand out
    const loudness = this.#loudness.add(loudnessDb);
    const usualLoudness = this.#usualLoudness.add(loudness);
    const spread = Math.max(LOUDNESS_LEAST, Math.sqrt(this.#variance.add((loudness - usualLoudness) ** 2)));
    const loud = 1 / (1 + Math.exp((-LOUDNESS_SLOPE * (loudness - usualLoudness)) / spread));
    const level = QUIET + (1 - QUIET) * loud;
    this.rate = FULL_RATE * level * (onset + UNDERTOW * clip(rise / usual));
    this.pulse = Math.max(
      Math.min(1, PULSE_GAIN * level * onset),
      this.pulse - this.#tickSeconds / PULSE_SECONDS,
      0,
    );
  }
}

function clip(value: number): number {
  return Math.min(1, Math.max(0, value));
}
