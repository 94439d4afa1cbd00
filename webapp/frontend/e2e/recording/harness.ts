/** The page on which recording.spec.ts makes recordings and looks into them. */
import { ALL_FORMATS, AudioSampleSink, BlobSource, Input, VideoSampleSink } from "mediabunny";
import { takeStill } from "../../src/recording/still";
import { chooseFormat } from "../../src/recording/format";
import type { CreateVisual } from "../../src/recording/picture";
import { recordVideo, type VideoChoice, type VideoProgress } from "../../src/recording/video";
import { VISUALS } from "../../src/visuals";
import { createPicture } from "../../src/visuals/picture";
import { rendererFor } from "../../src/visuals/renderer";
import type { VisualFrame } from "../../src/visuals/visual";
import { frameAt as musicAt, music } from "../visuals/frames";

/** In the track, tone and light begin here. */
const STEP_SECONDS = 1.5;
export const TRACK_SECONDS = 4;

/** As bright as its first parameter. */
export const lamp: CreateVisual = (canvas) => {
  const renderer = rendererFor(canvas);
  return {
    resize: (width, height) => renderer.setSize(width, height, false),
    render(frame) {
      const gl = renderer.getContext();
      const light = frame.parameters[0] ?? 0;
      gl.clearColor(light, light, light, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
    },
    dispose: () => undefined,
  };
};

const real =
  (id: string): CreateVisual =>
  (canvas, now) =>
    createPicture(
      VISUALS.find((visual) => visual.id === id)!,
      { canvas, seed: 1, calm: false },
      now,
    );

export const lampAt = (seconds: number): VisualFrame => ({
  ...musicAt(music(seconds)),
  parameters: new Array<number>(10).fill(seconds < STEP_SECONDS ? 0.1 : 0.9),
});

export function tone(sampleRate: number, numberOfChannels: number): AudioBuffer {
  const audio = new AudioBuffer({ length: TRACK_SECONDS * sampleRate, numberOfChannels, sampleRate });
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    for (let i = STEP_SECONDS * sampleRate; i < samples.length; i++) {
      samples[i] = 0.5 * Math.sin((2 * Math.PI * 880 * i) / sampleRate);
    }
  }
  return audio;
}

export interface Order {
  /** A visual of the playground; else the lamp. */
  readonly id?: string;
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Null: no sound. */
  readonly sampleRate: number | null;
  readonly channels?: number;
  /** Name of a file in the page's own file system; else memory. */
  readonly file?: string;
  /** H.264 in MP4, whatever this browser would rather have. */
  readonly mp4?: true;
  /** Cancel once so much is done. */
  readonly cancelAt?: number;
}

interface Outcome {
  readonly error: string | null;
  readonly progress: readonly VideoProgress[];
  readonly longestTaskMs: number;
  readonly seen: Seen | null;
}

interface Seen {
  readonly mimeType: string;
  readonly bytes: number;
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  /** Timestamp and mean luma of every frame. */
  readonly frames: readonly (readonly [seconds: number, luma: number])[];
  readonly sound: {
    readonly channels: number;
    readonly sampleRate: number;
    readonly durationSeconds: number;
    /** When it becomes loud; null: never. */
    readonly startsSeconds: number | null;
  } | null;
  readonly title: string | undefined;
}

async function look(blob: Blob): Promise<Seen> {
  const input = new Input({ formats: ALL_FORMATS, source: new BlobSource(blob) });
  const video = (await input.getPrimaryVideoTrack())!;
  const audio = await input.getPrimaryAudioTrack();
  const frames: [number, number][] = [];
  const context = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true })!;
  for await (const sample of new VideoSampleSink(video).samples()) {
    sample.draw(context, 0, 0, 8, 8);
    const { data } = context.getImageData(0, 0, 8, 8);
    let luma = 0;
    for (let i = 0; i < data.length; i += 4) {
      luma += (0.2126 * data[i]! + 0.7152 * data[i + 1]! + 0.0722 * data[i + 2]!) / 64;
    }
    frames.push([sample.timestamp, luma]);
    sample.close();
  }
  let sound: Seen["sound"] = null;
  if (audio) {
    let startsSeconds: number | null = null;
    for await (const sample of new AudioSampleSink(audio).samples()) {
      const samples = new Float32Array(sample.numberOfFrames);
      sample.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const loud = samples.findIndex((value) => Math.abs(value) > 0.2);
      if (startsSeconds === null && loud >= 0) startsSeconds = sample.timestamp + loud / sample.sampleRate;
      sample.close();
    }
    sound = {
      channels: await audio.getNumberOfChannels(),
      sampleRate: await audio.getSampleRate(),
      durationSeconds: await audio.computeDuration(),
      startsSeconds,
    };
  }
  const seen = {
    mimeType: blob.type,
    bytes: blob.size,
    durationSeconds: await video.computeDuration(),
    width: await video.getDisplayWidth(),
    height: await video.getDisplayHeight(),
    frames,
    sound,
    title: (await input.getMetadataTags()).title,
  };
  input.dispose();
  return seen;
}

