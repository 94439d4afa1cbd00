import { signal, type ReadonlySignal } from "@preact/signals";

export type NoticeKind = "error" | "info";

export interface Notice {
  readonly id: number;
  readonly kind: NoticeKind;
  readonly text: string;
  /** A way on. */
  readonly action: NoticeAction | null;
  /** It is not about a track, and holds whichever is opened. */
  readonly lasting: boolean;
}

export interface NoticeAction {
  readonly label: string;
  readonly run: () => void;
}

const MAX_SHOWN = 3;

/** What the page has to say, newest last. The same words are not said twice at once. */
export class Notices {
  readonly #list = signal<readonly Notice[]>([]);
  #nextId = 1;

  get list(): ReadonlySignal<readonly Notice[]> {
    return this.#list;
  }

  show(kind: NoticeKind, text: string, action: NoticeAction | null = null, lasting = false): number {
    const id = this.#nextId++;
    const others = this.#list.peek().filter((notice) => notice.text !== text);
    // Where there are too many the oldest goes; one that lasts goes last.
    const surplus =
      others.length < MAX_SHOWN ? null : (others.find((notice) => !notice.lasting) ?? others[0]);
    this.#list.value = [
      ...others.filter((notice) => notice !== surplus),
      { id, kind, text, action, lasting },
    ];
    return id;
  }

  dismiss(id: number): void {
    this.#list.value = this.#list.peek().filter((notice) => notice.id !== id);
  }

  /** Take away what is not lasting. */
  clear(): void {
    this.#list.value = this.#list.peek().filter(({ lasting }) => lasting);
  }
}
