import { Vector2, type Texture, type WebGLRenderer, type WebGLRenderTarget } from "three";
import { fullScreenPass, type Pass } from "./pass";
import { lightTarget } from "./scene-pass";
import type { ResourceScope } from "./scope";
import { HEADER } from "./shader-chunks";

/** The sizes at which light is spread: one pixel for this many of the picture, in each direction. */
const SCALES = [4, 8, 16, 32] as const;

/** Each size takes the mean of the finer one: four reads between pixels cover sixteen of them. */
const GATHER_SHADER = /* glsl */ `${HEADER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uFrom;
uniform vec2 uStep; // a pixel of uFrom
void main() {
  vec2 p = vClip * 0.5 + 0.5;
  outColor = 0.25 * (texture(uFrom, p + uStep) + texture(uFrom, p - uStep)
    + texture(uFrom, p + uStep * vec2(1.0, -1.0)) + texture(uFrom, p - uStep * vec2(1.0, -1.0)));
}`;

/** And on the way back every size is laid over the blurred coarser ones. */
const SPREAD_SHADER = /* glsl */ `${HEADER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uFrom; // coarser
uniform sampler2D uOwn;
uniform vec2 uStep;      // a pixel of uFrom
void main() {
  vec2 p = vClip * 0.5 + 0.5;
  vec2 aside = 0.75 * uStep;
  vec4 blurred = 0.25 * (texture(uFrom, p + aside) + texture(uFrom, p - aside)
    + texture(uFrom, p + aside * vec2(1.0, -1.0)) + texture(uFrom, p - aside * vec2(1.0, -1.0)));
  outColor = mix(texture(uOwn, p), blurred, 0.62);
}`;

/** What bright things throw around themselves in lens and eye: their light, spread near and far. */
export class Glow {
  readonly #gathered: WebGLRenderTarget[];
  readonly #spread: WebGLRenderTarget[];
  readonly #passes: { readonly pass: Pass; readonly target: WebGLRenderTarget; readonly step: Vector2 }[] =
    [];

  constructor(scope: ResourceScope, source: Texture) {
    this.#gathered = SCALES.map(() => lightTarget(scope));
    this.#spread = SCALES.slice(1).map(() => lightTarget(scope));
    let from = source;
    for (const target of this.#gathered) {
      const step = new Vector2();
      const pass = fullScreenPass(scope, GATHER_SHADER, { uFrom: { value: from }, uStep: { value: step } });
      this.#passes.push({ pass, target, step });
      from = target.texture;
    }
    for (let size = this.#spread.length - 1; size >= 0; size--) {
      const [target, own] = [this.#spread[size], this.#gathered[size]];
      if (target === undefined || own === undefined) continue;
      const step = new Vector2();
      const pass = fullScreenPass(scope, SPREAD_SHADER, {
        uFrom: { value: from },
        uOwn: { value: own.texture },
        uStep: { value: step },
      });
      this.#passes.push({ pass, target, step });
      from = target.texture;
    }
    this.texture = from;
  }

  /** The light, a quarter of the picture in size. */
  readonly texture: Texture;

  /** Fit a picture of so many pixels. */
  resize(width: number, height: number): void {
    const scaled = (scale: number): [number, number] => [
      Math.max(1, Math.ceil(width / scale)),
      Math.max(1, Math.ceil(height / scale)),
    ];
    SCALES.forEach((scale, size) => {
      this.#gathered[size]?.setSize(...scaled(scale));
      this.#spread[size]?.setSize(...scaled(scale));
    });
    let [fromWidth, fromHeight] = [width, height];
    for (const { target, step } of this.#passes) {
      step.set(1 / fromWidth, 1 / fromHeight);
      [fromWidth, fromHeight] = [target.width, target.height];
    }
  }

  render(renderer: WebGLRenderer): void {
    for (const { pass, target } of this.#passes) pass.render(renderer, target);
  }
}
