import type { Disposer, Scope } from "../player/scope";

/** A second click within this time makes a double click of it. */
const DOUBLE_CLICK_MS = 250;

/** Tells single from double clicks, so that full screen does not pause the music on its way. */
export class ClickGesture {
  readonly #scope: Scope;
  readonly #onSingle: () => void;
  readonly #onDouble: () => void;
  #pending: Disposer | null = null;

  constructor(scope: Scope, onSingle: () => void, onDouble: () => void) {
    this.#scope = scope;
    this.#onSingle = onSingle;
    this.#onDouble = onDouble;
  }

  click(): void {
    if (this.#pending) {
      this.#pending();
      this.#pending = null;
      this.#onDouble();
      return;
    }
    this.#pending = this.#scope.timeout(DOUBLE_CLICK_MS, () => {
      this.#pending = null;
      this.#onSingle();
    });
  }
}
