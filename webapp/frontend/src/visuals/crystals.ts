import {
  BufferAttribute,
  BufferGeometry,
  Euler,
  Matrix3,
  Matrix4,
  Quaternion,
  Vector2,
  Vector3,
} from "three";
import {
  CAVE_TEXEL,
  CRYSTALS_SHADER,
  CRYSTALS_VERTEX_SHADER,
  DUST_SHADER,
  DUST_VERTEX_SHADER,
  PICTURE_SHADER,
  ROCK_SHADER,
  ROCK_VERTEX_SHADER,
} from "./crystals-shaders";
import {
  createCrystals,
  createRock,
  crystalPlace,
  CRYSTALS_PER_GROUP,
  groupDirections,
  N_CRYSTALS,
  N_GROUPS,
} from "./crystals-shapes";
import { CubeTextureBaker } from "./cube-texture";
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

const N_DUST = 260;

/** From the camera to the rock. */
const CAMERA_DISTANCE = 4.7;
/** Radians per second that the camera moves around it. */
const ORBIT_SPEED = 0.035;
/** Radians per second around one axis at full rotation speed. */
const TURN_SPEED = 0.6;

/** A beat reaches a group's outermost crystals so much later than the one in its middle. */
const SPREAD_SECONDS = 0.22;
/** And climbs from a crystal's foot to its tip in this time. */
const CLIMB_SECONDS = 0.14;

/** The background's hue turns by this part of the colour circle, the crystals' by less: they need not match. */
const HUE_SPAN = 0.7;
const CRYSTAL_HUE_SPAN = 0.25;
/** The groups' hues, from the seed's: neighbours, and one from elsewhere. */
const HUE_OFFSETS = [0, 0.09, -0.08, 0.16, -0.15, 0.36] as const;

/** Where the lamps stand in the cave: above, at both sides, and behind. */
const LAMPS = [
  [0.25, 1, 0.3],
  [-1, 0.25, 0.35],
  [0.95, -0.1, 0.3],
  [0.1, -0.35, -1],
] as const;

/** From cyan over blue and violet to red, and back: a dark yellow or green cave would be mud. */
const caveHue = (hue: number): number => 0.77 + 0.24 * Math.sin(2 * Math.PI * hue);

function createDust(random: Random): BufferGeometry {
  const values = Float32Array.from({ length: 4 * N_DUST }, (_, index) =>
    index % 4 === 3 ? random() : 6 * (random() - 0.5),
  );
  const dust = new BufferGeometry();
  dust.setAttribute("position", new BufferAttribute(values, 4));
  return dust;
}

