import {
  BufferAttribute,
  BufferGeometry,
  Euler,
  Matrix4,
  Quaternion,
  Vector2,
  Vector3,
  Vector4,
} from "three";
import { createClouds } from "./cloud-shapes";
import { FOG_SHADER, PICTURE_SHADER, POINTS_SHADER, POINTS_VERTEX_SHADER } from "./clouds-shaders";
import { Echo } from "./echo";
import { Glow } from "./glow";
import { createNoiseTexture, NOISE_SIZE } from "./noise-texture";
import { writeOklch } from "./oklch";
import { fullScreenPass } from "./pass";
import { createRandom, type Random } from "./random";
import { halfHeightTangent } from "./camera";
import { mix } from "./curves";
import { rendererFor } from "./renderer";
import { lightTarget, ScenePass } from "./scene-pass";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

const N_CLOUDS = 4;
/** As many as processors without a GPU draw several times a second. */
const POINTS_PER_CLOUD = 20_000;

/** The fog is drawn with one pixel for this many of the picture, in each direction. */
const FOG_SCALE = 5;
/** As in the shader: the fog's colours from the middle of the picture outwards. */
const FOG_RINGS = 12;
/** How much earlier the fog's hue is from one ring to the next. */
const FOG_RING_SECONDS = 0.004;

/** A beat narrows the angle that the picture covers by this share. */
const ZOOM = 0.25;

/** How far a beat bursts a cloud whose speed is 0; speed adds to it. */
const LEAST_BURST = 0.6;

/** Light runs through a whole cloud in this time. */
const WAVE_SECONDS = 0.06;

/** The ring that the clouds stand on: its middle's distance from the camera, and its radius. */
const RING_DISTANCE = 4.9;
const RING_RADIUS = 1.75;
/** Radians per musical second that the ring turns. */
const RING_SPEED = 0.3;
/** Radians per musical second of a cloud at full rotation speed. */
const CLOUD_SPEED = 0.7;

/** A hue parameter turns its hue by this part of the colour circle: not all, so that the clouds stay in harmony. */
const HUE_SPAN = 0.62;
/** A beat turns the fog's hue by this part of it. */
const BEAT_HUE = 0.24;
/** The clouds' hues at rest, from the seed's: neighbours, and one from the other side of the circle. */
const HUE_OFFSETS = [0, 0.11, -0.12, 0.46] as const;

/** Fog per unit of length: from a haze to a wall, by equal factors for equal steps of the parameter. */
const fogDensity = (parameter: number): number => 0.025 * 32 ** parameter;

const randomLooks = (random: Random): Uint8Array =>
  Uint8Array.from({ length: 4 * N_CLOUDS * POINTS_PER_CLOUD }, () => Math.floor(256 * random()));

function createCloudsVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);

  const firstHue = random();
  const fogHue = 0.75 + 0.08 * (random() - 0.5); // from green over blue and violet to red: dark yellow would be mud
  const firstTurn = 2 * Math.PI * random();
  const tilts = Array.from({ length: N_CLOUDS }, () =>
    new Quaternion().setFromEuler(
      new Euler(0.75 + 0.4 * (random() - 0.5), 2 * Math.PI * random(), 0.5 * (random() - 0.5)),
    ),
  );
  const spins = tilts.map(() => (random() < 0.5 ? -1 : 1));

  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(createClouds(POINTS_PER_CLOUD, random), 4));
  geometry.setAttribute("look", new BufferAttribute(randomLooks(random), 4, true));

  const noise = scope.own(createNoiseTexture(random));
  const points = lightTarget(scope);
  const fog = lightTarget(scope);
  const glow = new Glow(scope, points.texture);
  const echo = new Echo([4, 5, 6, 7]);
  const fogEcho = new Echo([9]);

  const centers = new Float32Array(3 * N_CLOUDS);
  const turns = new Float32Array(9 * N_CLOUDS);
  const inner = new Float32Array(3 * N_CLOUDS);
  const outer = new Float32Array(3 * N_CLOUDS);
  const fogColors = new Float32Array(3 * FOG_RINGS);
  const uniforms = {
    ...echo.uniforms,
    uCenters: { value: centers },
    uTurns: { value: turns },
    uInner: { value: inner },
    uOuter: { value: outer },
    uNow: { value: new Vector4() },
    uBurst: { value: new Vector4() },
    uPulse: { value: 0 },
    uTangent: { value: new Vector2(1, 1) },
    uPixels: { value: new Vector2(1, 1) },
    uDensity: { value: 0 },
    uThickness: { value: 0 },
    uTime: { value: 0 },
    uPerCloud: { value: POINTS_PER_CLOUD },
    uFocus: { value: RING_DISTANCE - 0.6 * RING_RADIUS },
    uWaveSeconds: { value: WAVE_SECONDS },
    uFog: { value: fogColors },
    uOffset: { value: new Vector3(random(), random(), random()).multiplyScalar(NOISE_SIZE) },
    uNoise: { value: noise },
    uFogLight: { value: fog.texture },
    uPoints: { value: points.texture },
    uGlow: { value: glow.texture },
  };
  const fogPass = fullScreenPass(scope, FOG_SHADER, uniforms);
  const pointsPass = new ScenePass(scope, [
    {
      geometry,
      vertexShader: POINTS_VERTEX_SHADER,
      fragmentShader: POINTS_SHADER,
      uniforms,
      matter: "veil",
      points: true,
    },
  ]);
  const picturePass = fullScreenPass(scope, PICTURE_SHADER, uniforms);

  /** Of half the angle that the picture covers without a beat. */
  const tangents = new Vector2(1, 1);
  /** How far the ring of clouds reaches to the sides and upwards. */
  const reach = new Vector2(1, 0);
  const turn = new Quaternion();
  const upwards = new Vector3(0, 1, 0);
  const matrix = new Matrix4();

  function placeClouds(frame: VisualFrame): void {
    const seconds = frame.musicSeconds;
    for (let cloud = 0; cloud < N_CLOUDS; cloud++) {
      const place = firstTurn + RING_SPEED * seconds + (cloud / N_CLOUDS) * 2 * Math.PI;
      const aside = RING_RADIUS * Math.cos(place);
      const ahead = RING_RADIUS * Math.sin(place);
      const float = 0.16 * Math.sin(0.21 * seconds + 2.1 * cloud);
      centers[3 * cloud] = aside * reach.x + 0.2 * ahead * reach.y;
      centers[3 * cloud + 1] = aside * reach.y - 0.24 * ahead + float;
      centers[3 * cloud + 2] = ahead - RING_DISTANCE;
      const angle = CLOUD_SPEED * (frame.travel[4 + cloud] ?? 0) * (spins[cloud] ?? 1);
      turn.setFromAxisAngle(upwards, angle).premultiply(tilts[cloud] ?? turn);
      const { elements } = matrix.makeRotationFromQuaternion(turn);
      for (let entry = 0; entry < 9; entry++) {
        turns[9 * cloud + entry] = elements[4 * Math.floor(entry / 3) + (entry % 3)] ?? 0;
      }
    }
    uniforms.uTime.value = seconds;
  }

  function colorThings(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    for (let cloud = 0; cloud < N_CLOUDS; cloud++) {
      const hue = firstHue + (HUE_OFFSETS[cloud] ?? 0) + HUE_SPAN * (parameter(cloud) - 0.5);
      writeOklch(inner, 3 * cloud, 0.86, 0.11, hue + 0.07);
      writeOklch(outer, 3 * cloud, 0.64, 0.22, hue - 0.04);
    }
    for (let ring = 0; ring < FOG_RINGS; ring++) {
      const secondsAgo = ring * FOG_RING_SECONDS;
      const beat = frame.pulseAt(Math.max(0, frame.timeSeconds - secondsAgo));
      const hue = fogHue + HUE_SPAN * (fogEcho.at(0, secondsAgo) - 0.5) + BEAT_HUE * beat;
      writeOklch(fogColors, 3 * ring, 0.5, 0.1, hue);
    }
    uniforms.uNow.value.set(parameter(4), parameter(5), parameter(6), parameter(7));
    uniforms.uPulse.value = frame.pulse;
    uniforms.uTangent.value.copy(tangents).multiplyScalar(1 - ZOOM * frame.pulse);
    uniforms.uBurst.value.copy(uniforms.uNow.value).addScalar(LEAST_BURST).multiplyScalar(frame.pulse);
    uniforms.uDensity.value = fogDensity(parameter(8));
    uniforms.uThickness.value = parameter(8);
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      renderer.getDrawingBufferSize(uniforms.uPixels.value);
      const { x, y } = uniforms.uPixels.value;
      points.setSize(x, y);
      glow.resize(x, y);
      fog.setSize(Math.max(1, Math.ceil(x / FOG_SCALE)), Math.max(1, Math.ceil(y / FOG_SCALE)));
      const tangent = halfHeightTangent(width / height);
      tangents.set((tangent * width) / height, tangent);
      // The ring lies in a wide picture and stands in a tall one.
      const wide = Math.min(Math.max((width / height - 0.6) / 0.9, 0), 1);
      reach.set(mix(0.25, 1.2, wide), mix(1.15, 0.1, wide));
    },
    render(frame) {
      echo.listen(frame);
      fogEcho.listen(frame);
      placeClouds(frame);
      colorThings(frame);
      fogPass.render(renderer, fog);
      pointsPass.render(renderer, points);
      glow.render(renderer);
      picturePass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const clouds: VisualDefinition = {
  id: "clouds",
  title: "Point clouds",
  description: "Four clouds of countless points of light that turn in coloured fog.",
  parameters: [
    ...[1, 2, 3, 4].map((cloud) => ({
      name: `cloud-${cloud}-hue`,
      label: `Cloud ${cloud} hue`,
      rest: 0.5,
      moves: false,
    })),
    ...[1, 2, 3, 4].map((cloud) => ({
      name: `cloud-${cloud}-speed`,
      label: `Cloud ${cloud} rotation speed`,
      rest: 0.4,
      moves: true,
    })),
    { name: "fog-density", label: "Fog density", rest: 0.4, moves: true },
    { name: "fog-hue", label: "Fog hue", rest: 0.5, moves: true },
  ],
  create: createCloudsVisual,
};
