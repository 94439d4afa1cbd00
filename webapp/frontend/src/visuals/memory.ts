import {
  BufferAttribute,
  DataTexture,
  FloatType,
  InstancedBufferGeometry,
  NearestFilter,
  RGBAFormat,
  Vector2,
  Vector3,
  WebGLRenderTarget,
} from "three";
import { emphasised, mix } from "./curves";
import { BEAT_STEPS, unroll, writeBeats, writeLandmarks } from "./memory-map";
import { Moments, MOMENTS } from "./memory-moments";
import {
  BACKDROP_SHADER,
  HEAD_SHADER,
  HEAD_VERTEX_SHADER,
  LANDMARKS,
  LANDSCAPE_TANGENT,
  LIGHTS_SHADER,
  LIGHTS_VERTEX_SHADER,
  PATH_PIECES,
  PATH_SHADER,
  PATH_VERTEX_SHADER,
  SPACE_SHADER,
  THREAD_PIECES,
  THREADS_SHADER,
  THREADS_VERTEX_SHADER,
  VEIL_SHADER,
  VEIL_VERTEX_SHADER,
} from "./memory-shaders";
import { createNoiseTexture, NOISE_SIZE } from "./noise-texture";
import { fullScreenPass, Pass, quads } from "./pass";
import { createRandom } from "./random";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

/** Space is drawn with one pixel for this many of the picture, in each direction. */
const SPACE_SCALE = 4;

/** How far from the middle the camera is: the farther, the wider the song's moments lie. */
const CAMERA_NEAREST = 3.5;
const CAMERA_FARTHER = 1.1;

/** A pulse narrows the angle that the picture covers by this share, and makes the present so much larger. */
const ZOOM = 0.1;
const HEAD_SWELL = 0.45;

/** As many recognised moments flare as brightly as they can; more share the light. */
const FLARES = 22;

/** A band of `pieces` for each instance; x counts pieces along, y is the side, -1 or 1. */
function bands(instances: number, pieces: number): InstancedBufferGeometry {
  const geometry = new InstancedBufferGeometry();
  const corners = new Float32Array(6 * (pieces + 1));
  const triangles: number[] = [];
  for (let piece = 0; piece <= pieces; piece++) {
    corners.set([piece, -1, 0, piece, 1, 0], 6 * piece);
    const first = 2 * piece;
    if (piece < pieces) triangles.push(first, first + 1, first + 2, first + 1, first + 3, first + 2);
  }
  geometry.setAttribute("position", new BufferAttribute(corners, 3));
  geometry.setIndex(triangles);
  geometry.instanceCount = instances;
  return geometry;
}

function createMemoryVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);
  const firstAzimuth = 2 * Math.PI * random();

  const moments = new Moments({ places: [6, 7, 8], hue: 9, size: 0, random });
  const data = scope.own(new DataTexture(moments.data, MOMENTS, 3, RGBAFormat, FloatType));
  data.minFilter = data.magFilter = NearestFilter;
  const space = scope.own(new WebGLRenderTarget(1, 1, { depthBuffer: false, generateMipmaps: false }));

  const uniforms = {
    uNoise: { value: scope.own(createNoiseTexture(random)) },
    uOffset: { value: new Vector3(random(), random(), random()).multiplyScalar(NOISE_SIZE) },
    uHue: { value: random() },
    uMoments: { value: data },
    uCount: { value: 1 },
    uNow: { value: 0 },
    uLandmarks: { value: new Float32Array(LANDMARKS) },
    uBeats: { value: new Float32Array(BEAT_STEPS) },
    uBeat: { value: 0 },
    uRipple: { value: 0 },
    uCamera: { value: new Vector3() },
    uRight: { value: new Vector3() },
    uUp: { value: new Vector3() },
    uForward: { value: new Vector3() },
    uTangent: { value: new Vector2(1, 1) },
    uDistance: { value: CAMERA_NEAREST },
    uPixel: { value: 0.01 },
    uAspect: { value: 1 },
    uHead: { value: new Vector2() },
    uHeadSize: { value: 0.05 },
    uHueNow: { value: 0 },
    uHueSong: { value: 0 },
    uGlow: { value: 0 },
    uPulse: { value: 0 },
    uReach: { value: 0 },
    uFlare: { value: 1 },
    uSpace: { value: space.texture },
  };
  const spacePass = fullScreenPass(scope, SPACE_SHADER, uniforms);
  const laidOver = (geometry: InstancedBufferGeometry, vertexShader: string, fragmentShader: string): Pass =>
    new Pass(scope, { geometry, vertexShader, fragmentShader, uniforms, blend: true });
  const picturePasses = [
    fullScreenPass(scope, BACKDROP_SHADER, uniforms),
    laidOver(bands(MOMENTS, PATH_PIECES), VEIL_VERTEX_SHADER, VEIL_SHADER),
    laidOver(bands(MOMENTS, PATH_PIECES), PATH_VERTEX_SHADER, PATH_SHADER),
    laidOver(quads(MOMENTS), LIGHTS_VERTEX_SHADER, LIGHTS_SHADER),
    laidOver(bands(MOMENTS, THREAD_PIECES), THREADS_VERTEX_SHADER, THREADS_SHADER),
    laidOver(quads(1), HEAD_VERTEX_SHADER, HEAD_SHADER),
  ];

  const toHead = new Vector3();
  const tangent = new Vector2(1, 1); // of half the angle that the picture covers without a pulse

  /** The camera circles slowly, and keeps both the whole and the present in sight. */
  function placeCamera(time: number, swirl: number): void {
    const azimuth = firstAzimuth + 0.3 * time + 0.1 * swirl;
    const elevation = 0.5 + 0.16 * Math.sin(0.07 * time + firstAzimuth);
    const { uCamera, uForward, uRight, uUp } = uniforms;
    uForward.value
      .set(
        Math.cos(elevation) * Math.cos(azimuth),
        Math.sin(elevation),
        Math.cos(elevation) * Math.sin(azimuth),
      )
      .multiplyScalar(-1);
    uRight.value.set(Math.sin(azimuth), 0, -Math.cos(azimuth));
    uUp.value.crossVectors(uRight.value, uForward.value);
    uCamera.value.copy(uForward.value).multiplyScalar(-uniforms.uDistance.value).addScaledVector(toHead, 0.3);
  }

  function listen(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const time = frame.musicSeconds;
    const reach = emphasised(parameter(3));
    const scale = mix(0.66, 1.28, emphasised(parameter(4)));
    moments.listen(frame, parameter(3), scale);
    const { uBeats, uLandmarks } = uniforms;
    writeBeats(uBeats.value, frame);
    uniforms.uRipple.value = emphasised(parameter(2));
    const swirl = frame.travel[5] ?? 0;
    // A song that stays what it is has only time to unfold in.
    const apart = Math.min(1, moments.spread / 0.9);
    const unrolling = {
      coil: mix(1.75, 1.15, apart) * mix(0.85, 1.15, parameter(4)),
      swirl: 0.4 * time + 0.5 * swirl + 0.8 * parameter(5),
      ripple: uniforms.uRipple.value,
      musicSeconds: time,
    };
    unroll(moments, unrolling, uBeats.value);
    writeLandmarks(uLandmarks.value, moments, time);
    data.needsUpdate = true;

    const present = moments.count - 1;
    toHead.fromArray(moments.data, 4 * present);
    uniforms.uCount.value = moments.count;
    uniforms.uNow.value = time;
    uniforms.uBeat.value = frame.pulse;
    uniforms.uTangent.value.copy(tangent).multiplyScalar(1 - ZOOM * uniforms.uBeat.value);
    uniforms.uDistance.value = CAMERA_NEAREST + (CAMERA_FARTHER * moments.spread) / scale;
    uniforms.uPulse.value = emphasised(parameter(0));
    uniforms.uGlow.value = emphasised(parameter(1));
    uniforms.uReach.value = reach;
    uniforms.uHeadSize.value =
      mix(0.026, 0.085, uniforms.uPulse.value) * (1 + HEAD_SWELL * uniforms.uBeat.value);
    uniforms.uHueNow.value = moments.data[4 * (MOMENTS + present)] ?? 0;
    uniforms.uHueSong.value = 1.6 * (parameter(9) - 0.5) * 0.5 + 0.5 * uniforms.uHueNow.value;
    uniforms.uFlare.value = Math.min(1, FLARES / Math.max(1, moments.likeness)) ** 0.6;
    placeCamera(time, swirl);
    const { uHead, uCamera, uForward, uRight, uUp, uTangent } = uniforms;
    toHead.sub(uCamera.value);
    const depth = toHead.dot(uForward.value);
    uHead.value.set(
      toHead.dot(uRight.value) / depth / uTangent.value.x,
      toHead.dot(uUp.value) / depth / uTangent.value.y,
    );
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      const pixels = renderer.getDrawingBufferSize(new Vector2());
      space.setSize(
        Math.max(1, Math.ceil(pixels.x / SPACE_SCALE)),
        Math.max(1, Math.ceil(pixels.y / SPACE_SCALE)),
      );
      const aspect = width / height;
      // Portrait pictures look wider upwards, so that nothing is cut off at their sides.
      const upwards = Math.max(LANDSCAPE_TANGENT, 0.46 / aspect);
      tangent.set(upwards * aspect, upwards);
      uniforms.uAspect.value = aspect;
      uniforms.uPixel.value = 2 / pixels.y;
    },
    render(frame) {
      listen(frame);
      spacePass.render(renderer, space);
      for (const pass of picturePasses) pass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const memory: VisualDefinition = {
  id: "memory",
  title: "Memory",
  description:
    "Every moment of the song is a light; what sounds alike lies together, and what comes back lights up.",
  parameters: [
    { name: "pulse", label: "Pulse", rest: 0.45, moves: true },
    { name: "glow", label: "Glow", rest: 0.45, moves: true },
    { name: "ripple", label: "Ripple", rest: 0.4, moves: true },
    { name: "thread-reach", label: "Reach of the threads", rest: 0.5, moves: true },
    { name: "spread", label: "Spread", rest: 0.5, moves: true },
    { name: "swirl", label: "Swirl", rest: 0.4, moves: true },
    { name: "place-across", label: "Place across", rest: 0.5, moves: false },
    { name: "place-up", label: "Place up", rest: 0.5, moves: false },
    { name: "place-deep", label: "Place deep", rest: 0.5, moves: false },
    { name: "hue", label: "Hue", rest: 0.5, moves: false },
  ],
  create: createMemoryVisual,
};
