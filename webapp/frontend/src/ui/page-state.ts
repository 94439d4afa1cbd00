import { signal, type Signal } from "@preact/signals";

/** What stands open on the page. */
export interface PageState {
  readonly panelOpen: Signal<boolean>;
  /** The modal dialog that is open: there is one at most. */
  readonly dialog: Signal<"about" | "keys" | "library" | "recorder" | null>;
  /** A file is held over the page. */
  readonly dropping: Signal<boolean>;
  readonly fullScreen: Signal<boolean>;
  /** Nothing but the picture, and nothing that a cat on the keyboard could change. */
  readonly locked: Signal<boolean>;
}

export function createPageState(): PageState {
  return {
    panelOpen: signal(false),
    dialog: signal<"about" | "keys" | "library" | "recorder" | null>(null),
    dropping: signal(false),
    fullScreen: signal(false),
    locked: signal(false),
  };
}
