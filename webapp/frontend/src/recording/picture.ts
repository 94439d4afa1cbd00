import { isContextLost, rendererFor } from "../visuals/renderer";
import { WebGlUnavailableError, type Visual, type VisualFrame } from "../visuals/visual";
import { RecordingError } from "./error";
import type { PictureSize } from "./plan";

/**
 * Make the visual that is to be recorded.
 *
 * @param canvas its own, on no page
 * @param now which moment is drawn, in seconds: a clock that goes as the recording does, not as the viewer's
 */
export type CreateVisual = (canvas: HTMLCanvasElement, now: () => number) => Visual;

/** A visual on a canvas of its own and of a size of its own. */
export class OffscreenPicture {
  readonly canvas: HTMLCanvasElement;
  readonly #visual: Visual;
  readonly #size: PictureSize;
  #nowSeconds = 0;

  /**
   * @throws WebGlUnavailableError when the browser gives no WebGL 2 context
   * @throws RecordingError when it gives none of that size, or the visual fails
   */
  constructor(create: CreateVisual, size: PictureSize) {
    this.#size = size;
    this.canvas = document.createElement("canvas");
    try {
      this.#visual = this.#orFailure(() => create(this.canvas, () => this.#nowSeconds));
    } catch (error) {
      this.#freeContext();
      throw error;
    }
    try {
      this.#orFailure(() => this.#visual.resize(size.width, size.height, 1));
      this.#check();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Draw a frame; it stays on the canvas until the task ends.
   *
   * @throws RecordingError when it cannot be drawn
   */
  draw(frame: VisualFrame): void {
    this.#nowSeconds = frame.timeSeconds;
    this.#orFailure(() => this.#visual.render(frame));
    this.#check();
  }

  dispose(): void {
    this.#visual.dispose();
    this.#freeContext();
  }

  #check(): void {
    const { width, height } = this.#size;
    if (isContextLost(this.canvas)) throw graphicsStopped();
    const gl = this.canvas.getContext("webgl2");
    // A browser that lacks the memory gives a smaller buffer and says nothing.
    if (gl && (gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height)) {
      throw new RecordingError(
        "too-large",
        `This device cannot draw ${width} x ${height} pixels. Choose a smaller picture.`,
      );
    }
  }

  /** Browsers keep a few contexts only and take the oldest, which is the page's own, when there are too many. */
  #freeContext(): void {
    const gl = this.canvas.getContext("webgl2");
    if (!gl) return;
    rendererFor(this.canvas).dispose();
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** What fails in a visual is neither the encoder's fault nor mended by a smaller picture. */
  #orFailure<T>(draw: () => T): T {
    try {
      return draw();
    } catch (error) {
      if (error instanceof WebGlUnavailableError) throw error;
      if (isContextLost(this.canvas)) throw graphicsStopped({ cause: error });
      const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
      throw new RecordingError("picture", `The picture failed (${why}). Choose another picture.`, {
        cause: error,
      });
    }
  }
}

function graphicsStopped(options?: ErrorOptions): RecordingError {
  return new RecordingError(
    "no-graphics",
    "The graphics driver stopped while recording. Close other pages that draw, or choose a smaller picture.",
    options,
  );
}
