/** The page on which visuals.spec.ts looks at visuals without the rest of the playground. */
import { Color } from "three";
import { barLayout, LIT_LUMA } from "../../src/visuals/bar";
import { VISUALS } from "../../src/visuals";
import { calmFrame } from "../../src/visuals/calm";
import { createPicture } from "../../src/visuals/picture";
import { rendererFor } from "../../src/visuals/renderer";
import type { Visual, VisualDefinition } from "../../src/visuals/visual";
import { constant, frameAt, type Moment } from "./frames";

/** Linear. */
export type Light = [red: number, green: number, blue: number];

export interface Seen {
  /** On average. */
  light: Light;
  /** What red has more than green and blue together, on average. */
  excessOfRed: number;
}

/** Counts what is created on the GPU and not yet deleted: what `renderer.info` cannot see is seen here. */
const alive = new Map<string, number>();
for (const kind of ["Buffer", "Framebuffer", "Program", "Renderbuffer", "Shader", "Texture", "VertexArray"]) {
  const prototype = WebGL2RenderingContext.prototype as unknown as Record<
    string,
    (argument?: unknown) => unknown
  >;
  const create = prototype[`create${kind}`]!;
  const remove = prototype[`delete${kind}`]!;
  prototype[`create${kind}`] = function (this: WebGL2RenderingContext, argument) {
    alive.set(kind, (alive.get(kind) ?? 0) + 1);
    return create.call(this, argument);
  };
  prototype[`delete${kind}`] = function (this: WebGL2RenderingContext, argument) {
    if (argument !== null && argument !== undefined) alive.set(kind, (alive.get(kind) ?? 0) - 1);
    return remove.call(this, argument);
  };
}

const canvas = document.querySelector("canvas")!;
const snapshots = new Map<string, Uint8Array>();
let visual: Visual | undefined;
let hear = frameAt;

