import { WebGLRenderer } from "three";
import { WebGlUnavailableError } from "./visual";

/**
 * One context and one renderer for a canvas's whole life. A canvas never gives a second WebGL context, and losing the
 * first on purpose would make the canvas useless; so visuals that follow each other on a canvas share the renderer and
 * free only what they created themselves. The renderer goes when the canvas goes.
 */
const renderers = new WeakMap<HTMLCanvasElement, WebGLRenderer>();
const shaderFailures = new WeakMap<WebGLRenderer, string>();

/** No buffers that the visuals don't use: they smooth their own edges and paint from back to front. */
const CONTEXT_ATTRIBUTES: WebGLContextAttributes = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  powerPreference: "high-performance",
};

/** @throws WebGlUnavailableError when the browser gives no WebGL 2 context */
export function rendererFor(canvas: HTMLCanvasElement): WebGLRenderer {
  const known = renderers.get(canvas);
  if (known !== undefined) return known;
  const context = canvas.getContext("webgl2", CONTEXT_ATTRIBUTES);
  if (context === null) throw new WebGlUnavailableError();
  const renderer = new WebGLRenderer({ canvas, context });
  renderer.autoClear = false; // every visual covers the whole picture
  renderer.debug.onShaderError = (gl, _program, vertexShader, fragmentShader) => {
    if (gl.isContextLost()) return;
    const logs = [vertexShader, fragmentShader].map((shader) => gl.getShaderInfoLog(shader)?.trim());
    shaderFailures.set(renderer, logs.filter(Boolean).join("; ") || "its parts do not fit together");
  };
  renderers.set(canvas, renderer);
  return renderer;
}

/** Whether the driver has taken the canvas's context away: what fails then is nobody's fault. */
export function isContextLost(canvas: HTMLCanvasElement): boolean {
  return canvas.getContext("webgl2", CONTEXT_ATTRIBUTES)?.isContextLost() ?? false;
}

/**
 * What the driver said of shaders that it did not take since the last call; null when it took all.
 *
 * Kept until asked for: three.js is in the midst of drawing when it hears of it, and must not be left then.
 */
export function takeShaderFailure(renderer: WebGLRenderer): string | null {
  const failure = shaderFailures.get(renderer) ?? null;
  shaderFailures.delete(renderer);
  return failure;
}
