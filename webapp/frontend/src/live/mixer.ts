import { cancelsOut, loudestOf, meanPower } from "../analysis/pcm";

/** How long a moment counts: after a second it has lost 30 dB, and what came since decides. */
const MEMORY_SECONDS = 0.15;
/** A mean so much stronger than what is left of channels that cancel each other out is a mean again: 10 dB. */
const RETURN_RATIO = 10;

/**
 * Channels that come in -> the one signal that models hear: their mean, or the loudest one while they cancel each other
 * out. The same rule as for tracks, but over the last moments, because nobody knows what comes.
 */
export class Mixer {
  readonly #memorySamples: number;
  /** Running powers. */
  #ofChannels: readonly number[] = [];
  #ofMean = 0;
  /** The channel that stands for all; null while their mean does. */
  #chosen: number | null = null;

  constructor(sampleRateHz: number) {
    this.#memorySamples = MEMORY_SECONDS * sampleRateHz;
  }

  /**
   * @param given one block of each channel, as long as the result; what is no number counts as silence
   * @param mixed is filled with the mix
   */
  mix(given: readonly Float32Array[], mixed: Float32Array): void {
    const channels = given.map(withoutGaps);
    if (channels.length !== this.#ofChannels.length) {
      this.#ofChannels = channels.map(() => 0);
      this.#ofMean = 0;
      this.#chosen = null;
    }
    for (let i = 0; i < mixed.length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i] ?? 0;
      mixed[i] = sum / channels.length;
    }
    const before = this.#chosen;
    this.#choose(channels, mixed);
    if (before === null && this.#chosen === null) return;
    const [from, to] = [before, this.#chosen].map((chosen) => channels[chosen ?? -1] ?? mixed);
    // From one to the other within a block, so that nothing clicks.
    for (let i = 0; i < mixed.length; i++) {
      const share = (i + 1) / mixed.length;
      mixed[i] = (1 - share) * (from?.[i] ?? 0) + share * (to?.[i] ?? 0);
    }
  }

  #choose(channels: readonly Float32Array[], mean: Float32Array): void {
    const kept = Math.exp(-mean.length / this.#memorySamples);
    const follow = (power: number, samples: Float32Array) => kept * power + (1 - kept) * meanPower(samples);
    this.#ofChannels = channels.map((samples, i) => follow(this.#ofChannels[i] ?? 0, samples));
    this.#ofMean = follow(this.#ofMean, mean);
    const loudest = loudestOf(this.#ofChannels);
    // A mean near the limit would go to and fro.
    const ofMean = this.#chosen === null ? this.#ofMean : this.#ofMean / RETURN_RATIO;
    if (!cancelsOut(ofMean, this.#ofChannels[loudest] ?? 0)) this.#chosen = null;
    else this.#chosen ??= loudest;
  }
}

/** One NaN would stay in every power for ever. */
function withoutGaps(samples: Float32Array): Float32Array {
  if (samples.every(Number.isFinite)) return samples;
  return samples.map((sample) => (Number.isFinite(sample) ? sample : 0));
}