function createCrystalsVisual({ canvas, seed, reducedMotion }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);
  const pace = reducedMotion ? 0.3 : 1;

  const firstHue = random();
  const firstCaveHue = random();
  const firstYaw = 2 * Math.PI * random();
  const firstTurn = new Quaternion().setFromEuler(
    new Euler(2 * Math.PI * random(), 2 * Math.PI * random(), 2 * Math.PI * random()),
  );
  const directions = groupDirections(random);

  const uNoise = { value: scope.own(createNoiseTexture(random)) };
  const cave = new CubeTextureBaker(scope, 256, CAVE_TEXEL, {
    uNoise,
    uOffset: { value: new Vector3(random(), random(), random()).multiplyScalar(NOISE_SIZE) },
  });
  const bake = (): void => {
    cave.bake(renderer);
  };
  bake();
  scope.listen(canvas, "webglcontextrestored", bake);

  const target = lightTarget(scope, true);
  target.samples = 4; // straight edges everywhere
  const glow = new Glow(scope, target.texture);
  const echoes = [new Echo([4, 5, 6, 7]), new Echo([8, 9])];

  const core = new Float32Array(3 * N_GROUPS);
  const tip = new Float32Array(3 * N_GROUPS);
  const lit = new Float32Array(N_GROUPS);
  const force = new Float32Array(2 * N_CRYSTALS);
  const lamps = new Float32Array(3 * LAMPS.length);
  const uniforms = {
    uNoise,
    uCave: { value: cave.texture },
    uView: { value: new Matrix3() },
    uTurn: { value: new Matrix3() },
    uCamera: { value: new Vector3() },
    uAway: { value: CAMERA_DISTANCE },
    uRaised: { value: 0.08 },
    uTangent: { value: new Vector2(1, 1) },
    uPixels: { value: new Vector2(1, 1) },
    uTime: { value: 0 },
    uDeep: { value: new Vector3() },
    uHaze: { value: new Vector3() },
    uOtherHaze: { value: new Vector3() },
    uFog: { value: new Vector3() },
    uLampsAt: { value: LAMPS.map((at) => new Vector3(...at).normalize()) },
    uLamps: { value: lamps },
    uCore: { value: core },
    uTip: { value: tip },
    uForce: { value: force },
    uLit: { value: lit },
    uDirections: { value: directions },
    uScene: { value: target.texture },
    uGlow: { value: glow.texture },
  };
  const scenePass = new ScenePass(scope, [
    {
      geometry: createRock(random),
      vertexShader: ROCK_VERTEX_SHADER,
      fragmentShader: ROCK_SHADER,
      uniforms,
      matter: "solid",
    },
    {
      geometry: createCrystals(directions, random),
      vertexShader: CRYSTALS_VERTEX_SHADER,
      fragmentShader: CRYSTALS_SHADER,
      uniforms,
      matter: "solid",
    },
    {
      geometry: createDust(random),
      vertexShader: DUST_VERTEX_SHADER,
      fragmentShader: DUST_SHADER,
      uniforms,
      matter: "veil",
      points: true,
    },
  ]);
  const picturePass = fullScreenPass(scope, PICTURE_SHADER, uniforms);

  const angles = new Euler();
  const turn = new Quaternion();
  const matrix = new Matrix4();

  function placeThings(frame: VisualFrame): void {
    const seconds = frame.musicSeconds * pace;
    uniforms.uTime.value = seconds;
    const angle = (axis: number): number => TURN_SPEED * pace * (frame.travel[axis] ?? 0);
    turn.setFromEuler(angles.set(angle(0), angle(1), angle(2))).multiply(firstTurn);
    uniforms.uTurn.value.setFromMatrix4(matrix.makeRotationFromQuaternion(turn));

    angles.set(0.1 + 0.05 * Math.sin(0.11 * seconds), firstYaw + ORBIT_SPEED * seconds, 0);
    const view = uniforms.uView.value.setFromMatrix4(matrix.makeRotationFromEuler(angles));
    const { elements } = view;
    // The rows of a rotation are where the camera's axes point.
    uniforms.uCamera.value.set(elements[2], elements[5], elements[8]).multiplyScalar(CAMERA_DISTANCE);
  }

  const past = (group: number, secondsAgo: number): number =>
    echoes[group < 4 ? 0 : 1]?.at(group % 4, secondsAgo) ?? 0;

  function growThings(): void {
    for (let crystal = 0; crystal < N_CRYSTALS; crystal++) {
      const group = Math.floor(crystal / CRYSTALS_PER_GROUP);
      const late = SPREAD_SECONDS * crystalPlace(crystal);
      force[2 * crystal] = past(group, late);
      force[2 * crystal + 1] = past(group, late + CLIMB_SECONDS);
    }
    for (let group = 0; group < N_GROUPS; group++) lit[group] = 0.1 + 0.9 * past(group, 0) ** 2;
  }

  const color = [0, 0, 0];
  function paint(vector: Vector3, lightness: number, chroma: number, hue: number, strength = 1): void {
    writeOklch(color, 0, lightness, chroma, hue);
    vector.fromArray(color).multiplyScalar(strength);
  }
  function paintLamp(lamp: number, lightness: number, chroma: number, hue: number, strength: number): void {
    writeOklch(lamps, 3 * lamp, lightness, chroma, hue);
    for (let channel = 3 * lamp; channel < 3 * lamp + 3; channel++) {
      lamps[channel] = strength * (lamps[channel] ?? 0);
    }
  }

  function colorThings(frame: VisualFrame): void {
    const chosen = (frame.parameters[3] ?? 0) - 0.5;
    const background = firstCaveHue + HUE_SPAN * chosen;
    const crystal = firstHue + CRYSTAL_HUE_SPAN * chosen;
    const hue = caveHue(background);
    const otherHue = caveHue(background + 0.16);
    paint(uniforms.uDeep.value, 0.3, 0.07, hue);
    paint(uniforms.uHaze.value, 0.55, 0.13, hue);
    paint(uniforms.uOtherHaze.value, 0.5, 0.14, otherHue);
    paint(uniforms.uFog.value, 0.38, 0.09, hue);
    paintLamp(0, 0.96, 0.02, hue, 1.5);
    paintLamp(1, 0.75, 0.14, hue, 1.1);
    paintLamp(2, 0.78, 0.13, crystal + 0.1, 1.1);
    paintLamp(3, 0.75, 0.14, otherHue, 1.2);
    for (let group = 0; group < N_GROUPS; group++) {
      const own = crystal + (HUE_OFFSETS[group] ?? 0);
      writeOklch(core, 3 * group, 0.62, 0.23, own);
      writeOklch(tip, 3 * group, 0.8, 0.15, own + 0.07);
    }
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      renderer.getDrawingBufferSize(uniforms.uPixels.value);
      const { x, y } = uniforms.uPixels.value;
      target.setSize(x, y);
      glow.resize(x, y);
      const tangent = mix(1, 0.92, Math.min(width / height, 1)) * halfHeightTangent(width / height);
      uniforms.uTangent.value.set((tangent * width) / height, tangent);
    },
    render(frame) {
      for (const echo of echoes) echo.listen(frame);
      placeThings(frame);
      growThings();
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

export const crystals: VisualDefinition = {
  id: "crystals",
  title: "Crystals",
  description: "Six groups of crystals that grow out of a floating rock and light up from within.",
  parameters: [
    ...["x", "y", "z"].map((axis) => ({
      name: `rotation-speed-${axis}`,
      label: `Rotation speed ${axis}`,
      rest: 0.3,
      moves: false,
    })),
    { name: "background-hue", label: "Background hue", rest: 0.5, moves: false },
    ...[1, 2, 3, 4, 5, 6].map((group) => ({
      name: `group-${group}-size`,
      label: `Size of group ${group}`,
      rest: 0.45,
      moves: true,
    })),
  ],
  create: createCrystalsVisual,
};
