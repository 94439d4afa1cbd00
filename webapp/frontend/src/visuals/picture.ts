import { calmFrame } from "./calm";
import { FlashLimiter } from "./flash-limiter";
import { takeShaderFailure, rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualOptions } from "./visual";

export interface PictureOptions extends VisualOptions {
  /** Move less (`prefers-reduced-motion`). */
  readonly calm: boolean;
}

/**
 * A visual as people may see it: neither its light nor saturated red flashes three times a second, whatever the music
 * does, and what the driver refuses to draw is an error.
 *
 * @param now seconds on a clock that never steps back: the viewer's, or a recording's
 * @throws WebGlUnavailableError when the browser gives no WebGL 2 context
 */
export function createPicture(
  definition: VisualDefinition,
  options: PictureOptions,
  now: () => number,
): Visual {
  const scope = new ResourceScope();
  const renderer = rendererFor(options.canvas);
  takeShaderFailure(renderer); // of a picture that was here before
  const visual = scope.own(definition.create(options));
  const limiter = scope.own(new FlashLimiter(renderer));
  scope.listen(options.canvas, "webglcontextrestored", () => limiter.reset());
  return {
    resize: (width, height, pixelRatio) => visual.resize(width, height, pixelRatio),
    render(frame) {
      visual.render(options.calm ? calmFrame(frame) : frame);
      limiter.limit(now());
      const failure = takeShaderFailure(renderer);
      if (failure !== null) throw new Error(`The graphics driver rejected a shader: ${failure}`);
    },
    dispose: () => scope.dispose(),
  };
}
