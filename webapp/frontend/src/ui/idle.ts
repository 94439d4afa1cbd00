import { signal, type ReadonlySignal } from "@preact/signals";
import type { Disposer, Scope } from "../player/scope";

export const IDLE_MS = 3000;

export interface Attention {
  readonly playing: boolean;
  /** The pointer rests on a control. */
  readonly hovered: boolean;
  /** A control has the focus and shows it: someone works with the keyboard. */
  readonly focused: boolean;
  /** A panel or dialog is open. */
  readonly busy: boolean;
}

/** Controls may fade only when nobody is about to use them. */
export function mayFade(attention: Attention): boolean {
  return attention.playing && !attention.hovered && !attention.focused && !attention.busy;
}

/** Says whether the controls are shown: hidden after a while without movement, back with the first. */
export class IdleWatch {
  readonly #scope: Scope;
  readonly #attention: () => Attention;
  readonly #visible = signal(true);
  #cancel: Disposer | null = null;

  constructor(scope: Scope, attention: () => Attention) {
    this.#scope = scope;
    this.#attention = attention;
    this.moved();
  }

  get visible(): ReadonlySignal<boolean> {
    return this.#visible;
  }

  /** Something happened: show the controls and start waiting again. */
  moved(): void {
    this.#visible.value = true;
    this.#cancel?.();
    this.#cancel = this.#scope.timeout(IDLE_MS, () => {
      this.#cancel = null;
      if (mayFade(this.#attention())) this.#visible.value = false;
      else this.moved();
    });
  }
}
