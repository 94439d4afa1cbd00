import { Vector2, Vector3 } from "three";
import { mix } from "./curves";
import { fullScreenPass } from "./pass";
import { createRandom } from "./random";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions, VisualParameter } from "./visual";
import { SHEARS, WAVES_SHADER } from "./waves-shaders";

const TAU = 2 * Math.PI;

const PARAMETERS: readonly VisualParameter[] = [
  { name: "hue", label: "Hue", rest: 0.5, moves: false },
  { name: "saturation", label: "Saturation", rest: 0.55, moves: false },
  { name: "brightness", label: "Brightness", rest: 0.45, moves: true },
  { name: "colours", label: "Colours", rest: 0.4, moves: true },
  { name: "hue-variation", label: "Hue variation", rest: 0.35, moves: false },
  { name: "wave-density", label: "Wave density", rest: 0.4, moves: false },
  { name: "wave-displacement", label: "Wave displacement", rest: 0.45, moves: true },
  { name: "wave-speed", label: "Wave speed", rest: 0.2, moves: true },
  { name: "distortion-x", label: "Distortion x", rest: 0.45, moves: true },
  { name: "distortion-y", label: "Distortion y", rest: 0.45, moves: true },
];

function createWavesVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);

  /** The plane is sheared along x, along y and obliquely by turns: each has a parameter of its own. */
  const shears = Array.from({ length: SHEARS }, (_, index) => ({
    kind: index % 3,
    angle: [0, TAU / 4, TAU * (0.08 + 0.09 * random())][index % 3] ?? 0,
    frequency: 1.35 * 1.17 ** index * (0.9 + 0.2 * random()),
    phase: TAU * random(),
    drift: (0.1 + 0.12 * random()) * (random() < 0.5 ? -1 : 1),
  }));
  const firstLight = TAU * random();
  const firstPattern = [TAU * random(), TAU * random()] as const;

  const uniforms = {
    uExtent: { value: new Vector2(1, 1) },
    uPixel: { value: 0.01 },
    uShears: { value: new Float32Array(4 * SHEARS) },
    uPhases: { value: new Float32Array(SHEARS) },
    uPattern: { value: new Vector2() },
    uDensity: { value: 1 },
    uFlow: { value: 0 },
    uPulse: { value: 0 },
    uRelief: { value: 1 },
    uHue: { value: 0 },
    uChroma: { value: 0 },
    uBrightness: { value: 1 },
    uCrests: { value: 1 },
    uColors: { value: 0 },
    uVariation: { value: 0 },
    uLight: { value: new Vector3() },
  };
  const pass = fullScreenPass(scope, WAVES_SHADER, uniforms);

  function listen(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const time = frame.musicSeconds;
    const flow = frame.travel[7] ?? 0;
    // Strong onsets stand out; weak ones hardly move what has to come back from them.
    const pulse = frame.pulse ** 1.5;
    uniforms.uPulse.value = pulse;

    uniforms.uHue.value = 0.72 + 1.1 * (parameter(0) - 0.5);
    uniforms.uChroma.value = mix(0.055, 0.2, parameter(1) ** 0.8);
    // Mostly the crests and what they mirror: a beat lights them up but does not flash the picture.
    uniforms.uCrests.value = mix(0.25, 1.35, parameter(2));
    uniforms.uBrightness.value = mix(1.12, 1.17, parameter(2));
    uniforms.uColors.value = mix(0.08, 0.62, parameter(3));
    uniforms.uVariation.value = mix(0.06, 0.75, parameter(4) ** 1.3);
    uniforms.uDensity.value = mix(6, 28, parameter(5) ** 1.3);
    uniforms.uRelief.value = mix(0.3, 0.85, parameter(6));
    uniforms.uFlow.value = 2.2 * flow + 0.7 * time;

    const amplitudes = [
      mix(0.1, 0.85, parameter(8)),
      mix(0.1, 0.85, parameter(9)),
      mix(0.15, 0.7, parameter(6)),
    ];
    shears.forEach(({ kind, angle, frequency, phase, drift }, index) => {
      const amplitude = (amplitudes[kind] ?? 0) / frequency;
      const [x, y] = [Math.cos(angle), Math.sin(angle)];
      uniforms.uShears.value.set([amplitude * x, amplitude * y, -frequency * y, frequency * x], 4 * index);
      uniforms.uPhases.value[index] = phase + drift * (1.5 * time + 0.9 * flow);
    });
    uniforms.uPattern.value.set(firstPattern[0] + 0.05 * time, firstPattern[1] - 0.04 * time);

    const turn = firstLight + 0.07 * time;
    uniforms.uLight.value.set(0.75 * Math.cos(turn), 0.6 + 0.25 * Math.sin(turn), 0.75).normalize();
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      // The same area whatever the shape: portrait pictures show waves of the same size.
      const unit = Math.sqrt(width * height);
      uniforms.uExtent.value.set(width / unit, height / unit);
      uniforms.uPixel.value = 2 / (unit * pixelRatio);
    },
    render(frame) {
      listen(frame);
      pass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const waves: VisualDefinition = {
  id: "waves",
  title: "Psychedelic waves",
  description: "Folds of an iridescent liquid that flow, twist and change their colours.",
  parameters: PARAMETERS,
  create: createWavesVisual,
};
