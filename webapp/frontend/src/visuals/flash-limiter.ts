import { WebGLRenderTarget, type WebGLRenderer } from "three";
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
 * The state has three blocks of cells above one another. The first two watch light and saturated red, per cell: R the
 * least it has been since it last fell, G the most since it last rose (0: it has fallen), B the credit for rising, A the
 * share of it that passes. The third is laid over the picture: its alpha scales what is there, its colour is added.
 *
 * Light is relative luminance (linear). Red is what red has more than green and blue together, where it is four fifths of
 * the three or more: WCAG's measure of a red flash. All are in [0, 1].
 */
const WATCH_SHADER = /* glsl */ `${HEADER}
#define POINTS ${POINTS}
#define ROWS ${ROWS}
// WCAG counts changes of a tenth of the greatest luminance, and of red by 20 / 320; what is held back stays below that.
const vec2 LIGHT = vec2(0.1, 0.07);
const vec2 RED = vec2(0.0625, 0.04);
// Credit for one rise, earned back in 1 / 1.9 s: no second holds more than two rises, so never three flashes.
#define CREDIT_PER_SECOND 1.9

uniform sampler2D uPicture;
uniform sampler2D uBefore;
uniform float uStepSeconds;
uniform float uFirst; // 1 for the first frame, which nothing came before
out vec4 outState;

vec3 decoded(vec3 encoded) {
  return mix(pow((encoded + 0.055) / 1.055, vec3(2.4)), encoded / 12.92, lessThanEqual(encoded, vec3(0.04045)));
}

float luminance(vec3 linear) {
  return dot(linear, vec3(0.2126, 0.7152, 0.0722));
}

float excessOfRed(vec3 linear) {
  return max(0.0, linear.r - linear.g - linear.b);
}

float saturation(vec3 linear) {
  // A hue that wanders across the limit is no flash: what is nearly saturated counts in part.
  return clamp(10.0 * linear.r / max(1e-5, linear.r + linear.g + linear.b) - 7.0, 0.0, 1.0);
}

vec3 pointOf(ivec2 cell, int index) {
  return texelFetch(uPicture, cell * POINTS + ivec2(index % POINTS, index / POINTS), 0).rgb;
}

/** Light and red of a cell of which a share is kept, with grey added. */
vec2 lightAndRed(ivec2 cell, float kept, float grey) {
  vec2 sum = vec2(0.0);
  for (int i = 0; i < POINTS * POINTS; i++) {
    vec3 encoded = pointOf(cell, i);
    vec3 linear = decoded(kept * encoded + grey);
    sum += vec2(luminance(linear), saturation(decoded(encoded)) * excessOfRed(linear));
  }
  return sum / float(POINTS * POINTS);
}

/** The grey to be added to a share of a cell so that it stays as bright as it is. */
float greyFor(ivec2 cell, float kept, float light) {
  float grey = (1.0 - kept) * pow(light, 1.0 / 2.2);
  for (int i = 0; i < 2; i++) { // Newton's method; 2.2 is about the slope of what is decoded
    float now = lightAndRed(cell, kept, grey).x;
    grey = max(0.0, grey + (light - now) / (2.2 * pow(max(now, 1e-3), 1.2 / 2.2)));
  }
  return grey;
}

/** What to lay over a cell so that it is as bright and has no more red than that: grey, and the share that is kept. */
vec2 greyed(ivec2 cell, float light, float most) {
  vec2 result = vec2(pow(light, 1.0 / 2.2), 0.0);
  for (float step = 0.5; step > 0.005; step *= 0.5) {
    float kept = result.y + step;
    float grey = greyFor(cell, kept, light);
    if (lightAndRed(cell, kept, grey).y <= most) result = vec2(grey, kept);
  }
  return result;
}

/** What was known of a value, and what it is now; x of limits is what counts as a change, y what may be seen of more. */
vec4 watch(vec4 before, float now, vec2 limits) {
  float low = before.r;
  float high = before.g;
  float credit = min(1.0, before.b + floor(uStepSeconds * CREDIT_PER_SECOND * 255.0) / 255.0);
  float share = 1.0;
  if (uFirst > 0.5) {
    low = now;
    high = max(now, 1.0 / 255.0);
    credit = 1.0;
  } else if (high > 0.0) { // it may rise further, or fall
    high = max(high, now);
    if (now < high - limits.x) {
      low = now;
      high = 0.0;
    }
  } else {
    low = min(low, now);
    if (now > low + limits.y) {
      if (credit >= 1.0) {
        credit = 0.0;
        high = now;
      } else {
        share = (low + limits.y) / now;
      }
    }
  }
  return vec4(low, high, credit, share);
}

void main() {
  ivec2 cell = ivec2(gl_FragCoord.xy);
  int block = cell.y / ROWS;
  cell.y -= block * ROWS;
  vec2 now = lightAndRed(cell, 1.0, 0.0);
  vec4 lightState = watch(texelFetch(uBefore, cell, 0), now.x, LIGHT);
  // Light that is held back takes red along.
  vec4 redState = watch(texelFetch(uBefore, cell + ivec2(0, ROWS), 0), now.y * lightState.a, RED);
  if (block == 0) outState = lightState;
  if (block == 1) outState = redState;
  if (block == 2) {
    // Red is replaced by grey as bright: to darken it would be a flash of its own.
    vec2 over = redState.a < 1.0 ? greyed(cell, now.x, now.y * redState.a) : vec2(0.0, 1.0);
    outState = pow(lightState.a, 1.0 / 2.2) * over.xxxy; // the picture is encoded
  }
}`;

/** The third block of the state; cells merge at their borders. */
const HOLD_SHADER = /* glsl */ `${HEADER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uState;

void main() {
  vec2 cells = vec2(${COLUMNS}, ${ROWS});
  vec2 place = (vClip * 0.5 + 0.5) * cells - 0.5;
  // Steep: little of a cell that is held may shine through from its neighbours.
  place = floor(place) + smoothstep(0.35, 0.65, fract(place));
  place = clamp(place, vec2(0.0), cells - 1.0) + 0.5 + vec2(0.0, 2.0 * cells.y);
  outColor = texture(uState, place / (cells * vec2(1.0, 3.0)));
}`;

/**
 * Holds the picture's luminance, and its saturated red, below three flashes in a second, whatever a visual or music does:
 * where a part of it would brighten again too soon after it darkened, it stays dark until its credit is back, and where
 * it would redden, grey. Everything stays on the GPU, so that no frame waits for a reading.
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
      this.#scope.own(new WebGLRenderTarget(width, height, { depthBuffer: false, generateMipmaps: false }));
    this.#points = target(COLUMNS * POINTS, ROWS * POINTS);
    this.#state = target(COLUMNS, 3 * ROWS);
    this.#before = target(COLUMNS, 3 * ROWS);
    this.#uniforms = {
      uPicture: { value: this.#points.texture },
      uBefore: { value: this.#before.texture },
      uState: { value: this.#state.texture },
      uStepSeconds: { value: 0 },
      uFirst: { value: 1 },
    };
    this.#watch = fullScreenPass(this.#scope, WATCH_SHADER, this.#uniforms);
    this.#hold = fullScreenPass(this.#scope, HOLD_SHADER, this.#uniforms, "under");
  }

  /**
   * Look at the picture on the canvas, and darken or grey what must not flash.
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
