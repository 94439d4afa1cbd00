import { effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import type { Scope } from "../player/scope";
import { WebGlUnavailableError, type Visual, type VisualFrame } from "../visuals/visual";
import type { Playground } from "./playground";

/** No screen shows more than this many pixels to advantage, and many GPUs cannot fill more. */
const MAX_PIXELS = 3840 * 2160;
const MAX_PIXEL_RATIO = 2;

/** The pixel ratio at which a picture of that size stays affordable. */
export function affordablePixelRatio(width: number, height: number, devicePixelRatio: number): number {
  const affordable = Math.sqrt(MAX_PIXELS / Math.max(1, width * height));
  return Math.min(devicePixelRatio, MAX_PIXEL_RATIO, affordable);
}

/** The canvas and the visual that draws on it. */
export class Stage {
  readonly #scope: Scope;
  readonly #playground: Playground;
  readonly #canvas: HTMLCanvasElement;
  readonly #available = signal(true);
  #make: ReturnType<Playground["pictureMaker"]> | null = null;
  #visual: Visual | null = null;

  constructor(scope: Scope, playground: Playground, canvas: HTMLCanvasElement) {
    this.#scope = scope;
    this.#playground = playground;
    this.#canvas = canvas;
    scope.own(
      effect(() => {
        this.#make = playground.pictureMaker();
        untracked(() => this.#build());
      }),
    );
    scope.own(playground.onFrame((frame) => this.#render(frame)));
    const observer = new ResizeObserver(() => this.#fit());
    observer.observe(canvas);
    scope.own(() => observer.disconnect());
    scope.own(() => this.#visual?.dispose());
    this.#keepContext();
  }

  /** False where the browser gives no WebGL 2: then the meters are the picture. */
  get available(): ReadonlySignal<boolean> {
    return this.#available;
  }

  #build(): void {
    this.#visual?.dispose();
    this.#visual = null;
    try {
      this.#visual = this.#make?.(this.#canvas, nowSeconds) ?? null;
      this.#available.value = true;
      this.#fit();
    } catch (error) {
      this.#available.value = false;
      const why = error instanceof WebGlUnavailableError ? error.message : "The picture could not be set up.";
      this.#playground.notices.show("error", `${why} The music plays, and the ten meters show what it does.`);
    }
  }

  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || height === 0) return;
    this.#visual?.resize(width, height, affordablePixelRatio(width, height, devicePixelRatio));
    this.#playground.redraw();
  }

  #render(frame: VisualFrame): void {
    this.#visual?.render(frame);
  }

  /** A driver that restarts takes the context away and gives it back empty: build the visual anew. */
  #keepContext(): void {
    this.#scope.listen(this.#canvas, "webglcontextlost", (event) => event.preventDefault());
    this.#scope.listen(this.#canvas, "webglcontextrestored", () => this.#build());
  }
}

function nowSeconds(): number {
  return performance.now() / 1000;
}
