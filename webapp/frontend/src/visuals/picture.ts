import { FlashLimiter } from "./flash-limiter";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualOptions } from "./visual";

/**
 * A visual as people may see it: nothing in it flashes three times a second, whatever the music does.
 *
 * @param now seconds on a clock that never steps back: the viewer's, or a recording's
 * @throws WebGlUnavailableError when the browser gives no WebGL 2 context
 */
export function createPicture(
  definition: VisualDefinition,
  options: VisualOptions,
  now: () => number,
): Visual {
  const scope = new ResourceScope();
  const visual = scope.own(definition.create(options));
  const limiter = scope.own(new FlashLimiter(rendererFor(options.canvas)));
  scope.listen(options.canvas, "webglcontextrestored", () => limiter.reset());
  return {
    resize: (width, height, pixelRatio) => visual.resize(width, height, pixelRatio),
    render(frame) {
      visual.render(frame);
      limiter.limit(now());
    },
    dispose: () => scope.dispose(),
  };
}
