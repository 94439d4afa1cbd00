import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import { listNames } from "../player/format";
import type { TrackSource } from "./sources";
import { explainTrack } from "./words";

/** One track in the list; the same track may stand there twice. */
export interface PlaylistEntry {
  readonly id: number;
  readonly source: TrackSource;
}

/** A track that could not be played. */
export interface Failure {
  readonly title: string;
  readonly error: unknown;
}

/** What went wrong with one track or several in a row, for people. */
export function explainFailures(failures: readonly Failure[]): string {
  const last = failures.at(-1);
  if (!last) return "";
  const why = explainTrack(last.error, last.title);
  const before = failures.slice(0, -1).map(({ title }) => `“${title}”`);
  return before.length === 0 ? why : `${why} Also not played: ${listNames(before)}.`;
}

/** What is to be heard, in order, and which of it is open. */
export class Playlist {
  readonly #entries = signal<readonly PlaylistEntry[]>([]);
  readonly #currentId = signal<number | null>(null);
  /** How many entries stand before the open one, where that was removed: there the list goes on. */
  readonly #gap = signal<number | null>(null);
  #nextId = 1;

  get entries(): ReadonlySignal<readonly PlaylistEntry[]> {
    return this.#entries;
  }

  /** Null before anything of the list was opened, and once that was removed. */
  readonly current: ReadonlySignal<PlaylistEntry | null> = computed(
    () => this.#entries.value.find(({ id }) => id === this.#currentId.value) ?? null,
  );

  readonly neighbours: ReadonlySignal<{ readonly previous: boolean; readonly next: boolean }> = computed(
    () => ({ previous: this.#at(-1) !== null, next: this.#at(1) !== null }),
  );

  /** @returns the new entries, in their order */
  add(sources: readonly TrackSource[]): readonly PlaylistEntry[] {
    const added = sources.map((source) => ({ id: this.#nextId++, source }));
    this.#entries.value = [...this.#entries.peek(), ...added];
    return added;
  }

  /** Take an entry off the list. If it is open, the list goes on with those that stood beside it. */
  remove(id: number): void {
    const index = this.#entries.peek().findIndex((entry) => entry.id === id);
    if (index < 0) return;
    const gap = this.#gap.peek();
    batch(() => {
      if (id === this.#currentId.peek()) this.#gap.value = index;
      else if (gap !== null && index < gap) this.#gap.value = gap - 1;
      this.#entries.value = this.#entries.peek().toSpliced(index, 1);
    });
  }

  /** Put an entry at another place, counted from 0; those between close up. */
  move(id: number, to: number): void {
    const from = this.#entries.peek().findIndex((entry) => entry.id === id);
    const entry = this.#entries.peek()[from];
    if (!entry) return;
    const others = this.#entries.peek().toSpliced(from, 1);
    const place = Math.min(Math.max(to, 0), others.length);
    const gap = this.#gap.peek();
    batch(() => {
      if (gap !== null) {
        const closed = gap - (from < gap ? 1 : 0);
        this.#gap.value = closed + (place < closed ? 1 : 0);
      }
      this.#entries.value = others.toSpliced(place, 0, entry);
    });
  }

  clear(): void {
    batch(() => {
      this.#entries.value = [];
      this.#currentId.value = null;
      this.#gap.value = null;
    });
  }

  /** Make an entry the one that is open. */
  select(id: number): void {
    batch(() => {
      this.#currentId.value = id;
      this.#gap.value = null;
    });
  }

  /** Select the entry so many places further on. @returns it, or null where the list ends */
  step(by: number): PlaylistEntry | null {
    const entry = this.#at(by);
    if (entry) this.select(entry.id);
    return entry;
  }

  #at(by: number): PlaylistEntry | null {
    const entries = this.#entries.value;
    const current = this.current.value;
    if (current) return entries[entries.indexOf(current) + by] ?? null;
    const gap = this.#gap.value;
    return gap === null ? null : (entries[gap + by - (by > 0 ? 1 : 0)] ?? null);
  }
}
