import { signal, type ReadonlySignal } from "@preact/signals";

export type NoticeKind = "error" | "info";

export interface Notice {
  readonly id: number;
  readonly kind: NoticeKind;
  readonly text: string;
  /** A way on. */
  readonly action: NoticeAction | null;
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

  show(kind: NoticeKind, text: string, action: NoticeAction | null = null): number {
    const id = this.#nextId++;
    const others = this.#list.peek().filter((notice) => notice.text !== text);
    this.#list.value = [...others, { id, kind, text, action }].slice(-MAX_SHOWN);
    return id;
  }

  dismiss(id: number): void {
    this.#list.value = this.#list.peek().filter((notice) => notice.id !== id);
  }

  clear(): void {
    this.#list.value = [];
  }
}
