import { useComputed, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import type { TimeAxis } from "../analysis/segments";
import type { EncodingBlock } from "../mapping/track";
import { formatPercent } from "../player/format";

/** A genre is heard over seconds: single moments only flicker. */
const WINDOW_SECONDS = 3;
const N_SHOWN = 3;
/** Often enough to follow, seldom enough to read. */
const SHOWN_STEP_SECONDS = 0.25;

/** What a classifier has said of a track so far. */
export class GenreTrack {
  readonly #nGenres: number;
  readonly #axis: TimeAxis;
  /** Shape [axis.count, number of genres], flattened. */
  readonly #probabilities: Float32Array;
  readonly #known: Uint8Array;

  /** @param axis where the encodings of the classifier's encoder lie in time */
  constructor(nGenres: number, axis: TimeAxis) {
    this.#nGenres = nGenres;
    this.#axis = axis;
    this.#probabilities = new Float32Array(axis.count * nGenres);
    this.#known = new Uint8Array(axis.count);
  }

  /**
   * Take in what came with a block of encodings. Blocks may come in any order and overlap; those without genres say nothing.
   *
   * @throws RangeError when it does not fit the track
   */
  add({ first, count, genres }: Pick<EncodingBlock, "first" | "count" | "genres">): void {
    if (!genres) return;
    if (
      first < 0 ||
      count < 1 ||
      first + count > this.#axis.count ||
      genres.length !== count * this.#nGenres
    ) {
      throw new RangeError(
        `${genres.length} probabilities from ${first} on are not those of ${count} of ${this.#axis.count} moments.`,
      );
    }
    this.#probabilities.set(genres, first * this.#nGenres);
    this.#known.fill(1, first, first + count);
  }

  /** Each genre's mean probability in the seconds around a moment; null where nothing is known of them. */
  at(seconds: number): Float32Array | null {
    const { firstSeconds, stepSeconds, count } = this.#axis;
    const place = (time: number) => (time - firstSeconds) / stepSeconds;
    // Before the first and after the last moment, what is nearest counts.
    const nearest = Math.min(count - 1, Math.max(0, Math.round(place(seconds))));
    const first = Math.min(nearest, Math.max(0, Math.ceil(place(seconds - WINDOW_SECONDS / 2))));
    const end = Math.max(nearest + 1, Math.min(count, 1 + Math.floor(place(seconds + WINDOW_SECONDS / 2))));
    const mean = new Float32Array(this.#nGenres);
    let n = 0;
    for (let moment = first; moment < end; moment++) {
      if (this.#known[moment] !== 1) continue;
      n++;
      for (let genre = 0; genre < this.#nGenres; genre++) {
        const probability = this.#probabilities[moment * this.#nGenres + genre] ?? 0;
        mean[genre] = (mean[genre] ?? 0) + probability;
      }
    }
    return n > 0 ? mean.map((sum) => sum / n) : null;
  }
}

export interface HeardGenre {
  readonly name: string;
  readonly probability: number;
}

/** The likeliest genres, the likeliest first. What is not a number is not likely. */
export function topGenres(names: readonly string[], probabilities: ArrayLike<number>): readonly HeardGenre[] {
  return names
    .map((name, i) => ({ name, probability: Math.min(1, Math.max(0, probabilities[i] ?? 0)) || 0 }))
    .toSorted((a, b) => b.probability - a.probability)
    .slice(0, N_SHOWN);
}

interface GenreMetersProps {
  /** In the order of the probabilities. */
  readonly names: readonly string[];
  /** What is heard at a moment of the track, or null where that is not known. */
  readonly probabilitiesAt: (seconds: number) => ArrayLike<number> | null;
  /** The moment shown. */
  readonly positionSeconds: ReadonlySignal<number>;
  /** Changes when more of the track is known. */
  readonly readyUntilSeconds: ReadonlySignal<number>;
}

/** Three quiet bars: what a classifier takes the music for. */
export function GenreMeters({
  names,
  probabilitiesAt,
  positionSeconds,
  readyUntilSeconds,
}: GenreMetersProps): JSX.Element | null {
  // Two signals on the way down: the position changes often, its quarter of a second seldom.
  const step = useComputed(() => Math.floor(positionSeconds.value / SHOWN_STEP_SECONDS));
  const known = useComputed(() => Math.floor(readyUntilSeconds.value));
  // What is known counts only by its change: it may tell something of this moment.
  const [shown] = [step.value, known.value];
  const probabilities = probabilitiesAt(shown * SHOWN_STEP_SECONDS);
  if (!probabilities) return null;
  return (
    <ul class="genres" aria-label="What the model takes this for">
      {topGenres(names, probabilities).map(({ name, probability }, place) => (
        // By place, so that a bar stays where it is when another genre takes it.
        <li key={place} class="genre-row">
          <span aria-hidden="true">{name}</span>
          <span
            class="meter genre-meter"
            role="meter"
            aria-label={name}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(100 * probability)}
            aria-valuetext={formatPercent(probability)}
            style={{ "--value": probability }}
          />
          <span class="muted genre-share" aria-hidden="true">
            {formatPercent(probability)}
          </span>
        </li>
      ))}
    </ul>
  );
}
