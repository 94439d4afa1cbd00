import { NearestFilter, WebGLRenderTarget, type WebGLRenderer } from "three";
import { fullScreenPass } from "./pass";
import { ResourceScope } from "./scope";
import { HEADER } from "./shader-chunks";

/**
 * Cells of the picture that are watched, each 2.5 % of it: WCAG 2.2 ("general flash threshold") allows what flashes in
 * less than a quarter of any ten degrees of view, 2.8 % of a screen at its usual distance.
 */
const COLUMNS = 8;
const ROWS = 5;
/** The picture is looked at through so many points in each direction of a cell. */
const POINTS = 12;

/** Longer pauses between frames count as this. */
const LONGEST_STEP_SECONDS = 1;

/**
 * Per cell: R the darkest it has been since it last fell, G the brightest since it last rose (0: it has fallen), B the
 * credit for rising, A the share of its light that passes. Luminance is relative (linear light), all in [0, 1].
 */
const WATCH_SHADER = /* glsl */ `${HEADER}
#define POINTS ${POINTS}
// WCAG counts changes of a tenth of the greatest luminance; what is held back stays a little below that.
#define CHANGE 0.1
#define HELD_BELOW 0.07
// Credit for one rise, earned back in 1 / 1.9 s: no second holds more than two rises, so never three flashes.
#define CREDIT_PER_SECOND 1.9

uniform sampler2D uPicture;
uniform sampler2D uBefore;
uniform float uStepSeconds;
uniform float uFirst; // 1 for the first frame, which nothing came before
out vec4 outState;

float luminance(vec3 encoded) {
  vec3 linear = mix(pow((encoded + 0.055) / 1.055, vec3(2.4)), encoded / 12.92, lessThanEqual(encoded, vec3(0.04045)));
  return dot(linear, vec3(0.2126, 0.7152, 0.0722));
}

void main() {
  ivec2 cell = ivec2(gl_FragCoord.xy);
  float light = 0.0;
  for (int y = 0; y < POINTS; y++) {
    for (int x = 0; x < POINTS; x++) {
      light += luminance(texelFetch(uPicture, cell * POINTS + ivec2(x, y), 0).rgb);
    }
  }
  light /= float(POINTS * POINTS);

  vec4 before = texelFetch(uBefore, cell, 0);
  float low = before.r;
  float high = before.g;
  float credit = min(1.0, before.b + floor(uStepSeconds * CREDIT_PER_SECOND * 255.0) / 255.0);
  float share = 1.0;
  if (uFirst > 0.5) {
    low = light;
    high = max(light, 1.0 / 255.0);
    credit = 1.0;
  } else if (high > 0.0) { // it may rise further, or fall
    high = max(high, light);
    if (light < high - CHANGE) {
      low = light;
      high = 0.0;
    }
  } else {
    low = min(low, light);
    if (light > low + HELD_BELOW) {
      if (credit >= 1.0) {
        credit = 0.0;
        high = light;
      } else {
        share = (low + HELD_BELOW) / light;
      }
    }
  }
  outState = vec4(low, high, credit, share);
}`;

/** What multiplies the picture: each cell's share of light, without seams between cells. */
const HOLD_SHADER = /* glsl */ `${HEADER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uState;

float shareOf(ivec2 cell) {
  return texelFetch(uState, clamp(cell, ivec2(0), ivec2(${COLUMNS - 1}, ${ROWS - 1})), 0).a;
}

void main() {
  vec2 place = (vClip * 0.5 + 0.5) * vec2(${COLUMNS}, ${ROWS}) - 0.5;
  ivec2 cell = ivec2(floor(place));
  vec2 f = smoothstep(0.0, 1.0, place - vec2(cell));
  float share = mix(
    mix(shareOf(cell), shareOf(cell + ivec2(1, 0)), f.x),
    mix(shareOf(cell + ivec2(0, 1)), shareOf(cell + ivec2(1, 1)), f.x),
    f.y
  );
  outColor = vec4(vec3(pow(share, 1.0 / 2.2)), 1.0); // the picture is encoded
}`;

/**
 * Holds the picture's luminance below three flashes in a second, whatever a visual or music does: where a part of it
 * would brighten again too soon after it darkened, it stays dark until its credit is back. Everything stays on the GPU,
 * so that no frame waits for a reading.
 */
export class FlashLimiter {
  readonly #scope = new ResourceScope();
  readonly #renderer: WebGLRenderer;
  /** The picture, made small. */
  readonly #points: WebGLRenderTarget;
  #state: WebGLRenderTarget;
  #before: WebGLRenderTarget;
  #lastSeconds: number | null = null;
  readonly #uniforms;
  readonly #watch;
  readonly #hold;

  constructor(renderer: WebGLRenderer) {
    this.#renderer = renderer;
    const target = (width: number, height: number) =>
      this.#scope.own(
        new WebGLRenderTarget(width, height, {
          depthBuffer: false,
          generateMipmaps: false,
          minFilter: NearestFilter,
          magFilter: NearestFilter,
        }),
      );
    this.#points = target(COLUMNS * POINTS, ROWS * POINTS);
    this.#state = target(COLUMNS, ROWS);
    this.#before = target(COLUMNS, ROWS);
    this.#uniforms = {
      uPicture: { value: this.#points.texture },
      uBefore: { value: this.#before.texture },
      uState: { value: this.#state.texture },
      uStepSeconds: { value: 0 },
      uFirst: { value: 1 },
    };
    this.#watch = fullScreenPass(this.#scope, WATCH_SHADER, this.#uniforms);
    this.#hold = fullScreenPass(this.#scope, HOLD_SHADER, this.#uniforms, "filter");
  }

  /**
   * Look at the picture on the canvas, and darken what must not flash.
   *
   * @param nowSeconds when it is seen, on a clock that never steps back
   */
  limit(nowSeconds: number): void {
    const uniforms = this.#uniforms;
    const last = this.#lastSeconds;
    uniforms.uFirst.value = last === null ? 1 : 0;
    uniforms.uStepSeconds.value =
      last === null ? 0 : Math.min(LONGEST_STEP_SECONDS, Math.max(0, nowSeconds - last));
    this.#lastSeconds = nowSeconds;
    [this.#state, this.#before] = [this.#before, this.#state];
    uniforms.uBefore.value = this.#before.texture;
    uniforms.uState.value = this.#state.texture;
    this.#shrink();
    this.#watch.render(this.#renderer, this.#state);
    this.#hold.render(this.#renderer, null);
  }

  /** Begin anew, as before the first picture: what was known is gone with the browser's graphics memory. */
  reset(): void {
    this.#lastSeconds = null;
  }

  dispose(): void {
    this.#scope.dispose();
  }

  /** Canvas -> `#points`, without a pass of shaders over a texture of the canvas's size. */
  #shrink(): void {
    const renderer = this.#renderer;
    const gl = renderer.getContext() as WebGL2RenderingContext;
    const { drawingBufferWidth, drawingBufferHeight } = gl;
    const { width, height } = this.#points;
    renderer.setRenderTarget(this.#points); // to be drawn into ...
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null); // ... from the canvas
    gl.blitFramebuffer(
      0,
      0,
      drawingBufferWidth,
      drawingBufferHeight,
      0,
      0,
      width,
      height,
      gl.COLOR_BUFFER_BIT,
      gl.LINEAR,
    );
    renderer.setRenderTarget(null);
  }
}
