import { Vector2, Vector3, WebGLRenderTarget } from "three";
import { BAR_COUNT, barLayout } from "./bar-layout";
import {
  ATMOSPHERE_SHADER,
  BACKDROP_SHADER,
  BARS_SHADER,
  BARS_VERTEX_SHADER,
  EMBERS_SHADER,
  EMBERS_VERTEX_SHADER,
} from "./bar-shaders";
import { writeOklch } from "./oklch";
import { fullScreenPass, Pass, quads } from "./pass";
import { createRandom } from "./random";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

export { barLayout, LIT_LUMA, type BarPlace } from "./bar-layout";

/** The atmosphere is drawn with one pixel for this many of the picture, in each direction ... */
const ATMOSPHERE_SCALE = 4;
/** ... but no smaller than this, in pixels of its longer side, unless the picture is. */
const ATMOSPHERE_LEAST = 160;

/** As in the shader. */
const EMBERS_PER_BAR = 7;

/** The bars' hues span this part of the colour circle. All of it would look like a test card. */
const HUE_SPAN = 0.5;
/** The hues swing to and fro by this part of the circle: all the way around they would pass muddy yellow skies. */
const HUE_SWING = 0.14;
/** Of the swing, in radians per second of music at full parameters: once to and fro in four loud minutes. */
const HUE_PACE = 0.026;

/** What the greatest pulse does: bars grow by this share, and everything comes nearer. */
const KICK = { length: 0.25, zoom: 0.12 };

function createBarVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);
  const firstHue = 0.6 + 0.16 * (random() - 0.5);

  let pixelRatio = 1;
  const lengths = new Float32Array(BAR_COUNT);
  const travel = new Float32Array(BAR_COUNT);
  const colors = new Float32Array(3 * BAR_COUNT);
  const sky = new Float32Array(3);

  const atmosphere = scope.own(new WebGLRenderTarget(1, 1, { depthBuffer: false, generateMipmaps: false }));
  const uniforms = {
    uSize: { value: new Vector2(1, 1) },
    uPixelRatio: { value: 1 },
    uBaseline: { value: 0 },
    uFullLength: { value: 1 },
    uLeft: { value: 0 },
    uPitch: { value: 1 },
    uHalfWidth: { value: 1 },
    uLengths: { value: lengths },
    uTravel: { value: travel },
    uColors: { value: colors },
    uSkyHigh: { value: new Vector3() },
    uSkyLow: { value: new Vector3() },
    uTime: { value: 0 },
    uZoom: { value: 1 },
    uPulse: { value: 0 },
    uSeed: { value: random() },
    uAtmosphere: { value: atmosphere.texture },
  };
  const atmospherePass = fullScreenPass(scope, ATMOSPHERE_SHADER, uniforms);
  const picturePasses = [
    fullScreenPass(scope, BACKDROP_SHADER, uniforms),
    new Pass(scope, {
      geometry: quads(2 * BAR_COUNT),
      vertexShader: BARS_VERTEX_SHADER,
      fragmentShader: BARS_SHADER,
      uniforms,
      blend: true,
    }),
    new Pass(scope, {
      geometry: quads(BAR_COUNT * EMBERS_PER_BAR),
      vertexShader: EMBERS_VERTEX_SHADER,
      fragmentShader: EMBERS_SHADER,
      uniforms,
      blend: true,
    }),
  ];

  /** All that the picture owes to the music: where it stands now, and how far it has come. */
  function listen(frame: VisualFrame): void {
    // Strong onsets stand out; weak ones hardly move what has to come back from them.
    const pulse = frame.pulse ** 1.5;
    let energy = 0;
    let distance = 0;
    for (let index = 0; index < BAR_COUNT; index++) {
      lengths[index] = Math.min(1, (frame.parameters[index] ?? 0) * (1 + KICK.length * pulse));
      travel[index] = frame.travel[index] ?? 0;
      energy += (frame.parameters[index] ?? 0) / BAR_COUNT;
      distance += (frame.travel[index] ?? 0) / BAR_COUNT;
    }
    const hue = firstHue + HUE_SWING * Math.sin(distance * HUE_PACE);
    for (let index = 0; index < BAR_COUNT; index++) {
      writeOklch(colors, 3 * index, 0.76, 0.17, hue + (HUE_SPAN * index) / (BAR_COUNT - 1));
    }
    writeOklch(sky, 0, 0.13 + 0.03 * energy, 0.04, hue + 0.08);
    uniforms.uSkyHigh.value.fromArray(sky);
    writeOklch(sky, 0, 0.24 + 0.07 * energy, 0.06, hue + 0.3);
    uniforms.uSkyLow.value.fromArray(sky);
    uniforms.uTime.value = frame.musicSeconds;
    const zoom = 1 + KICK.zoom * pulse;
    uniforms.uZoom.value = zoom;
    uniforms.uPixelRatio.value = pixelRatio * zoom;
    uniforms.uPulse.value = pulse;
  }

  return {
    resize(width, height, ratio) {
      renderer.setPixelRatio(ratio);
      renderer.setSize(width, height, false);
      const longer = Math.max(width, height) * ratio;
      const scale = Math.max(1, Math.min(ATMOSPHERE_SCALE, longer / ATMOSPHERE_LEAST));
      atmosphere.setSize(
        Math.max(1, Math.ceil((width * ratio) / scale)),
        Math.max(1, Math.ceil((height * ratio) / scale)),
      );
      const [first, second] = barLayout(width, height);
      if (first === undefined || second === undefined) return;
      uniforms.uSize.value.set(width, height);
      uniforms.uBaseline.value = height - first.baseline;
      uniforms.uFullLength.value = first.fullLength;
      uniforms.uLeft.value = (first.left + first.right) / 2;
      uniforms.uPitch.value = second.left - first.left;
      pixelRatio = ratio;
      uniforms.uHalfWidth.value = (first.right - first.left) / 2;
    },
    render(frame) {
      listen(frame);
      atmospherePass.render(renderer, atmosphere);
      for (const pass of picturePasses) pass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const bar: VisualDefinition = {
  id: "bar",
  title: "Bars",
  description: "Ten tubes of light, each as long as its parameter is high.",
  parameters: Array.from({ length: BAR_COUNT }, (_, index) => ({
    name: `bar-${index + 1}`,
    label: `Bar ${index + 1}`,
    rest: 0.08,
    moves: true,
  })),
  create: createBarVisual,
};
