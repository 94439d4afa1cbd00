import { effect, signal, type Signal } from "@preact/signals";
import { clamp } from "../player/clock";
import type { Scope } from "../player/scope";

/** The part of `localStorage` that we use. */
export type KeyValueStore = Pick<Storage, "getItem" | "setItem">;

const PREFIX = "tfdeepviz.";
/** No loudspeaker that is meant for music is later. */
export const MAX_OUTPUT_DELAY_SECONDS = 0.5;

/** What the page remembers from one visit to the next. A browser that forbids storage just forgets. */
export class Settings {
  readonly #store: KeyValueStore | null;
  /** 0 to 1. */
  readonly volume: Signal<number>;
  readonly muted: Signal<boolean>;
  readonly visualId: Signal<string>;
  /** Slower camera, no flashes. */
  readonly calm: Signal<boolean>;
  /** How much later the sound is heard than the browser knows. */
  readonly outputDelaySeconds: Signal<number>;
  /** The note on flashing light has been read. */
  readonly noteAccepted: Signal<boolean>;

  /**
   * @param calmByDefault the system asks for reduced motion
   * @param visualIds what can be chosen; the first is the default
   */
  constructor(
    scope: Scope,
    store: KeyValueStore | null,
    calmByDefault: boolean,
    visualIds: readonly string[],
  ) {
    this.#store = store;
    const volume = Number(this.#read("volume") ?? "0.8");
    this.volume = signal(clamp(volume, 0, 1));
    this.muted = signal(this.#read("muted") === "yes");
    const visualId = this.#read("visual");
    this.visualId = signal(
      visualId !== null && visualIds.includes(visualId) ? visualId : (visualIds[0] ?? ""),
    );
    const calm = this.#read("calm");
    this.calm = signal(calm === null ? calmByDefault : calm === "yes");
    const delay = Number(this.#read("output-delay") ?? "0");
    this.outputDelaySeconds = signal(clamp(delay, 0, MAX_OUTPUT_DELAY_SECONDS));
    this.noteAccepted = signal(this.#read("note") === "yes");
    this.#remember(scope, "volume", () => String(this.volume.value));
    this.#remember(scope, "muted", () => yesNo(this.muted.value));
    this.#remember(scope, "visual", () => this.visualId.value);
    this.#remember(scope, "calm", () => yesNo(this.calm.value));
    this.#remember(scope, "output-delay", () => String(this.outputDelaySeconds.value));
    this.#remember(scope, "note", () => yesNo(this.noteAccepted.value));
  }

  #read(key: string): string | null {
    try {
      return this.#store?.getItem(PREFIX + key) ?? null;
    } catch {
      return null;
    }
  }

  /** Write a value from its first change on, so that defaults may still change under it. */
  #remember(scope: Scope, key: string, value: () => string): void {
    let before: string | null = null;
    scope.own(
      effect(() => {
        const now = value();
        if (before !== null && before !== now) this.#write(key, now);
        before = now;
      }),
    );
  }

  #write(key: string, value: string): void {
    try {
      this.#store?.setItem(PREFIX + key, value);
    } catch {
      // Full or forbidden: the page works without a memory.
    }
  }
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

/** `localStorage`, which throws on access where cookies are blocked. */
export function openStore(): KeyValueStore | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
