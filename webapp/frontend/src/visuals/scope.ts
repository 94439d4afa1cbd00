/** Something that holds memory which garbage collection cannot free, such as a three.js texture. */
export interface Disposable {
  dispose(): void;
}

/** Owns resources and frees them together, the newest first. */
export class ResourceScope implements Disposable {
  readonly #cleanups: (() => void)[] = [];
  #disposed = false;

  /** Take ownership of `resource` and hand it back, so that creating and owning read as one expression. */
  own<T extends Disposable>(resource: T): T {
    this.defer(() => resource.dispose());
    return resource;
  }

  /** Run `cleanup` when the scope ends. */
  defer(cleanup: () => void): void {
    if (this.#disposed) throw new Error("This scope has ended: nothing can be added to it.");
    this.#cleanups.push(cleanup);
  }

  /** Listen until the scope ends. */
  listen(target: EventTarget, type: string, listener: () => void): void {
    target.addEventListener(type, listener);
    this.defer(() => target.removeEventListener(type, listener));
  }

  /** Free everything, even if freeing one thing fails. A second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const failures: unknown[] = [];
    for (let cleanup = this.#cleanups.pop(); cleanup !== undefined; cleanup = this.#cleanups.pop()) {
      try {
        cleanup();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "Some resources could not be freed.");
  }
}