interface Still {
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly difference: number;
}

export const harness = {
  stepSeconds: STEP_SECONDS,

  async record(order: Order): Promise<Outcome> {
    const { framesPerSecond, sampleRate, channels = 2 } = order;
    const audio = sampleRate === null ? null : tone(sampleRate, channels);
    const size = { width: order.width, height: order.height };
    const progress: VideoProgress[] = [];
    const abort = new AbortController();
    const folder = await navigator.storage.getDirectory();
    let longestTaskMs = 0;
    let beatMs = performance.now();
    const pulse = setInterval(() => {
      longestTaskMs = Math.max(longestTaskMs, performance.now() - beatMs);
      beatMs = performance.now();
    }, 10);
    try {
      const choice: VideoChoice = {
        size,
        framesPerSecond,
        range: order,
        format: {
          ...(await chooseFormat({ size, framesPerSecond, audio })),
          ...(order.mp4 && { extension: "mp4", mimeType: "video/mp4", videoCodec: "avc" }),
        },
        file: order.file === undefined ? null : await folder.getFileHandle(order.file, { create: true }),
      };
      const { blob } = await recordVideo(
        {
          create: order.id === undefined ? lamp : real(order.id),
          frameAt: order.id === undefined ? lampAt : (seconds) => musicAt(music(seconds)),
          audio,
          title: "Step",
          artist: null,
        },
        choice,
        {
          signal: abort.signal,
          onProgress: (now) => {
            progress.push(now);
            if (order.cancelAt !== undefined && now.fraction >= order.cancelAt) abort.abort();
          },
        },
      );
      return { error: null, progress, longestTaskMs, seen: await look(blob) };
    } catch (error) {
      return {
        error: error instanceof Error ? error.name : String(error),
        progress,
        longestTaskMs,
        seen: null,
      };
    } finally {
      clearInterval(pulse);
    }
  },

  /** Names and sizes of the files in the page's own file system. */
  async files(): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    const folder = await navigator.storage.getDirectory();
    // TypeScript's list of the browser's objects lacks the loop over a folder.
    const entries = folder as unknown as AsyncIterable<[string, FileSystemFileHandle]>;
    for await (const [name, handle] of entries) {
      try {
        found[name] = (await handle.getFile()).size;
      } catch (error) {
        // Removed while we look.
        if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
      }
    }
    return found;
  },

  async write(name: string, text: string): Promise<void> {
    const folder = await navigator.storage.getDirectory();
    const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await stream.write(text);
    await stream.close();
  },

  /** A picture's type and size, and how much it differs from one of another moment. */
  async still(id: string, width: number, height: number): Promise<Still> {
    const shots = await Promise.all(
      [4, 90].map((seconds) =>
        takeStill({ create: real(id), frame: musicAt(music(seconds)), size: { width, height } }),
      ),
    );
    const pixels = await Promise.all(
      shots.map(async (blob) => {
        const image = await createImageBitmap(blob);
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height);
      }),
    );
    const [first, second] = pixels;
    let difference = 0;
    first!.data.forEach((value, i) => (difference += Math.abs(value - second!.data[i]!)));
    return {
      type: shots[0]!.type,
      width: first!.width,
      height: first!.height,
      difference: difference / first!.data.length,
    };
  },

  /** The name of the error that says that a size is too large to draw. */
  async tooLarge(): Promise<string> {
    try {
      await takeStill({ create: lamp, frame: lampAt(0), size: { width: 100_000, height: 100_000 } });
      return "";
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  },
};

declare global {
  interface Window {
    recordings: typeof harness;
  }
}
window.recordings = harness;
