/** What an encoder that tells genres and tags says of music over some seconds, and the words for it. */
import type { TimeAxis } from "../analysis/segments";
import { DESCRIPTOR_KINDS, type DescriptorKind, type Encoder } from "../bundle";
import type { EncodingBlock } from "./track";

/** A genre is heard over seconds: single moments only flicker. */
const GENRE_SECONDS = 3;
/** Tags become words that are to be read, by what is usual in clips of about this length. */
const WORD_SECONDS = 30;
/** Probabilities are kept so far from 0 and 1 that no single one outweighs all others. */
const LEAST_PROBABILITY = 1e-4;
/** A word stands out so many spreads above what is usual. */
const LEAST_SCORE = 1;
const MOST_WORDS = 3;

/** Who speaks. */
export type Speaker = Pick<Encoder, "name" | "genres" | "tags" | "unsureBelow">;

type Told = Pick<EncodingBlock, "count" | "genres" | "tags">;

/** Mean of a speaker's impressions around a moment. */
export interface Impression {
  readonly speaker: Speaker;
  /** @returns shape [impressionSize], to be read with `descriptionOf`; null where nothing is known */
  at(seconds: number): Float32Array | null;
}

/** What is told of music in words. */
export interface Description {
  /** The likeliest genre; null: none is likely enough. Undefined: the speaker tells no genres. */
  readonly genre?: string | null;
  /**
   * By their kind those that stand out, the clearest first; only kinds that the speaker has words for, and genres only
   * where it does not know them better.
   */
  readonly words: Partial<Readonly<Record<DescriptorKind, readonly string[]>>>;
}

/** The first encoder that tells anything; one that tells tags before others. */
export function speakerOf(encoders: readonly Encoder[]): Encoder | undefined {
  return encoders.find(({ tags }) => tags) ?? encoders.find(({ genres }) => genres);
}

/** Over so long impressions are averaged. */
export function impressionSeconds({ tags }: Speaker): number {
  return tags ? WORD_SECONDS : GENRE_SECONDS;
}

/** Numbers of an impression: the probability of each genre, and the mean log-odds of each descriptor's tags. */
export function impressionSize({ genres, tags }: Speaker): number {
  return (genres?.length ?? 0) + (tags?.descriptors.length ?? 0);
}

/**
 * The impressions that came with a block of encodings.
 *
 * @returns shape [count, impressionSize], flattened
 * @throws RangeError when its probabilities are not the speaker's
 */
export function impressionsOf(speaker: Speaker, { count, genres, tags }: Told): Float32Array {
  const nGenres = speaker.genres?.length ?? 0;
  const nTags = speaker.tags?.names.length ?? 0;
  if ((genres?.length ?? 0) !== count * nGenres || (tags?.length ?? 0) !== count * nTags) {
    throw new RangeError(
      `${genres?.length ?? 0} and ${tags?.length ?? 0} probabilities are not those of ${count} moments.`,
    );
  }
  const size = impressionSize(speaker);
  const impressions = new Float32Array(count * size);
  for (let k = 0; k < count; k++) {
    if (genres) impressions.set(genres.subarray(k * nGenres, (k + 1) * nGenres), k * size);
    speaker.tags?.descriptors.forEach(({ tags: indices }, i) => {
      const odds = indices.map((tag) => logOdds(tags?.[k * nTags + tag] ?? NaN));
      impressions[k * size + nGenres + i] = odds.reduce((a, b) => a + b, 0) / odds.length;
    });
  }
  return impressions;
}

/** The words for a mean of impressions. */
export function descriptionOf(
  { genres, tags, unsureBelow = 0 }: Speaker,
  impression: Float32Array,
): Description {
  const nGenres = genres?.length ?? 0;
  const probabilities = impression.subarray(0, nGenres);
  const likeliest = Math.max(...probabilities);
  const words: Partial<Record<DescriptorKind, string[]>> = {};
  for (const kind of DESCRIPTOR_KINDS) {
    if (kind === "genre" && genres) continue;
    const scored = (tags?.descriptors ?? []).flatMap((descriptor, i) => {
      const { name, typical, spread } = descriptor;
      const score = ((impression[nGenres + i] ?? NaN) - typical) / spread;
      return descriptor.kind === kind ? [{ name, score }] : [];
    });
    if (scored.length === 0) continue;
    words[kind] = scored
      .filter(({ score }) => score >= LEAST_SCORE)
      .sort((a, b) => b.score - a.score)
      .slice(0, MOST_WORDS)
      .map(({ name }) => name);
  }
  if (!genres) return { words };
  const genre = likeliest >= unsureBelow ? genres[probabilities.indexOf(likeliest)] : undefined;
  return { genre: genre ?? null, words };
}

function logOdds(probability: number): number {
  const p = Math.min(1 - LEAST_PROBABILITY, Math.max(LEAST_PROBABILITY, probability));
  return Math.log(p / (1 - p));
}

/** What a speaker has said of a track so far. */
export class TrackImpression implements Impression {
  readonly speaker: Speaker;
  readonly #axis: TimeAxis;
  readonly #size: number;
  /** Shape [axis.count, size], flattened. */
  readonly #impressions: Float32Array;
  readonly #known: Uint8Array;

  /** @param axis where the speaker's encodings lie in time */
  constructor(speaker: Speaker, axis: TimeAxis) {
    this.speaker = speaker;
    this.#axis = axis;
    this.#size = impressionSize(speaker);
    this.#impressions = new Float32Array(axis.count * this.#size);
    this.#known = new Uint8Array(axis.count);
  }

  /**
   * Take in what came with a block of the speaker's encodings. Blocks may come in any order and overlap.
   *
   * @throws RangeError when it does not fit the track
   */
  add(block: Pick<EncodingBlock, "first"> & Told): void {
    const { first, count } = block;
    if (first < 0 || count < 1 || first + count > this.#axis.count) {
      throw new RangeError(`${count} moments from ${first} on are not among ${this.#axis.count}.`);
    }
    this.#impressions.set(impressionsOf(this.speaker, block), first * this.#size);
    this.#known.fill(1, first, first + count);
  }

  at(seconds: number): Float32Array | null {
    const { firstSeconds, stepSeconds, count } = this.#axis;
    const reach = impressionSeconds(this.speaker) / 2;
    const place = (time: number) => (time - firstSeconds) / stepSeconds;
    // Before the first and after the last moment, what is nearest counts.
    const nearest = Math.min(count - 1, Math.max(0, Math.round(place(seconds))));
    const first = Math.min(nearest, Math.max(0, Math.ceil(place(seconds - reach))));
    const end = Math.max(nearest + 1, Math.min(count, 1 + Math.floor(place(seconds + reach))));
    const known: Float32Array[] = [];
    for (let moment = first; moment < end; moment++) {
      if (this.#known[moment] !== 1) continue;
      known.push(this.#impressions.subarray(moment * this.#size, (moment + 1) * this.#size));
    }
    return meanOf(known);
  }
}

/** @returns null where there is nothing */
export function meanOf(rows: readonly Float32Array[]): Float32Array | null {
  return rows[0]?.map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? NaN), 0) / rows.length) ?? null;
}
