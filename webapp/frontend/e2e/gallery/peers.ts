/** Other people's visualisers, drawn offline: benchmarks/follow.mjs installs them, nothing that ships knows them. */
import { createRandom } from "../../src/visuals/random";
import { copyRgb, inBase64, type Shot } from "./film";

/** They are drawn larger and made small: their lines are as thick as on a screen. */
const SCALE = 4;
const SEED = 1;
/** Of audioMotion, bands of a third of an octave. */
const THIRDS = 6;

interface Visualizer {
  loadPreset(preset: unknown, blendSeconds: number): void;
  render(options: {
    readonly elapsedTime: number;
    readonly audioLevels: Readonly<Record<"timeByteArray" | "timeByteArrayL" | "timeByteArrayR", Uint8Array>>;
  }): void;
}

interface Analyzer {
  readonly canvas: HTMLCanvasElement;
  /** What its animation frames call. */
  _draw(timestampMs: number): void;
  /** Its clock's origin. */
  _time: number;
  destroy(): void;
}

type AnalyzerClass = new (container: HTMLElement, options: Readonly<Record<string, unknown>>) => Analyzer;

declare global {
  interface Window {
    /** The script of butterchurn 2.6.7. */
    readonly butterchurn: {
      readonly default: {
        createVisualizer(
          context: BaseAudioContext,
          canvas: HTMLCanvasElement,
          options: Readonly<Record<string, unknown>>,
        ): Visualizer;
      };
    };
    readonly butterchurnPresets: { getPresets(): Readonly<Record<string, unknown>> };
  }
}

/** Samples that butterchurn looks at, and what one is in a byte: as an AnalyserNode has it. */
const BUTTERCHURN_SAMPLES = 1024;

/** A preset's frames; all from the clip's start are drawn, as each goes on from the one before. */
export async function filmButterchurn(
  samples: Float32Array,
  sampleRateHz: number,
  preset: string,
  shot: Shot,
): Promise<string> {
  const known = window.butterchurnPresets.getPresets()[preset];
  if (!known) throw new Error(`butterchurn-presets has no "${preset}".`);
  const canvas = document.createElement("canvas");
  const [width, height] = [SCALE * shot.width, SCALE * shot.height];
  [canvas.width, canvas.height] = [width, height];
  const take = camera(canvas, shot);
  const random = Math.random;
  Math.random = createRandom(SEED); // presets draw lots
  try {
    const context = new OfflineAudioContext(1, 1, sampleRateHz);
    const visualizer = window.butterchurn.default.createVisualizer(context, canvas, {
      width,
      height,
      pixelRatio: 1,
    });
    visualizer.loadPreset(known, 0);
    const heard = new Uint8Array(BUTTERCHURN_SAMPLES);
    for (let frame = 0; frame < shot.first + shot.count; frame++) {
      const end = Math.round((frame * sampleRateHz) / shot.framesPerSecond);
      for (let i = 0; i < heard.length; i++) {
        const sample = samples[end - heard.length + i] ?? 0;
        heard[i] = Math.min(255, Math.max(0, Math.floor(128 * (1 + sample))));
      }
      const audioLevels = { timeByteArray: heard, timeByteArrayL: heard, timeByteArrayR: heard };
      visualizer.render({ audioLevels, elapsedTime: 1 / shot.framesPerSecond });
      take(frame);
    }
  } finally {
    Math.random = random;
    canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return inBase64(take.film);
}

/** audioMotion-analyzer's frames: its own AnalyserNode in an offline context that stops at each of them. */
export async function filmAudioMotion(
  samples: Float32Array,
  sampleRateHz: number,
  shot: Shot,
): Promise<string> {
  const address = "/peers/audiomotion-analyzer/src/audioMotion-analyzer.js";
  const { default: Analyzer } = (await import(/* @vite-ignore */ address)) as { default: AnalyzerClass };
  const context = new OfflineAudioContext(1, samples.length, sampleRateHz);
  const buffer = context.createBuffer(1, samples.length, sampleRateHz);
  buffer.copyToChannel(Float32Array.from(samples), 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  const nextFrame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = () => 0; // it asks for the next frame in each
  try {
    const analyzer = new Analyzer(document.createElement("div"), {
      ...{ source, start: false, mode: THIRDS, showScaleX: false, gradient: "prism" },
      ...{ width: SCALE * shot.width, height: SCALE * shot.height },
    });
    analyzer._time = 0;
    const take = camera(analyzer.canvas, shot);
    const failures: unknown[] = [];
    for (let frame = 0; frame < shot.first + shot.count; frame++) {
      void context
        .suspend(frame / shot.framesPerSecond)
        .then(() => {
          analyzer._draw((1000 * frame) / shot.framesPerSecond);
          take(frame);
        })
        .catch((error: unknown) => failures.push(error))
        .then(() => context.resume());
    }
    source.start();
    await context.startRendering();
    if (failures.length > 0) throw failures[0];
    analyzer.destroy();
    return await inBase64(take.film);
  } finally {
    window.requestAnimationFrame = nextFrame;
  }
}

/** What keeps the shot's frames of a canvas, made small. */
function camera(
  canvas: HTMLCanvasElement,
  { width, height, first, count, every }: Shot,
): ((frame: number) => void) & { readonly film: Uint8Array<ArrayBuffer> } {
  const small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  const context = small.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("The frames cannot be made small.");
  context.imageSmoothingQuality = "high";
  const size = 3 * width * height;
  const film = new Uint8Array(size * Math.ceil(count / every));
  const take = (frame: number): void => {
    const place = frame - first;
    if (place < 0 || place >= count || place % every !== 0) return;
    context.drawImage(canvas, 0, 0, width, height);
    copyRgb(context.getImageData(0, 0, width, height).data, film.subarray((size * place) / every));
  };
  return Object.assign(take, { film });
}
