import { effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import { Scope, type Disposer } from "../player/scope";
import { isContextLost } from "../visuals/renderer";
import { WebGlUnavailableError, type Visual } from "../visuals/visual";
import type { NoticeAction } from "./notices";
import { onPixelRatio } from "./pixel-ratio";
import type { Playground } from "./playground";

/** No screen shows more than this many pixels to advantage, and many GPUs cannot fill more. */
const MAX_PIXELS = 3840 * 2160;
const MAX_PIXEL_RATIO = 2;
/** A driver that restarts is back after a second or two. */
const CONTEXT_RETURNS_MS = 5000;

/** The pixel ratio at which a picture of that size stays affordable. */
export function affordablePixelRatio(width: number, height: number, devicePixelRatio: number): number {
  const affordable = Math.sqrt(MAX_PIXELS / Math.max(1, width * height));
  return Math.min(devicePixelRatio, MAX_PIXEL_RATIO, affordable);
}

interface StageOptions {
  readonly playground: Playground;
  readonly canvas: HTMLCanvasElement;
  /** Ask for a new canvas: this one's graphics context is lost for good. Null when there shall be no other. */
  readonly renew: (() => void) | null;
}

/** The canvas and the visual that draws on it. What fails leaves the page to the music and the meters. */
export class Stage {
  readonly #scope = new Scope();
  readonly #playground: Playground;
  readonly #canvas: HTMLCanvasElement;
  readonly #renew: StageOptions["renew"];
  readonly #available = signal(true);
  #make: ReturnType<Playground["pictureMaker"]> | null = null;
  #visual: Visual | null = null;
  /** What the visual was last fitted to: width, height, pixel ratio. */
  #fitted: readonly number[] = [];
  #notice: number | null = null;

  constructor({ playground, canvas, renew }: StageOptions) {
    this.#playground = playground;
    this.#canvas = canvas;
    this.#renew = renew;
    const scope = this.#scope;
    scope.own(
      effect(() => {
        this.#make = playground.pictureMaker();
        untracked(() => this.#build());
      }),
    );
    scope.own(playground.onFrame(() => this.#render()));
    const observer = new ResizeObserver(() => playground.redraw());
    observer.observe(canvas);
    scope.own(() => observer.disconnect());
    onPixelRatio(scope, () => playground.redraw());
    scope.own(() => {
      this.#drop();
      this.#unsay();
    });
    this.#keepContext();
  }

  /** False where nothing can be drawn: then the meters are the picture. */
  get available(): ReadonlySignal<boolean> {
    return this.#available;
  }

  dispose(): void {
    this.#scope.dispose();
  }

  #build(): void {
    this.#drop();
    this.#unsay();
    try {
      this.#visual = this.#make?.(this.#canvas, nowSeconds) ?? null;
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#available.value = true;
    this.#fitted = [];
    this.#playground.redraw();
  }

  #drop(): void {
    const visual = this.#visual;
    this.#visual = null;
    try {
      visual?.dispose();
    } catch (error) {
      reportError(error); // the next one does not depend on it
    }
  }

  #render(): void {
    try {
      this.#fit();
      this.#visual?.render(this.#playground.frame);
    } catch (error) {
      this.#drop();
      this.#fail(error);
    }
  }

  /** A new size empties the canvas, so it is given right before something is drawn. */
  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || height === 0) return;
    const size = [width, height, affordablePixelRatio(width, height, devicePixelRatio)] as const;
    if (size.every((value, i) => value === this.#fitted[i])) return;
    this.#fitted = size;
    this.#visual?.resize(...size);
  }

  #fail(error: unknown): void {
    if (isContextLost(this.#canvas)) return; // it is built again when the context is back
    if (error instanceof WebGlUnavailableError) {
      this.#giveUp(error.message, { label: "Reload the page", run: () => location.reload() });
      return;
    }
    reportError(error); // for the browser's console
    const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    const { title } = this.#playground.choices.visual.peek();
    this.#giveUp(`The picture “${title}” failed (${why}). Choose another picture.`, {
      label: "Try again",
      run: () => this.#build(),
    });
  }

  #giveUp(why: string, action: NoticeAction): void {
    this.#available.value = false;
    this.#unsay();
    const words = `${why} The music plays, and the ten meters show what it does.`;
    this.#notice = this.#playground.notices.show("error", words, action, true);
  }

  #unsay(): void {
    if (this.#notice !== null) this.#playground.notices.dismiss(this.#notice);
    this.#notice = null;
  }

  /** A driver that restarts takes the context away and gives it back empty: build the visual anew. */
  #keepContext(): void {
    let stopWaiting: Disposer | null = null;
    this.#scope.listen(this.#canvas, "webglcontextlost", (event) => {
      event.preventDefault();
      stopWaiting?.();
      stopWaiting = this.#scope.timeout(CONTEXT_RETURNS_MS, () => {
        if (this.#renew) this.#renew();
        else
          this.#giveUp("The graphics driver stopped and has not recovered. Reload the page.", {
            label: "Reload the page",
            run: () => location.reload(),
          });
      });
    });
    this.#scope.listen(this.#canvas, "webglcontextrestored", () => {
      stopWaiting?.();
      this.#build();
    });
  }
}

function nowSeconds(): number {
  return performance.now() / 1000;
}
