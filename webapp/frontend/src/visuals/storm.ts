import { InstancedBufferAttribute, Vector2, Vector3, Vector4, WebGLRenderTarget } from "three";
import { emphasised, mix } from "./curves";
import { createNoiseTexture } from "./noise-texture";
import { writeOklch } from "./oklch";
import { fullScreenPass, Pass, quads } from "./pass";
import { createRandom, type Random } from "./random";
import { rendererFor } from "./renderer";
import { ResourceScope } from "./scope";
import { CELL_VALUES, CELLS, writeStrikes } from "./storm-lightning";
import {
  BACKDROP_SHADER,
  BOLTS_SHADER,
  BOLTS_VERTEX_SHADER,
  DROPS,
  FUNNEL_SHADER,
  FUNNEL_VERTEX_SHADER,
  PUFFS_SHADER,
  PUFFS_VERTEX_SHADER,
  RAIN_SHADER,
  RAIN_VERTEX_SHADER,
  SKY_SHADER,
  STRANDS,
} from "./storm-shaders";
import type { Visual, VisualDefinition, VisualFrame, VisualOptions } from "./visual";

/** The sky is drawn with one pixel for this many of the picture, in each direction: clouds are soft. */
const SKY_SCALE = 3;

/** Above the horizon: this share of the picture's height. */
const SKY_SHARE = 0.75;

/** Clusters of clouds, from over the horizon to overhead. The funnel stands before the far ones. */
const FAR_CLUSTERS = 7;
const NEAR_CLUSTERS = 6;
const PUFFS_PER_CLUSTER = 7;

/** The clusters of one half of the sky, the farthest first: later ones are painted over earlier ones. */
function puffs(random: Random, clusters: number, overhead: boolean): ReturnType<typeof quads> {
  const cluster = new Float32Array(4 * clusters * PUFFS_PER_CLUSTER);
  const puff = new Float32Array(cluster.length);
  for (let c = 0; c < clusters; c++) {
    const order = c / (clusters - 1);
    const near = overhead ? mix(0.7, 1, order) : mix(0, 0.45, order);
    const x = ((c * 0.618034 + 0.12 * random()) * (overhead ? 1 : 2)) % 1;
    const altitude = overhead ? mix(1.06, 1.34, order) : mix(0.14, 0.42, order);
    const width = overhead ? 0.5 : mix(0.2, 0.36, order);
    const height = overhead ? 0.16 : mix(0.16, 0.3, order);
    const radius = overhead ? mix(0.32, 0.42, order) : mix(0.13, 0.24, order);
    const drift = mix(0.25, 1, near) * (0.85 + 0.3 * random());
    for (let p = 0; p < PUFFS_PER_CLUSTER; p++) {
      const i = 4 * (c * PUFFS_PER_CLUSTER + p);
      // Wide at its base, narrow on top.
      const up = p / (PUFFS_PER_CLUSTER - 1);
      const aside = (random() * 2 - 1) * width * (1 - 0.6 * up);
      cluster.set([x, altitude, near, drift], i);
      const rank = (p + 0.9 * random()) / PUFFS_PER_CLUSTER;
      puff.set(
        [
          aside,
          (up - 0.35) * height * 2,
          radius * mix(1.1, 0.75, up) * (0.8 + 0.4 * random()),
          0.9 * rank - 0.42,
        ],
        i,
      );
    }
  }
  const geometry = quads(clusters * PUFFS_PER_CLUSTER);
  geometry.setAttribute("aCluster", new InstancedBufferAttribute(cluster, 4));
  geometry.setAttribute("aPuff", new InstancedBufferAttribute(puff, 4));
  return geometry;
}

