import {
  BufferAttribute,
  BufferGeometry,
  DataTexture,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  LinearFilter,
  Matrix3,
  Matrix4,
  PlaneGeometry,
  RedFormat,
  SphereGeometry,
  Vector2,
  Vector3,
  Vector4,
} from "three";
import { CubeTextureBaker } from "./cube-texture";
import { Glow } from "./glow";
import { createNoiseTexture, NOISE_SIZE } from "./noise-texture";
import { writeOklch } from "./oklch";
import { fullScreenPass } from "./pass";
import { createRandom, type Random } from "./random";
import { SKY_TEXEL } from "./real-textures";
import { halfHeightTangent } from "./camera";
import { mix } from "./curves";
import { rendererFor } from "./renderer";
import { bands, discProfile, scatter, type DiscProfile } from "./saturn-rings";
import {
  AIR_SHADER,
  CLOUDS_TEXEL,
  DUST_SHADER,
  DUST_VERTEX_SHADER,
  LUMPS_SHADER,
  LUMPS_VERTEX_SHADER,
  PICTURE_SHADER,
  PLANET_SHADER,
  PLANET_VERTEX_SHADER,
  SHEET_SHADER,
  SHEET_VERTEX_SHADER,
  STARS_SHADER,
  STARS_VERTEX_SHADER,
} from "./saturn-shaders";
import { lightTarget, ScenePass } from "./scene-pass";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

/** As many as processors without a GPU draw several times a second. */
const N_LUMPS = 2_200;
const N_DUST = 12_000;
const N_STARS = 900;

/** From the camera to the planet's middle. */
const CAMERA_DISTANCE = 5.3;
/** Radians that the disc's inner edge moves at full speed, per musical second. */
const DISC_SPEED = 1.4;
/** Radians per musical second that the camera turns among the nebulae. */
const SKY_SPEED = 0.45;
/** What the strongest beat does: it brings the picture nearer by this part, opens the disc and rolls, in radians ... */
const PUSH = 0.13;
const KICK = 0.12;
/** ... swells the planet, and pushes the disc's edges outwards ... */
const SWELL = 0.18;
const INNER_SHOCK = 0.1;
const OUTER_SHOCK = 0.24;
/** ... and lights the nebulae this much more, in another hue. */
const NEBULA_LIGHT = 2.6;
const NEBULA_HUE = 0.22;
/** How much thicker than the planet the air around it is. */
const AIR_DEPTH = 0.075;

/** As an eye would, the picture takes in less light where much comes: a beat moves light, and does not flash. */
const IRIS = 0.56;

/** A hue parameter turns its hue by this part of the colour circle. */
const HUE_SPAN = 0.75;

/** The planet's largest bulges stay within the disc, whose outer edge stays before the camera. */
const planetRadius = (parameter: number): number => mix(0.62, 0.92, parameter);
const innerRadius = (parameter: number): number => mix(1.45, 1.95, parameter);
const outerRadius = (inner: number, parameter: number): number => inner + mix(0.4, 1.3, parameter);

/** How far the disc opens towards the camera, and how far it leans to the side, in radians. Never seen edge on. */
const opening = (parameter: number): number => mix(0.13, 0.9, parameter);
const leaning = (parameter: number): number => mix(0.03, 0.4, parameter);

/** The nebulae follow a hue from cyan over blue and violet to red, and back: dark yellow and green would be mud. */
const skyHue = (hue: number): number => 0.78 + 0.23 * Math.sin(2 * Math.PI * hue);

const randomVector = (random: Random, length: number): Vector3 =>
  new Vector3().setFromSphericalCoords(length, Math.acos(2 * random() - 1), 2 * Math.PI * random());

/** Waves on the planet: directions as long as their frequencies, and phases. */
const waves = (count: number, random: Random, from: number, to: number): Vector4[] =>
  Array.from({ length: count }, (_, index) => {
    const { x, y, z } = randomVector(random, mix(from, to, index / (count - 1)));
    return new Vector4(x, y, z, 2 * Math.PI * random());
  });

/** Place in the disc, angle, height above it, and a random number: for each of its parts. */
function discParts(profile: DiscProfile, count: number, thickness: number, random: Random): Float32Array {
  const parts = new Float32Array(4 * count);
  scatter(profile, count, random).forEach((place, index) => {
    const height = thickness * (random() + random() + random() - 1.5);
    parts.set([place, 2 * Math.PI * random(), height, random()], 4 * index);
  });
  return parts;
}

