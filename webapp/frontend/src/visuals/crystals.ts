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
import { createCrystals, createRock, groupDirections, N_GROUPS } from "./crystals-shapes";
import { CubeTextureBaker } from "./cube-texture";
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
const CAMERA_DISTANCE = 4.35;
/** Radians per musical second that the camera moves around it. */
const ORBIT_SPEED = 0.35;
/** Radians per musical second around one axis at full rotation speed. */
const TURN_SPEED = 0.8;
/** And that lamps and shafts of light wander through the cave. */
const LAMP_SPEED = 0.5;

/** What a group gets of a beat at least; the groups take turns in musical time. */
const LEAST_SHARE = 0.45;
/** The strongest beat brings the picture nearer by this part, rolls it by so many radians at most ... */
const RECOIL = 0.07;
const RECOIL_ROLL = 0.06;
/** ... and turns the cave's hue. */
const RECOIL_HUE = 0.1;

/** The background's hue turns by this part of the colour circle, the crystals' by less: they need not match. */
const HUE_SPAN = 0.7;
const CRYSTAL_HUE_SPAN = 0.25;
/** The groups' hues, from the seed's: neighbours, and one from elsewhere. */
const HUE_OFFSETS = [0, 0.09, -0.08, 0.16, -0.15, 0.36] as const;

/** Where the lamps stand in the cave: above, at both sides, and behind. */
const LAMPS: readonly (readonly [number, number, number])[] = [
  [0.25, 1, 0.3],
  [-1, 0.25, 0.35],
  [0.95, -0.1, 0.3],
  [0.1, -0.35, -1],
];

const UP = new Vector3(0, 1, 0);

/** How bright the crystals throw light on the walls at the strongest beat. */
const WASH = 0.085;
/** The light that crystals throw on the walls at a beat is taken from the cave's own: it moves, and does not flash. */
const DIMMING = 0.6;
/** As an eye would, the picture takes in less light where much comes. */
const IRIS = 0.22;

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

function createCrystalsVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);

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

  const core = new Float32Array(3 * N_GROUPS);
  const tip = new Float32Array(3 * N_GROUPS);
  const lit = new Float32Array(N_GROUPS);
  const sizes = new Float32Array(N_GROUPS);
  const beats = new Float32Array(N_GROUPS);
  const lamps = new Float32Array(3 * LAMPS.length);
  const uniforms = {
    uNoise,
    uCave: { value: cave.texture },
    uView: { value: new Matrix3() },
    uTurn: { value: new Matrix3() },
    uCamera: { value: new Vector3() },
    uAway: { value: CAMERA_DISTANCE },
    uRaised: { value: 0.08 },
    uExposure: { value: 1 },
    uTangent: { value: new Vector2(1, 1) },
    uPixels: { value: new Vector2(1, 1) },
    uTime: { value: 0 },
    uDeep: { value: new Vector3() },
    uHaze: { value: new Vector3() },
    uOtherHaze: { value: new Vector3() },
    uFog: { value: new Vector3() },
    uLampsAt: { value: LAMPS.map((at) => new Vector3(...at)) },
    uLamps: { value: lamps },
    uCore: { value: core },
    uTip: { value: tip },
    uSizes: { value: sizes },
    uBeats: { value: beats },
    uLit: { value: lit },
    uWash: { value: new Vector3() },
    uWashTo: { value: new Matrix3() },
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

  let tangent = 1;
  let aspect = 1;
  const angles = new Euler();
  const looks = new Euler(0, 0, 0, "ZXY");
  const turn = new Quaternion();
  const matrix = new Matrix4();
  const own = new Vector3();
  const pointing = new Vector3();

  function placeThings(frame: VisualFrame): void {
    const seconds = frame.musicSeconds;
    uniforms.uTime.value = seconds;
    const angle = (axis: number): number => TURN_SPEED * (frame.travel[axis] ?? 0);
    turn.setFromEuler(angles.set(angle(0), angle(1), angle(2))).multiply(firstTurn);
    uniforms.uTurn.value.setFromMatrix4(matrix.makeRotationFromQuaternion(turn));

    const hit = frame.pulse;
    const zoom = tangent * (1 - RECOIL * hit);
    uniforms.uTangent.value.set(zoom * aspect, zoom);
    looks.set(
      0.1 + 0.08 * Math.sin(0.5 * seconds),
      firstYaw + ORBIT_SPEED * seconds,
      RECOIL_ROLL * hit * Math.sin(1.7 * seconds),
    );
    const view = uniforms.uView.value.setFromMatrix4(matrix.makeRotationFromEuler(looks));
    const { elements } = view;
    // The rows of a rotation are where the camera's axes point.
    uniforms.uCamera.value.set(elements[2], elements[5], elements[8]).multiplyScalar(CAMERA_DISTANCE);

    LAMPS.forEach((at, lamp) => {
      uniforms.uLampsAt.value[lamp]
        ?.set(...at)
        .normalize()
        .applyAxisAngle(UP, LAMP_SPEED * seconds);
    });
  }

  function growThings(frame: VisualFrame): void {
    const seconds = frame.musicSeconds;
    const hit = frame.pulse;
    for (let group = 0; group < N_GROUPS; group++) {
      const size = frame.parameters[4 + group] ?? 0;
      const turn = 0.5 + 0.5 * Math.sin(0.9 * seconds + 2.4 * group);
      const beat = mix(LEAST_SHARE, 1, turn) * hit;
      sizes[group] = size;
      beats[group] = beat;
      lit[group] = 0.1 + 0.9 * Math.min(1, size + beat) ** 2;
    }
  }

  /** What the groups throw on the walls: each lights up the side of the cave that it points to. */
  function lightWalls(frame: VisualFrame): void {
    const wash = uniforms.uWash.value.set(0, 0, 0);
    const to = uniforms.uWashTo.value.elements.fill(0);
    for (let group = 0; group < N_GROUPS; group++) {
      const direction = directions[group];
      if (!direction) continue;
      const strength = 0.12 * (sizes[group] ?? 0) + 0.2 * (beats[group] ?? 0);
      own.fromArray(core, 3 * group).multiplyScalar(strength / 3);
      wash.addScaledVector(own, 0.4);
      pointing.copy(direction).applyMatrix3(uniforms.uTurn.value);
      // Column by column: the colour, times each coordinate of where it points.
      for (let axis = 0; axis < 3; axis++) {
        for (let channel = 0; channel < 3; channel++) {
          to[3 * axis + channel] =
            (to[3 * axis + channel] ?? 0) + own.getComponent(channel) * pointing.getComponent(axis);
        }
      }
    }
    // On the wall that is looked at it is as bright at every beat, whichever groups point there.
    own.copy(uniforms.uCamera.value).normalize().negate().applyMatrix3(uniforms.uWashTo.value).add(wash);
    const level = 0.2126 * Math.max(0, own.x) + 0.7152 * Math.max(0, own.y) + 0.0722 * Math.max(0, own.z);
    const wanted = 0.02 + WASH * frame.pulse;
    const scale = wanted / (level + 0.04);
    wash.multiplyScalar(scale);
    uniforms.uWashTo.value.multiplyScalar(scale);
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
    const background = firstCaveHue + HUE_SPAN * chosen + RECOIL_HUE * frame.pulse;
    const crystal = firstHue + CRYSTAL_HUE_SPAN * chosen;
    const hue = caveHue(background);
    const otherHue = caveHue(background + 0.16);
    uniforms.uExposure.value = 1.45 * (1 - IRIS * frame.pulse);
    const left = 1 - DIMMING * frame.pulse;
    paint(uniforms.uDeep.value, 0.3, 0.07, hue, left);
    paint(uniforms.uHaze.value, 0.55, 0.13, hue, left);
    paint(uniforms.uOtherHaze.value, 0.5, 0.14, otherHue, left);
    paint(uniforms.uFog.value, 0.38, 0.09, hue, left);
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
      aspect = width / height;
      tangent = mix(1, 0.85, Math.min(aspect, 1)) * halfHeightTangent(aspect);
    },
    render(frame) {
      placeThings(frame);
      growThings(frame);
      colorThings(frame);
      lightWalls(frame);
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