function createStormVisual({ canvas, seed }: VisualOptions): Visual {
  const renderer = rendererFor(canvas);
  const scope = new ResourceScope();
  const random = createRandom(seed);
  const sunSide = random() < 0.5 ? -1 : 1;
  const sunPlace = 0.25 + 0.35 * random();
  const funnelPlace = 0.2 + 0.3 * random();
  const warmHue = 0.1 + 0.13 * random(); // from rose to amber
  const coolHue = 0.62 + 0.16 * random(); // from teal to violet
  const lightningSeed = Math.floor(1e6 * random());
  const emberPhases = Array.from({ length: CELLS }, () => 2 * Math.PI * random());

  const strikes = new Float32Array(CELLS * CELL_VALUES);
  const color = new Float32Array(3);
  const cells = Array.from({ length: CELLS }, () => new Vector4());
  const embers = Array.from({ length: CELLS }, () => new Vector4());
  const sky = scope.own(new WebGLRenderTarget(1, 1, { depthBuffer: false, generateMipmaps: false }));

  const uniforms = {
    uNoise: { value: scope.own(createNoiseTexture(random)) },
    uAspect: { value: 1 },
    uTime: { value: 0 },
    uZoom: { value: 1 },
    uSunX: { value: 0 },
    uFunnelX: { value: 0 },
    uFunnel: { value: 0 },
    uSpin: { value: 0 },
    uWind: { value: 0 },
    uDetail: { value: 0 },
    uVeil: { value: 0 },
    uZenith: { value: new Vector3() },
    uHorizon: { value: new Vector3() },
    uSun: { value: new Vector3() },
    uCloudLit: { value: new Vector3() },
    uCloudShade: { value: new Vector3() },
    uCloudWarm: { value: new Vector3() },
    uGlow: { value: new Vector3() },
    uCells: { value: cells },
    uEmbers: { value: embers },
    uExposure: { value: 1.5 },
    uNumber: { value: 0 },
    uSize: { value: 1 },
    uSeparation: { value: 1 },
    uSky: { value: sky.texture },
    uSea: { value: new Vector3() },
    uBolt: { value: new Vector3() },
    uDrop: { value: new Vector3() },
    uRain: { value: 0 },
    uRainTravel: { value: 0 },
    uPixel: { value: 0.01 },
  };
  const skyPixel = { value: 0.01 };

  const bolts = (toSky: boolean): Pass =>
    new Pass(scope, {
      geometry: quads(CELLS * STRANDS),
      vertexShader: BOLTS_VERTEX_SHADER,
      fragmentShader: BOLTS_SHADER,
      uniforms: { ...uniforms, uToSky: { value: toSky ? 1 : 0 }, ...(toSky && { uPixel: skyPixel }) },
      blend: true,
    });
  const cloudPass = (clusters: number, overhead: boolean): Pass =>
    new Pass(scope, {
      geometry: puffs(random, clusters, overhead),
      vertexShader: PUFFS_VERTEX_SHADER,
      fragmentShader: PUFFS_SHADER,
      uniforms,
      blend: true,
    });
  const skyPasses = [
    fullScreenPass(scope, SKY_SHADER, uniforms),
    cloudPass(FAR_CLUSTERS, false),
    new Pass(scope, {
      geometry: quads(1),
      vertexShader: FUNNEL_VERTEX_SHADER,
      fragmentShader: FUNNEL_SHADER,
      uniforms,
      blend: true,
    }),
    cloudPass(NEAR_CLUSTERS, true),
    bolts(true),
  ];
  const picturePasses = [
    fullScreenPass(scope, BACKDROP_SHADER, uniforms),
    bolts(false),
    new Pass(scope, {
      geometry: quads(DROPS),
      vertexShader: RAIN_VERTEX_SHADER,
      fragmentShader: RAIN_SHADER,
      uniforms,
      blend: true,
    }),
  ];

  function paint(target: Vector3, lightness: number, chroma: number, hue: number): void {
    writeOklch(color, 0, lightness, chroma, hue);
    target.fromArray(color);
  }

  /** The hour: from a late afternoon that breaks through to a night that only the horizon remembers. */
  function chooseColors(darkness: number): void {
    const warm = warmHue + 0.05 * (0.5 - darkness);
    const cool = coolHue + 0.1 * (darkness - 0.5);
    paint(uniforms.uZenith.value, mix(0.5, 0.17, darkness), 0.06, cool);
    paint(uniforms.uHorizon.value, mix(0.82, 0.42, darkness), mix(0.09, 0.1, darkness), warm + 0.02);
    paint(uniforms.uSun.value, mix(0.93, 0.6, darkness), mix(0.11, 0.16, darkness), warm);
    paint(uniforms.uCloudLit.value, mix(0.7, 0.36, darkness), 0.045, cool - 0.02);
    paint(uniforms.uCloudShade.value, mix(0.25, 0.12, darkness), 0.06, cool + 0.03);
    paint(uniforms.uCloudWarm.value, mix(0.86, 0.5, darkness), mix(0.1, 0.13, darkness), warm - 0.01);
    paint(uniforms.uSea.value, mix(0.3, 0.13, darkness), 0.05, cool - 0.06);
    paint(uniforms.uDrop.value, mix(0.95, 0.72, darkness), 0.03, cool);
    paint(uniforms.uGlow.value, 0.78, 0.09, cool + 0.09);
    paint(uniforms.uBolt.value, 0.76, 0.12, cool + 0.09);
  }

  function listen(frame: VisualFrame): void {
    const parameter = (index: number): number => frame.parameters[index] ?? 0;
    const travel = (index: number): number => frame.travel[index] ?? 0;
    const time = frame.musicSeconds;
    // A beat is a gust: it drives the clouds on and swells them, and the storm comes nearer.
    const gust = frame.pulse;
    const aspect = uniforms.uAspect.value;
    uniforms.uTime.value = time;
    uniforms.uZoom.value = 1 + 0.14 * gust;
    uniforms.uWind.value = 0.6 * time + 0.6 * travel(0) + 0.3 * gust;
    uniforms.uDetail.value = parameter(1);
    uniforms.uNumber.value = parameter(2);
    uniforms.uSize.value = mix(0.68, 1.45, emphasised(parameter(3))) * (1 + 0.16 * gust);
    uniforms.uSeparation.value = mix(0.4, 1.45, emphasised(parameter(4))) * (1 + 0.1 * gust);
    uniforms.uFunnel.value = parameter(7) + 0.25 * gust;
    uniforms.uSpin.value = 0.9 * time + 2.4 * travel(7);
    uniforms.uRain.value = Math.min(1, parameter(8) + 0.4 * gust);
    uniforms.uRainTravel.value = 0.8 * time + 3.6 * travel(8);
    uniforms.uVeil.value = 0.35 + 0.5 * parameter(8);
    const breadth = Math.min(aspect, 1.9);
    uniforms.uSunX.value = sunSide * sunPlace * breadth;
    uniforms.uFunnelX.value = -sunSide * funnelPlace * breadth;
    // Its ends are near enough that the whole picture never brightens fast, whatever drives it.
    chooseColors(mix(0.13, 0.8, parameter(9)));

    let shining = 0;
    const duration = parameter(5);
    const interval = parameter(6);
    writeStrikes(strikes, lightningSeed, frame, interval, duration);
    for (let cell = 0; cell < CELLS; cell++) {
      const [place = 0, light = 0, bolt = 0, shape = 0] = strikes.subarray(
        CELL_VALUES * cell,
        CELL_VALUES * (cell + 1),
      );
      shining += light;
      cells[cell]?.set(place * aspect * 0.92, light, bolt, shape);
      const phase = emberPhases[cell] ?? 0;
      const spot = ((cell + 0.5) / CELLS) * 2 - 1 + 0.18 * Math.sin(0.11 * time + phase);
      const swell = 0.6 + 0.4 * Math.sin(0.7 * time + 2 * phase);
      embers[cell]?.set(
        spot * aspect,
        0.78 + 0.2 * Math.sin(0.17 * time + phase),
        swell * mix(0.06, 0.75, emphasised(duration)) * mix(1.15, 0.35, interval),
        mix(0.26, 0.44, duration),
      );
    }
    // The eye narrows before lightning: light moves from place to place, and the whole picture does not flash.
    uniforms.uExposure.value = 1.5 / (1 + shining);
  }

  return {
    resize(width, height, pixelRatio) {
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(width, height, false);
      const pixels = renderer.getDrawingBufferSize(new Vector2());
      const skyHeight = Math.max(1, Math.ceil((pixels.y * SKY_SHARE) / SKY_SCALE));
      sky.setSize(Math.max(1, Math.ceil(pixels.x / SKY_SCALE)), skyHeight);
      uniforms.uAspect.value = width / height;
      uniforms.uPixel.value = 2 / pixels.y;
      skyPixel.value = (2 * SKY_SHARE) / skyHeight;
    },
    render(frame) {
      listen(frame);
      for (const pass of skyPasses) pass.render(renderer, sky);
      for (const pass of picturePasses) pass.render(renderer, null);
    },
    dispose() {
      scope.dispose();
      renderer.setRenderTarget(null);
    },
  };
}

export const storm: VisualDefinition = {
  id: "storm",
  title: "Storm",
  description: "Heavy clouds over the sea, a whirlwind, rain, and lightning that glows inside the clouds.",
  parameters: [
    { name: "cloud-speed", label: "Cloud speed", rest: 0.4, moves: false },
    { name: "cloud-resolution", label: "Cloud fineness", rest: 0.55, moves: false },
    { name: "blob-number", label: "Number of clouds", rest: 0.5, moves: true },
    { name: "blob-size", label: "Cloud size", rest: 0.45, moves: true },
    { name: "blob-separation", label: "Cloud separation", rest: 0.45, moves: true },
    { name: "lightning-duration", label: "Lightning duration", rest: 0.35, moves: true },
    { name: "lightning-interval", label: "Lightning interval", rest: 0.5, moves: false },
    { name: "tornado-intensity", label: "Tornado intensity", rest: 0.4, moves: true },
    { name: "rain-speed", label: "Rain speed", rest: 0.4, moves: true },
    { name: "darkness", label: "Darkness", rest: 0.45, moves: false },
  ],
  create: createStormVisual,
};
