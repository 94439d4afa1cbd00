/** Looks back as far as this, so that a slow beginning is forgotten. */
const WINDOW_MS = 8_000;
/** Marks are set no closer than this. */
const MARK_MS = 250;
/** Before this has passed nothing is said: the first frames prepare much that the others use. */
const WARM_UP_MS = 600;

interface Mark {
  readonly ms: number;
  readonly done: number;
}

/** How fast something goes on, and how long it will take. */
export class Pace {
  readonly #total: number;
  readonly #startMs: number;
  #marks: readonly Mark[];
  #latest: Mark;

  constructor(total: number, nowMs: number) {
    this.#total = total;
    this.#startMs = nowMs;
    this.#latest = { ms: nowMs, done: 0 };
    this.#marks = [this.#latest];
  }

  /** @param done how many of them are done by now */
  advance(done: number, nowMs: number): void {
    this.#latest = { ms: nowMs, done };
    const last = this.#marks.at(-1);
    if (last && nowMs - last.ms < MARK_MS) return;
    const kept = this.#marks.filter(({ ms }, i) => {
      // One mark from before the window stays: the window reaches back to it.
      const next = this.#marks[i + 1];
      return next === undefined || next.ms >= nowMs - WINDOW_MS || ms >= nowMs - WINDOW_MS;
    });
    this.#marks = [...kept, this.#latest];
  }

  get perSecond(): number | null {
    const first = this.#marks[0];
    const { ms, done } = this.#latest;
    if (!first || ms - this.#startMs < WARM_UP_MS || done <= first.done) return null;
    return (1000 * (done - first.done)) / (ms - first.ms);
  }

  get secondsLeft(): number | null {
    const rate = this.perSecond;
    return rate === null ? null : Math.max(0, (this.#total - this.#latest.done) / rate);
  }
}
