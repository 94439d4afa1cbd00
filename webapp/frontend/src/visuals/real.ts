import { CircleGeometry, InstancedBufferGeometry, Vector2, Vector3, WebGLRenderTarget } from "three";
import { halfHeightTangent } from "./camera";
import { CubeTextureBaker } from "./cube-texture";
import { mix } from "./curves";
import { createNoiseTexture, NOISE_SIZE } from "./noise-texture";
import { fullScreenPass, Pass } from "./pass";
import { createRandom, type Random } from "./random";
import {
  cameraElevation,
  createCameraFrame,
  createOrbit,
  createShells,
  DIRECTIONS,
  placeCamera,
  REVOLUTION_FASTER,
  REVOLUTION_SPEED,
  skyChannel,
  sphereDistance,
  sphereRadius,
  surfaceChannel,
  throwShells,
  writeSpheres,
} from "./real-scene";
import { SHAFTS_SHADER, SKY_SHADER, SPHERES_SHADER, SPHERES_VERTEX_SHADER } from "./real-shaders";
import { IRRADIANCE_TEXEL, SKY_TEXEL, STONE_TEXEL } from "./real-textures";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

/** Corners of the shape that a sphere is painted on: its outline does not depend on them, only what is painted twice. */
const DISC_CORNERS = 32;

/** The shafts of light are drawn with one pixel for this many of the picture, in each direction. */
const SHAFTS_SCALE = 4;

/** From the middle to a side, an edge and a corner, in distances along the axes. */
const FROM_MIDDLE = new Vector3(1, Math.SQRT2, Math.sqrt(3));

/** A pulse narrows the angle that the picture covers by this share. */
const ZOOM = 0.09;

/** How much more light than usual a pulse gives the sky's gas, and the threads in it. */
const GAS_GLOW = 0.08;
const THREAD_GLOW = 0.7;

const randomOffset = (random: Random): Vector3 =>
  new Vector3(NOISE_SIZE * random(), NOISE_SIZE * random(), NOISE_SIZE * random());

function createRealVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);

  const orbit = createOrbit(0.4 + 0.2 * random(), 2 * Math.PI * random());
  const firstAzimuth = 2 * Math.PI * random();
  const camera = createCameraFrame();

  const uNoise = { value: scope.own(createNoiseTexture(random)) };
  const sky = new CubeTextureBaker(scope, 512, SKY_TEXEL, {
    uNoise,
    uOffset: { value: randomOffset(random) },
  });
  const irradiance = new CubeTextureBaker(scope, 16, IRRADIANCE_TEXEL, { uSky: { value: sky.texture } });
  const stone = new CubeTextureBaker(scope, 256, STONE_TEXEL, {
    uNoise,
    uOffset: { value: randomOffset(random) },
  });
  const bake = (): void => {
    for (const texture of [sky, irradiance, stone]) texture.bake(renderer);
  };
  bake();
  scope.listen(canvas, "webglcontextrestored", bake);

  const shells = createShells();
  const spheres = new Float32Array(4 * DIRECTIONS.length);
  const order = Uint8Array.from(DIRECTIONS.keys());
  const nearness = new Float32Array(DIRECTIONS.length);
  const shafts = scope.own(new WebGLRenderTarget(1, 1, { depthBuffer: false, generateMipmaps: false }));

  const uniforms = {
    uSpheres: { value: spheres },
    uRadius: { value: 1 },
    uAway: { value: new Vector3() },
    uBeat: { value: new Vector3() },
    uCamera: { value: new Vector3() },
    uRight: { value: new Vector3() },
    uUp: { value: new Vector3() },
    uForward: { value: new Vector3() },
    uTangent: { value: new Vector2(1, 1) },
    uPixelAngle: { value: 0.001 },
    uPixels: { value: new Vector2(1, 1) },
    uSun: { value: new Vector3().setFromSphericalCoords(1, 1.0 + 0.3 * random(), 2 * Math.PI * random()) },
    uSunLight: { value: new Vector3() },
    uLampLight: { value: new Vector3() },
    uExposure: { value: 1 },
    uTime: { value: 0 },
    uSkyGas: { value: new Vector3() },
    uSkyThreads: { value: new Vector3() },
    uSkyDeep: { value: new Vector3() },
    uSkyOther: { value: new Vector3() },
    uSurface: { value: new Vector3() },
    uVein: { value: new Vector3() },
    uSky: { value: sky.texture },
    uIrradiance: { value: irradiance.texture },
    uStone: { value: stone.texture },
    uShafts: { value: shafts.texture },
    uCorners: { value: DISC_CORNERS },
  };

  const disc = new CircleGeometry(1, DISC_CORNERS);
  const discs = new InstancedBufferGeometry();
  discs.setAttribute("position", disc.getAttribute("position"));
  discs.setIndex(disc.index);
  discs.instanceCount = DIRECTIONS.length;

  const shaftsPass = fullScreenPass(scope, SHAFTS_SHADER, uniforms);
  const skyPass = fullScreenPass(scope, SKY_SHADER, uniforms);
  const spheresPass = new Pass(scope, {
    geometry: discs,
    vertexShader: SPHERES_VERTEX_SHADER,
    fragmentShader: SPHERES_SHADER,
    uniforms,
    blend: true,
  });

  const tangent = new Vector2(1, 1); // of half the angle that the picture covers without a pulse

  function placeThings(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const revolved = REVOLUTION_SPEED * frame.musicSeconds + REVOLUTION_FASTER * (frame.travel[8] ?? 0);
    const azimuth = firstAzimuth + revolved;
    placeCamera(camera, orbit, azimuth, cameraElevation(parameter(9)));
    uniforms.uCamera.value.fromArray(camera.position);
    uniforms.uRight.value.fromArray(camera.right);
    uniforms.uUp.value.fromArray(camera.up);
    uniforms.uForward.value.fromArray(camera.forward);
    uniforms.uRadius.value = sphereRadius(parameter(6));
    throwShells(shells, sphereDistance(parameter(7)), frame);
    uniforms.uBeat.value.fromArray(shells.pulse);
    uniforms.uAway.value.fromArray(shells.distance).multiply(FROM_MIDDLE);
    uniforms.uTangent.value.copy(tangent).multiplyScalar(1 - ZOOM * frame.pulse);
    uniforms.uPixelAngle.value = (2 * uniforms.uTangent.value.y) / uniforms.uPixels.value.y;
    uniforms.uTime.value = frame.musicSeconds;
    writeSpheres(spheres, order, nearness, shells.distance, camera.position, uniforms.uTime.value);
  }

  function colorThings(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const surface = uniforms.uSurface.value.set(
      surfaceChannel(parameter(0)),
      surfaceChannel(parameter(1)),
      surfaceChannel(parameter(2)),
    );
    uniforms.uVein.value.set(1, 0.7, 0.32).lerp(surface, 0.2);
    const red = skyChannel(parameter(3));
    const green = skyChannel(parameter(4));
    const blue = skyChannel(parameter(5));
    // One gas is a little warmer, the other a little cooler, so that even a grey sky has depth.
    uniforms.uSkyGas.value.set(1.5 * red + 0.014, 1.05 * green + 0.01, 0.8 * blue + 0.024);
    uniforms.uSkyOther.value.set(0.7 * red + 0.004, 1.05 * green + 0.014, 1.5 * blue + 0.035);
    const pale = (red + green + blue) / 3;
    const gasLight = 1 + GAS_GLOW * frame.pulse;
    uniforms.uSkyGas.value.multiplyScalar(gasLight);
    uniforms.uSkyOther.value.multiplyScalar(gasLight);
    uniforms.uSkyThreads.value
      .set(mix(red, pale, 0.35), mix(green, pale, 0.3), mix(blue, pale, 0.25))
      .multiplyScalar(1.6)
      .addScalar(0.06)
      .multiplyScalar(1 + THREAD_GLOW * frame.pulse);
    uniforms.uSkyDeep.value.set(0.05 * red + 0.004, 0.05 * green + 0.005, 0.08 * blue + 0.012);
    // Brighter skies need less exposure, as the eye would do it.
    const brightness = 0.3 * red + 0.55 * green + 0.15 * blue;
    uniforms.uExposure.value = 1.9 / (1 + 0.8 * brightness);
    uniforms.uSunLight.value.set(3.2, 3.3, 3.5);
    uniforms.uLampLight.value.set(1, 0.66, 0.36);
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      renderer.getDrawingBufferSize(uniforms.uPixels.value);
      const { x, y } = uniforms.uPixels.value;
      shafts.setSize(Math.max(1, Math.ceil(x / SHAFTS_SCALE)), Math.max(1, Math.ceil(y / SHAFTS_SCALE)));
      const upwards = halfHeightTangent(width / height);
      tangent.set((upwards * width) / height, upwards);
    },
    render(frame) {
      placeThings(frame);
      colorThings(frame);
      shaftsPass.render(renderer, shafts);
      skyPass.render(renderer, null);
      spheresPass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const real: VisualDefinition = {
  id: "real",
  title: "Stones in space",
  description: "Twenty-six stone spheres around a lamp, under a sky of gas and stars.",
  parameters: [
    { name: "sphere-red", label: "Sphere red", rest: 0.45, moves: true },
    { name: "sphere-green", label: "Sphere green", rest: 0.5, moves: true },
    { name: "sphere-blue", label: "Sphere blue", rest: 0.6, moves: true },
    { name: "background-red", label: "Background red", rest: 0.3, moves: false },
    { name: "background-green", label: "Background green", rest: 0.35, moves: false },
    { name: "background-blue", label: "Background blue", rest: 0.5, moves: false },
    { name: "sphere-radius", label: "Sphere radius", rest: 0.5, moves: true },
    { name: "sphere-distance", label: "Sphere distance", rest: 0.3, moves: true },
    { name: "camera-speed", label: "Camera speed", rest: 0.15, moves: true },
    { name: "camera-height", label: "Camera height", rest: 0.55, moves: false },
  ],
  create: createRealVisual,
};
