/**
 * Owners of everything that must be given back: listeners, timers, animation frames.
 *
 * The page adds listeners and asks for frames through this file only, so that disposing one scope
 * is enough to leave nothing behind.
 */

export type Disposer = () => void;

type EventsOf<Target> = Target extends Window
  ? WindowEventMap
  : Target extends Document
    ? DocumentEventMap
    : Target extends MediaQueryList
      ? MediaQueryListEventMap
      : Target extends AudioScheduledSourceNode
        ? AudioScheduledSourceNodeEventMap
        : Target extends BaseAudioContext
          ? BaseAudioContextEventMap
          : Target extends HTMLElement
            ? HTMLElementEventMap & { webglcontextlost: Event; webglcontextrestored: Event }
            : never;

export class Scope {
  readonly #disposers = new Set<Disposer>();
  #disposed = false;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Run `dispose` when the scope ends, or earlier through the returned function; at most once. */
  own(dispose: Disposer): Disposer {
    const once = () => {
      if (this.#disposers.delete(once)) dispose();
    };
    this.#disposers.add(once);
    if (this.#disposed) once();
    return once;
  }

  listen<Target extends EventTarget, Type extends keyof EventsOf<Target> & string>(
    target: Target,
    type: Type,
    handler: (event: EventsOf<Target>[Type]) => void,
    options?: AddEventListenerOptions,
  ): Disposer {
    const listener = handler as (event: Event) => void;
    target.addEventListener(type, listener, options);
    return this.own(() => target.removeEventListener(type, listener, options));
  }

  /** Call back once after `milliseconds`. */
  timeout(milliseconds: number, callback: () => void): Disposer {
    const id = setTimeout(() => {
      release();
      callback();
    }, milliseconds);
    const release = this.own(() => clearTimeout(id));
    return release;
  }

  dispose(): void {
    this.#disposed = true;
    // Last in, first out: what was built on something goes before it.
    for (const dispose of [...this.#disposers].reverse()) dispose();
  }
}

/**
 * One animation frame after another while the callback asks for more; none at all in between.
 * A hidden tab gets no frames from the browser, so nothing is drawn there either.
 */
export class FrameLoop {
  readonly #draw: (nowMs: number) => boolean;
  #request: number | null = null;
  #disposed = false;

  constructor(scope: Scope, draw: (nowMs: number) => boolean) {
    this.#draw = draw;
    scope.own(() => {
      this.#disposed = true;
      if (this.#request !== null) cancelAnimationFrame(this.#request);
      this.#request = null;
    });
  }

  /** Draw at the next frame, and go on as long as drawing asks for it. */
  wake(): void {
    if (this.#disposed || this.#request !== null) return;
    this.#request = requestAnimationFrame((nowMs) => {
      this.#request = null;
      if (this.#draw(nowMs)) this.wake();
    });
  }
}
