import {
  Camera,
  CustomBlending,
  DoubleSide,
  GLSL3,
  Mesh,
  NoBlending,
  OneFactor,
  OneMinusSrcAlphaFactor,
  Points,
  RawShaderMaterial,
  Scene,
  SRGBColorSpace,
  WebGLRenderTarget,
  type BufferGeometry,
  type WebGLRenderer,
} from "three";
import type { Uniforms } from "./pass";
import type { ResourceScope } from "./scope";

/** Something in a scene: a geometry and the shaders that place and paint it. */
export interface Thing {
  readonly geometry: BufferGeometry;
  readonly vertexShader: string;
  readonly fragmentShader: string;
  readonly uniforms: Uniforms;
  /** Solid things hide what is behind them; veils are laid over it, premultiplied: with alpha 0 they add light. */
  readonly matter: "solid" | "veil";
  /** Draw the geometry's corners as squares of `gl_PointSize`, and not its triangles. */
  readonly points?: boolean;
}

/** Things that are drawn together, in the order given, into a `lightTarget`. */
export class ScenePass {
  readonly #scene = new Scene();
  readonly #camera = new Camera(); // three.js wants one; the shaders place everything themselves

  constructor(scope: ResourceScope, things: readonly Thing[]) {
    things.forEach(({ geometry, matter, points, ...shaders }, index) => {
      const solid = matter === "solid";
      const material = new RawShaderMaterial({
        ...shaders,
        glslVersion: GLSL3,
        transparent: true, // three.js would draw all others first
        depthWrite: solid,
        side: DoubleSide,
        ...(solid
          ? { blending: NoBlending }
          : { blending: CustomBlending, blendSrc: OneFactor, blendDst: OneMinusSrcAlphaFactor }),
      });
      scope.own(geometry);
      scope.own(material);
      const object = points === true ? new Points(geometry, material) : new Mesh(geometry, material);
      object.frustumCulled = false;
      object.renderOrder = index;
      this.#scene.add(object);
    });
    this.#scene.matrixWorldAutoUpdate = false;
  }

  /** What the target held before is gone. */
  render(renderer: WebGLRenderer, target: WebGLRenderTarget): void {
    const alpha = renderer.getClearAlpha(); // the renderer is shared: leave its settings as they were
    renderer.setRenderTarget(target);
    renderer.setClearAlpha(0);
    renderer.clear();
    renderer.setClearAlpha(alpha);
    renderer.render(this.#scene, this.#camera);
  }
}

/** Light is stored divided by this, so that what is brighter than white survives until it is developed. */
export const LIGHT_RANGE = 4;

/**
 * A picture of light. Blending happens in linear light, and storing it like sRGB gives the dark the fine steps that
 * eight bits of linear light would lack.
 *
 * @param depth whether solid things hide each other
 */
export function lightTarget(scope: ResourceScope, depth = false): WebGLRenderTarget {
  return scope.own(
    new WebGLRenderTarget(1, 1, {
      colorSpace: SRGBColorSpace,
      depthBuffer: depth,
      generateMipmaps: false,
    }),
  );
}