export const harness = {
  ids: VISUALS.map(({ id }) => id),
  rest: Object.fromEntries(VISUALS.map(({ id, parameters }) => [id, parameters.map(({ rest }) => rest)])),
  barLayout,
  litLuma: LIT_LUMA,

  create(id: string, seed = 1, calm = false): void {
    const definition = VISUALS.find((candidate) => candidate.id === id)!;
    visual = definition.create({ canvas, seed });
    hear = calm ? (moment) => calmFrame(frameAt(moment)) : frameAt;
  },

  resize(width: number, height: number, pixelRatio = 1): void {
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    visual!.resize(width, height, pixelRatio);
  },

  /** Draw a frame as the page does. */
  draw(moment: Moment): void {
    visual!.render(hear(moment));
  },

  /** Draw a frame, wait until the GPU is done, and keep its pixels under a name. */
  render(moment: Moment, name?: string): void {
    visual!.render(hear(moment));
    const gl = canvas.getContext("webgl2")!;
    const pixels = new Uint8Array(
      name === undefined ? 4 : gl.drawingBufferWidth * gl.drawingBufferHeight * 4,
    );
    const [width, height] = name === undefined ? [1, 1] : [gl.drawingBufferWidth, gl.drawingBufferHeight];
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    if (name !== undefined) snapshots.set(name, pixels);
  },

  /** How two kept frames differ: mean and greatest difference of 8-bit channel values. */
  difference(first: string, second: string): { mean: number; max: number } {
    const a = snapshots.get(first)!;
    const b = snapshots.get(second)!;
    let sum = 0;
    let max = 0;
    for (let index = 0; index < a.length; index++) {
      const difference = Math.abs(a[index]! - b[index]!);
      sum += difference;
      max = Math.max(max, difference);
    }
    return { mean: sum / (a.length * 0.75), max }; // alpha never differs
  },

  /** Mean luma and the share of pixels darker and brighter than one can see detail in. */
  tones(name: string): { mean: number; black: number; white: number } {
    const pixels = snapshots.get(name)!;
    let [sum, black, white] = [0, 0, 0];
    for (let index = 0; index < pixels.length; index += 4) {
      const luma = 0.2126 * pixels[index]! + 0.7152 * pixels[index + 1]! + 0.0722 * pixels[index + 2]!;
      sum += luma;
      black += Number(luma < 4);
      white += Number(luma > 251);
    }
    const count = pixels.length / 4;
    return { mean: sum / count, black: black / count, white: white / count };
  },

  /** How long the bars are in a screenshot of this page, in CSS pixels: see `barLayout` for how it is measured. */
  async measureBars(pngBase64: string): Promise<number[]> {
    const bytes = Uint8Array.from(atob(pngBase64), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
    context.drawImage(image, 0, 0);
    const scale = image.width / canvas.clientWidth;
    return barLayout(canvas.clientWidth, canvas.clientHeight).map(({ left, right, baseline }) => {
      const foot = Math.floor(baseline * scale);
      const { data } = context.getImageData(Math.floor(((left + right) / 2) * scale), 0, 1, foot);
      let length = 0;
      for (let row = foot - 1; row >= 0; row--) {
        const [red, green, blue] = data.subarray(4 * row, 4 * row + 3);
        if (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! < LIT_LUMA) break;
        length++;
      }
      return length / scale;
    });
  },

  /**
   * A picture that flashes, as the limiter lets it through.
   *
   * @param frames at 60 a second: linear light, in stripes that repeat in every cell that the limiter watches
   * @param share of the picture's width that changes; the rest stays grey
   * @returns what a cell in the changing part and one in the rest look like in each frame
   */
  strobe(frames: Light[][], share: number): { changing: Seen; steady: Seen }[] {
    const [width, height, cell] = [160, 90, 20];
    let seconds = 0;
    let stripes: Light[] = [];
    const renderer = rendererFor(canvas);
    const fill = (light: Light) => {
      renderer.setClearColor(new Color(...light));
      renderer.clear();
    };
    const strobe = {
      create: () => ({
        resize: () => renderer.setSize(width, height, false),
        render() {
          renderer.setRenderTarget(null);
          fill([0.2, 0.2, 0.2]);
          renderer.setScissorTest(true);
          const stripe = cell / stripes.length;
          for (let x = 0; x < width * share; x += stripe) {
            renderer.setScissor(x, 0, stripe, height);
            fill(stripes[Math.round(x / stripe) % stripes.length]!);
          }
          renderer.setScissorTest(false);
        },
        dispose: () => undefined,
      }),
    } as unknown as VisualDefinition;
    const picture = createPicture(strobe, { canvas, seed: 1, calm: false }, () => seconds);
    picture.resize(width, height, 1);
    const gl = canvas.getContext("webgl2")!;
    const look = (x: number): Seen => {
      const pixels = new Uint8Array(4 * cell * height);
      gl.readPixels(x, 0, cell, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      const linear = Float64Array.from(pixels, (value) =>
        value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      const seen: Seen = { light: [0, 0, 0], excessOfRed: 0 };
      const n = cell * height;
      for (let i = 0; i < 4 * n; i += 4) {
        const [red, green, blue] = linear.subarray(i, i + 3) as unknown as Light;
        [red, green, blue].forEach((value, channel) => (seen.light[channel]! += value / n));
        seen.excessOfRed += Math.max(0, red - green - blue) / n;
      }
      return seen;
    };
    const seen = frames.map((frame, index) => {
      seconds = index / 60;
      stripes = frame;
      picture.render(frameAt(constant(new Array<number>(10).fill(0), seconds)));
      return { changing: look(0), steady: look(width - cell) };
    });
    picture.dispose();
    return seen;
  },

  /** Let the browser take the canvas's context away, and give it back. */
  async loseContext(): Promise<void> {
    const extension = canvas.getContext("webgl2")!.getExtension("WEBGL_lose_context")!;
    const event = (type: string): Promise<Event> =>
      new Promise((resolve) => canvas.addEventListener(type, resolve, { once: true }));
    const lost = event("webglcontextlost");
    extension.loseContext();
    await lost;
    await new Promise((resolve) => setTimeout(resolve)); // not before the event has been handled
    const restored = event("webglcontextrestored");
    extension.restoreContext();
    await restored;
  },

  /** What a visual throws on a canvas that cannot give it a WebGL 2 context. */
  errorWithoutWebGl(id: string): string {
    const taken = document.createElement("canvas");
    taken.getContext("2d");
    try {
      VISUALS.find((candidate) => candidate.id === id)!.create({ canvas: taken, seed: 1 });
    } catch (error) {
      return error instanceof Error ? error.name : "";
    }
    return "";
  },

  dispose(): void {
    visual!.dispose();
    visual = undefined;
  },

  /** GPU objects alive, by kind. */
  alive: (): Record<string, number> => Object.fromEntries(alive),

  /** Milliseconds that one frame takes, the GPU's work included. */
  frameMilliseconds(moments: Moment[]): number {
    const start = performance.now();
    for (const moment of moments) harness.render(moment);
    return (performance.now() - start) / moments.length;
  },
};

declare global {
  interface Window {
    harness: typeof harness;
  }
}
window.harness = harness;
