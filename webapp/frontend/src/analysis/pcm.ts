/** The one signal that models hear, and how it comes from channels. */
import type { Bundle } from "../bundle";

/** A mean this much weaker than the loudest channel (-30 dB) is what is left of channels that cancel each other out. */
const MIN_POWER_RATIO = 1e-3;
/** As loud as the loudest: Chromium scales positive and negative samples differently, so equals are not quite equal. */
const AS_LOUD = 0.99;

/** Sound for a model: the rate goes with the samples, so that no model is given another's. */
export interface Pcm {
  /** Mono. */
  readonly samples: Float32Array;
  readonly sampleRateHz: number;
}

/** The samples for a model. @throws RangeError when they are at another rate than the model's */
export function samplesFor({ audio }: Pick<Bundle, "audio">, { samples, sampleRateHz }: Pcm): Float32Array {
  if (sampleRateHz !== audio.sampleRateHz) {
    throw new RangeError(`The model takes sound at ${audio.sampleRateHz} Hz, not at ${sampleRateHz} Hz.`);
  }
  return samples;
}

/**
 * The mean of the channels; where they cancel each other out over the whole track the loudest one, or the first that is
 * as loud.
 * The same rule as in Python.
 *
 * @param channels at least one, all of the same length
 */
export function downmix(channels: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const [first, ...others] = channels;
  if (first === undefined) throw new RangeError("Sound without channels cannot be mixed.");
  if (others.length === 0) return first.slice();
  const mean = new Float32Array(first.length);
  for (const samples of channels) {
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + (samples[i] ?? 0) / channels.length;
  }
  const powers = channels.map(meanPower);
  const loudest = loudestOf(powers);
  if (!cancelsOut(meanPower(mean), powers[loudest] ?? 0)) return mean;
  return (channels[loudest] ?? mean).slice();
}

/** Which channel is the loudest, or the first that is as loud. @returns -1 where one of them is no sound */
export function loudestOf(powers: readonly number[]): number {
  const most = Math.max(...powers);
  return powers.findIndex((power) => power >= AS_LOUD * most);
}

/**
 * Whether channels cancel each other out in their mean.
 *
 * @param ofMean mean square of the mean of the channels
 * @param ofLoudest mean square of the loudest channel, over the same time
 */
export function cancelsOut(ofMean: number, ofLoudest: number): boolean {
  return ofLoudest > 0 && ofMean < MIN_POWER_RATIO * ofLoudest;
}

/** The mean square. */
export function meanPower(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum / Math.max(1, samples.length);
}