/** The corners and sides of an icosahedron: three golden rectangles across each other. */
function createBody(): InstancedBufferGeometry {
  const golden = (1 + Math.sqrt(5)) / 2;
  const corners = [-1, 1].flatMap((one) =>
    [-golden, golden].flatMap((other) => [
      [0, one, other],
      [one, other, 0],
      [other, 0, one],
    ]),
  );
  const away = (a: number, b: number): number =>
    Math.hypot(...[0, 1, 2].map((axis) => (corners[a]?.[axis] ?? 0) - (corners[b]?.[axis] ?? 0)));
  // Every three corners that are neighbours of each other are a side.
  const sides: number[] = [];
  for (let a = 0; a < corners.length; a++) {
    for (let b = 0; b < a; b++) {
      for (let c = 0; c < b; c++) {
        if (Math.max(away(a, b), away(b, c), away(c, a)) < 2.1) sides.push(a, b, c);
      }
    }
  }
  const body = new InstancedBufferGeometry();
  const scale = 1 / Math.hypot(1, golden);
  body.setAttribute(
    "position",
    new BufferAttribute(
      Float32Array.from(corners.flat(), (x) => x * scale),
      3,
    ),
  );
  body.setIndex(sides);
  return body;
}

function createLumps(profile: DiscProfile, random: Random): BufferGeometry {
  const lumps = createBody();
  lumps.setAttribute("lump", new InstancedBufferAttribute(discParts(profile, N_LUMPS, 0.06, random), 4));
  lumps.instanceCount = N_LUMPS;
  return lumps;
}

function createPoints(values: Float32Array): BufferGeometry {
  const points = new BufferGeometry();
  points.setAttribute("position", new BufferAttribute(values, 4));
  return points;
}

function createSheet(): BufferGeometry {
  const sheet = new PlaneGeometry(1, 2 * Math.PI, 20, 160);
  sheet.translate(0.5, 0, 0);
  return sheet;
}

const createStars = (random: Random): Float32Array =>
  Float32Array.from({ length: 4 * N_STARS }, (_, index) => {
    const value = random();
    return index % 4 === 0 ? 4 * value - 2 : index % 4 === 1 ? 2 * value - 1 : value;
  });

function strip(values: Uint8Array<ArrayBuffer>, channels: 1 | 4): DataTexture {
  const texture = new DataTexture(values, values.length / channels, 1);
  if (channels === 1) texture.format = RedFormat;
  texture.minFilter = texture.magFilter = LinearFilter;
  texture.needsUpdate = true;
  return texture;
}

function createSaturnVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);

  const firstHue = 0.14 + 0.3 * (random() - 0.5);
  const leansRight = random() < 0.5 ? -1 : 1;
  const profile = discProfile(512, random);

  const uNoise = { value: scope.own(createNoiseTexture(random)) };
  const offset = (): { value: Vector3 } => ({
    value: new Vector3(random(), random(), random()).multiplyScalar(NOISE_SIZE),
  });
  const sky = new CubeTextureBaker(scope, 256, SKY_TEXEL, { uNoise, uOffset: offset() });
  const surface = new CubeTextureBaker(scope, 384, CLOUDS_TEXEL, { uNoise, uOffset: offset() });
  const bake = (): void => {
    for (const texture of [sky, surface]) texture.bake(renderer);
  };
  bake();
  scope.listen(canvas, "webglcontextrestored", bake);

  const target = lightTarget(scope, true);
  const glow = new Glow(scope, target.texture);

  const sunward = new Vector3(0.9 * leansRight, 0.4, 0.16).normalize();
  const uniforms = {
    uView: { value: new Matrix3() },
    uAway: { value: CAMERA_DISTANCE },
    uTangent: { value: new Vector2(1, 1) },
    uPixels: { value: new Vector2(1, 1) },
    uCamera: { value: new Vector3() },
    uSun: { value: new Vector3() },
    uSunward: { value: sunward },
    uSunLight: { value: new Vector3(1.65, 1.56, 1.42) },
    uTime: { value: 0 },
    uRadius: { value: 1 },
    uEdges: { value: new Vector2() },
    uTravel: { value: 0 },
    uMorph: { value: 0 },
    uSize: { value: 0 },
    uSwing: { value: 0 },
    uHit: { value: 0 },
    uExposure: { value: 1 },
    uProfile: {
      value: scope.own(
        strip(
          Uint8Array.from(profile, (density) => Math.round(255 * density)),
          1,
        ),
      ),
    },
    uBands: { value: scope.own(strip(Uint8Array.from(bands(512, random)), 4)) },
    uBroad: { value: waves(5, random, 1.7, 4.2) },
    uFine: { value: waves(6, random, 7, 11) },
    uDark: { value: new Vector3() },
    uMiddle: { value: new Vector3() },
    uLight: { value: new Vector3() },
    uOther: { value: new Vector3() },
    uAir: { value: new Vector3() },
    uIce: { value: new Vector3() },
    uRock: { value: new Vector3() },
    uPlanetShine: { value: new Vector3() },
    uGas: { value: new Vector3() },
    uOtherGas: { value: new Vector3() },
    uClouds: { value: surface.texture },
    uSky: { value: sky.texture },
    uSkyTurn: { value: new Matrix3() },
    uScene: { value: target.texture },
    uGlow: { value: glow.texture },
  };
  const scenePass = new ScenePass(scope, [
    {
      geometry: new SphereGeometry(1, 112, 72),
      vertexShader: PLANET_VERTEX_SHADER,
      fragmentShader: PLANET_SHADER,
      uniforms: { ...uniforms, uInflated: { value: 0 } },
      matter: "solid",
    },
    {
      geometry: createLumps(profile, random),
      vertexShader: LUMPS_VERTEX_SHADER,
      fragmentShader: LUMPS_SHADER,
      uniforms,
      matter: "solid",
    },
    {
      geometry: createPoints(createStars(random)),
      vertexShader: STARS_VERTEX_SHADER,
      fragmentShader: STARS_SHADER,
      uniforms,
      matter: "veil",
      points: true,
    },
    {
      geometry: new SphereGeometry(1, 80, 48),
      vertexShader: PLANET_VERTEX_SHADER,
      fragmentShader: AIR_SHADER,
      uniforms: { ...uniforms, uInflated: { value: AIR_DEPTH } },
      matter: "veil",
    },
    {
      geometry: createSheet(),
      vertexShader: SHEET_VERTEX_SHADER,
      fragmentShader: SHEET_SHADER,
      uniforms,
      matter: "veil",
    },
    {
      geometry: createPoints(discParts(profile, N_DUST, 0.05, random)),
      vertexShader: DUST_VERTEX_SHADER,
      fragmentShader: DUST_SHADER,
      uniforms,
      matter: "veil",
      points: true,
    },
  ]);
  const picturePass = fullScreenPass(scope, PICTURE_SHADER, uniforms);

  const turn = new Matrix4();
  const tilt = new Matrix4();
  const backwards = new Matrix3();
  let tangent = 1;
  let aspect = 1;
  /** How much more the disc leans where the picture is tall. */
  let lean = 0;

  function placeThings(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const seconds = frame.musicSeconds;
    const hit = frame.pulse;
    const roused = (index: number, share: number): number => mix(parameter(index), 1, share * hit);
    uniforms.uTime.value = seconds;
    uniforms.uHit.value = hit;
    uniforms.uExposure.value = 1.3 * (1 - IRIS * hit);
    uniforms.uRadius.value = planetRadius(parameter(2)) + SWELL * hit;
    uniforms.uMorph.value = roused(1, 0.5);
    uniforms.uSize.value = roused(5, 0.25);
    uniforms.uSwing.value = roused(8, 0.25);
    const inner = innerRadius(parameter(6));
    uniforms.uEdges.value.set(
      inner + INNER_SHOCK * hit,
      outerRadius(inner, parameter(7)) + OUTER_SHOCK * hit,
    );
    uniforms.uTravel.value = DISC_SPEED * (frame.travel[3] ?? 0);
    const zoom = tangent * (1 - PUSH * hit);
    uniforms.uTangent.value.set(zoom * aspect, zoom);

    const sway = 0.1 * Math.sin(0.9 * seconds) + KICK * hit * Math.sin(1.7 * seconds);
    const lift = opening(parameter(9)) + 0.06 * Math.sin(0.8 * seconds + 1) + KICK * hit;
    turn.makeRotationX(lift);
    tilt.makeRotationZ(leansRight * (leaning(parameter(9)) + lean + sway)).multiply(turn);
    const view = uniforms.uView.value.setFromMatrix4(tilt);
    const { elements } = view;
    // The rows of a rotation are where the camera's axes point, seen from the planet.
    uniforms.uCamera.value.set(elements[2], elements[5], elements[8]).multiplyScalar(CAMERA_DISTANCE);
    const back = backwards.copy(view).transpose();
    uniforms.uSun.value.copy(sunward).applyMatrix3(back);
    uniforms.uSkyTurn.value.setFromMatrix4(turn.makeRotationY(SKY_SPEED * seconds)).multiply(back);
  }

  const color = [0, 0, 0];
  function paint(vector: Vector3, lightness: number, chroma: number, hue: number, strength = 1): void {
    writeOklch(color, 0, lightness, chroma, hue);
    vector.fromArray(color).multiplyScalar(strength);
  }

  function colorThings(frame: VisualFrame): void {
    const hit = frame.pulse;
    const planet = firstHue + HUE_SPAN * ((frame.parameters[0] ?? 0) - 0.5);
    const disc = firstHue + 0.42 + HUE_SPAN * ((frame.parameters[4] ?? 0) - 0.5);
    paint(uniforms.uDark.value, 0.46, 0.15, planet - 0.05);
    paint(uniforms.uMiddle.value, 0.68, 0.15, planet);
    paint(uniforms.uLight.value, 0.88, 0.065, planet + 0.05);
    paint(uniforms.uOther.value, 0.66, 0.16, planet + 0.2);
    paint(uniforms.uAir.value, 0.68, 0.15, planet + 0.3, 0.6 * (1 + 0.8 * hit));
    paint(uniforms.uPlanetShine.value, 0.7, 0.12, planet, 0.8);
    paint(uniforms.uIce.value, 0.8, 0.11, disc, 0.62);
    paint(uniforms.uRock.value, 0.6, 0.14, disc + 0.12, 0.62);
    const nebula = 0.42 * (1 + NEBULA_LIGHT * hit);
    paint(uniforms.uGas.value, 0.4, 0.1, skyHue(planet + NEBULA_HUE * hit), nebula);
    paint(uniforms.uOtherGas.value, 0.38, 0.11, skyHue(disc + NEBULA_HUE * hit), nebula);
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      renderer.getDrawingBufferSize(uniforms.uPixels.value);
      const { x, y } = uniforms.uPixels.value;
      target.setSize(x, y);
      glow.resize(x, y);
      aspect = width / height;
      tangent = halfHeightTangent(aspect);
      lean = mix(0.75, 0.06, Math.min(Math.max((aspect - 0.5) / 0.9, 0), 1));
    },
    render(frame) {
      placeThings(frame);
      colorThings(frame);
      scenePass.render(renderer, target);
      glow.render(renderer);
      picturePass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const saturn: VisualDefinition = {
  id: "saturn",
  title: "Saturn",
  description: "A stormy planet that swells and bristles, in a disc of ice and rock.",
  parameters: [
    { name: "planet-hue", label: "Planet hue", rest: 0.5, moves: false },
    { name: "planet-morphing", label: "Planet morphing", rest: 0.35, moves: true },
    { name: "planet-size", label: "Planet size", rest: 0.5, moves: true },
    { name: "disc-rotation", label: "Disc rotation", rest: 0.3, moves: false },
    { name: "disc-hue", label: "Disc hue", rest: 0.5, moves: false },
    { name: "disc-particle-size", label: "Disc particle size", rest: 0.4, moves: true },
    { name: "disc-inner-radius", label: "Disc inner radius", rest: 0.35, moves: true },
    { name: "disc-outer-radius", label: "Disc outer radius", rest: 0.5, moves: true },
    { name: "disc-oscillation", label: "Disc oscillation", rest: 0.3, moves: true },
    { name: "axis-tilt", label: "Axis tilt", rest: 0.35, moves: false },
  ],
  create: createSaturnVisual,
};
