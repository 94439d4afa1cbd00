import {
  LinearMipmapLinearFilter,
  Matrix3,
  WebGLCubeRenderTarget,
  type CubeTexture,
  type WebGLRenderer,
} from "three";
import { fullScreenPass, type Uniforms } from "./pass";
import { ResourceScope } from "./scope";
import { HEADER } from "./shader-chunks";

/**
 * The sides of a cube map, in the order of OpenGL. Each row of three is a column of the matrix that turns a side's
 * (s, t, 1), s and t in [-1, 1], into a direction in space.
 */
const SIDES: readonly (readonly number[])[] = [
  [0, 0, -1, 0, -1, 0, 1, 0, 0],
  [0, 0, 1, 0, -1, 0, -1, 0, 0],
  [1, 0, 0, 0, 0, 1, 0, 1, 0],
  [1, 0, 0, 0, 0, -1, 0, -1, 0],
  [1, 0, 0, 0, -1, 0, 0, 0, 1],
  [-1, 0, 0, 0, -1, 0, 0, 0, -1],
];

/**
 * A texture over all directions, without the poles of a map and without seams: drawn once on the GPU by a shader.
 */
export class CubeTextureBaker {
  readonly #target: WebGLCubeRenderTarget;

  /** @param shaderBody GLSL that defines `vec4 texel(vec3 direction)`, results in [0, 1] */
  constructor(
    scope: ResourceScope,
    size: number,
    private readonly shaderBody: string,
    private readonly uniforms: Uniforms,
  ) {
    this.#target = scope.own(
      new WebGLCubeRenderTarget(size, { depthBuffer: false, minFilter: LinearMipmapLinearFilter }),
    );
  }

  get texture(): CubeTexture {
    return this.#target.texture;
  }

  /** Draw the texture; again if the browser took the GPU's memory away. */
  bake(renderer: WebGLRenderer): void {
    const scope = new ResourceScope();
    const side = new Matrix3();
    const shader = `${HEADER}${this.shaderBody}
      in vec2 vClip;
      out vec4 outColor;
      uniform mat3 uSide;
      void main() {
        outColor = texel(normalize(uSide * vec3(vClip, 1.0)));
      }`;
    const pass = fullScreenPass(scope, shader, { ...this.uniforms, uSide: { value: side } });
    SIDES.forEach((columns, index) => {
      side.fromArray(columns);
      this.texture.generateMipmaps = index === SIDES.length - 1; // once, when all sides are there
      pass.render(renderer, this.#target, index);
    });
    scope.dispose();
  }
}
