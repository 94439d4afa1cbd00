import { useComputed, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import type { DescriptorKind } from "../bundle";
import { descriptionOf, type Description, type Impression } from "../mapping/impression";
import { formatPercent } from "../player/format";

const N_SHOWN = 3;
/** Often enough to follow, seldom enough to read. */
const SHOWN_STEP_SECONDS = 0.25;
/** Words change more slowly than bars. */
const WORDS_STEP_SECONDS = 2;

const KIND_TITLES: Readonly<Record<DescriptorKind, string>> = {
  genre: "Genre",
  mood: "Mood",
  instrument: "Instruments",
  voice: "Voice",
};

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

/** What is read, line by line: a title and what stands beside it, empty where nothing is clear. */
export function linesOf({ genre, words }: Description): readonly (readonly [title: string, text: string])[] {
  const lines = Object.entries(words).map(([kind, names]): [string, string] => [
    KIND_TITLES[kind as DescriptorKind],
    names.join(", "),
  ]);
  return genre === undefined ? lines : [[KIND_TITLES.genre, genre ?? "Unsure"], ...lines];
}

interface HeardProps {
  readonly impression: Impression;
  /** The moment shown. */
  readonly positionSeconds: ReadonlySignal<number>;
  /** Changes when more of the track is known. */
  readonly readyUntilSeconds: ReadonlySignal<number>;
}

/** What the model takes the music for: in words, or where it has none in three quiet bars. */
export function Heard({ impression, positionSeconds, readyUntilSeconds }: HeardProps): JSX.Element | null {
  const { speaker } = impression;
  const stepSeconds = speaker.tags ? WORDS_STEP_SECONDS : SHOWN_STEP_SECONDS;
  // Two signals on the way down: the position changes often, its step seldom.
  const step = useComputed(() => Math.floor(positionSeconds.value / stepSeconds));
  const known = useComputed(() => Math.ceil(readyUntilSeconds.value)); // tracks may last less than a second
  // What is known counts only by its change: it may tell something of this moment.
  const [shown] = [step.value, known.value];
  const heard = impression.at(shown * stepSeconds);
  if (!heard) return null;
  return speaker.tags ? (
    <Words lines={linesOf(descriptionOf(speaker, heard))} />
  ) : (
    <GenreMeters genres={topGenres(speaker.genres ?? [], heard)} />
  );
}

function Words({ lines }: { lines: ReturnType<typeof linesOf> }): JSX.Element {
  return (
    <ul class="heard-words" aria-label="What the model takes this for">
      {lines.map(([title, text]) => (
        <li key={title}>
          <span class="muted">{title}</span>{" "}
          {text === "" ? (
            <span class="muted">
              <span aria-hidden="true">–</span>
              <span class="visually-hidden">nothing clear</span>
            </span>
          ) : (
            <span>{text}</span>
          )}
        </li>
      ))}
    </ul>
  );
}

function GenreMeters({ genres }: { genres: readonly HeardGenre[] }): JSX.Element {
  return (
    <ul class="genres" aria-label="What the model takes this for">
      {genres.map(({ name, probability }, place) => (
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
