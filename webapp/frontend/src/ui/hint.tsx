import { signal, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Disposer, Scope } from "../player/scope";

const SHOWN_MS = 1600;

/** A few words about what a key has just done, for those who see no controls. */
export class Hint {
  readonly #scope: Scope;
  readonly #text = signal("");
  #cancel: Disposer | null = null;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  get text(): ReadonlySignal<string> {
    return this.#text;
  }

  show(text: string): void {
    this.#text.value = text;
    this.#cancel?.();
    this.#cancel = this.#scope.timeout(SHOWN_MS, () => (this.#text.value = ""));
  }
}

export function HintView({ text }: { text: ReadonlySignal<string> }): JSX.Element {
  return (
    <p class="hint" role="status">
      {text.value}
    </p>
  );
}
