import { signal, type ReadonlySignal } from "@preact/signals";
import type { Scope } from "../player/scope";
import { FmaIndexError, type FmaIndex } from "./fma";
import { TrackSearch } from "./search";

export type LibraryState =
  | { readonly kind: "unasked" }
  | { readonly kind: "loading" }
  /** The server has no FMA. */
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "ready"; readonly index: FmaIndex; readonly search: TrackSearch };

/** The server's tracks, fetched once somebody wants to see them. */
export class Library {
  readonly #fetchIndex: (signal: AbortSignal) => Promise<FmaIndex | null>;
  readonly #state = signal<LibraryState>({ kind: "unasked" });
  readonly #abort = new AbortController();

  constructor(scope: Scope, fetchIndex: (signal: AbortSignal) => Promise<FmaIndex | null>) {
    this.#fetchIndex = fetchIndex;
    scope.own(() => this.#abort.abort());
  }

  get state(): ReadonlySignal<LibraryState> {
    return this.#state;
  }

  /** Fetch the list unless it is here or on its way; again after a failure. */
  async load(): Promise<void> {
    const { kind } = this.#state.peek();
    if (kind !== "unasked" && kind !== "failed") return;
    const { signal } = this.#abort;
    this.#state.value = { kind: "loading" };
    try {
      const index = await this.#fetchIndex(signal);
      this.#state.value = index
        ? { kind: "ready", index, search: new TrackSearch(index.tracks) }
        : { kind: "none" };
    } catch (error) {
      if (signal.aborted) return;
      const why =
        error instanceof FmaIndexError ? error.message : `The list of FMA tracks failed (${String(error)}).`;
      this.#state.value = { kind: "failed", why };
    }
  }
}
