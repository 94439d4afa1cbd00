import {
  BufferAttribute,
  BufferGeometry,
  Camera,
  CustomBlending,
  DoubleSide,
  GLSL3,
  InstancedBufferGeometry,
  Mesh,
  NoBlending,
  OneFactor,
  OneMinusSrcAlphaFactor,
  RawShaderMaterial,
  Scene,
  SrcAlphaFactor,
  type IUniform,
  type WebGLRenderer,
  type WebGLRenderTarget,
} from "three";
import type { ResourceScope } from "./scope";

export type Uniforms = Record<string, IUniform>;

export interface PassOptions {
  readonly geometry: BufferGeometry;
  readonly vertexShader: string;
  readonly fragmentShader: string;
  readonly uniforms: Uniforms;
  /**
   * True lays the result over what is there: colours are premultiplied, and alpha 0 adds light. "under" scales what is
   * there by the result's alpha and adds its colour. Otherwise it replaces what is there.
   */
  readonly blend?: boolean | "under";
}

const BLENDINGS = {
  none: { blending: NoBlending },
  over: { blending: CustomBlending, blendSrc: OneFactor, blendDst: OneMinusSrcAlphaFactor },
  under: { blending: CustomBlending, blendSrc: OneFactor, blendDst: SrcAlphaFactor },
} as const;

/** One draw call: a geometry, the shaders that paint it, and nothing else. */
export class Pass {
  readonly #scene = new Scene();
  readonly #camera = new Camera(); // three.js wants one; the shaders place everything themselves

  constructor(scope: ResourceScope, options: PassOptions) {
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: options.vertexShader,
      fragmentShader: options.fragmentShader,
      uniforms: options.uniforms,
      depthTest: false,
      depthWrite: false,
      side: DoubleSide, // nothing is behind anything: which way round the corners go does not matter
      ...BLENDINGS[options.blend === "under" ? "under" : options.blend === true ? "over" : "none"],
    });
    const mesh = new Mesh(scope.own(options.geometry), scope.own(material));
    mesh.frustumCulled = false;
    this.#scene.add(mesh);
    this.#scene.matrixWorldAutoUpdate = false;
  }

  /** Draw into `target`, or on the canvas when it is null. `face` chooses a side of a cube target. */
  render(renderer: WebGLRenderer, target: WebGLRenderTarget | null, face = 0): void {
    renderer.setRenderTarget(target, face);
    renderer.render(this.#scene, this.#camera);
  }
}

const FULL_SCREEN_VERTEX_SHADER = /* glsl */ `
in vec3 position;
out vec2 vClip; // [-1, 1] across the picture
void main() {
  vClip = position.xy;
  gl_Position = vec4(position, 1.0);
}`;

/** A shader that runs once for every pixel; it receives `in vec2 vClip`. */
export function fullScreenPass(
  scope: ResourceScope,
  fragmentShader: string,
  uniforms: Uniforms,
  blend: PassOptions["blend"] = false,
): Pass {
  const geometry = new BufferGeometry();
  // One triangle that is larger than the picture: no diagonal seam, no pixel shaded twice.
  geometry.setAttribute(
    "position",
    new BufferAttribute(new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]), 3),
  );
  return new Pass(scope, {
    geometry,
    vertexShader: FULL_SCREEN_VERTEX_SHADER,
    fragmentShader,
    uniforms,
    blend,
  });
}

/** `count` unit squares; the vertex shader tells them apart by `gl_InstanceID`. `position.xy` is in [0, 1]. */
export function quads(count: number): InstancedBufferGeometry {
  const geometry = new InstancedBufferGeometry();
  const corners = new Float32Array([0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]);
  geometry.setAttribute("position", new BufferAttribute(corners, 3));
  geometry.setIndex([0, 1, 2, 0, 2, 3]);
  geometry.instanceCount = count;
  return geometry;
}
