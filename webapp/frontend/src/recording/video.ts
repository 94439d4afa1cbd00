import type { AudioBufferSource, CanvasSource, Output } from "mediabunny";
import { WebGlUnavailableError, type VisualFrame } from "../visuals/visual";
import { RecordingError } from "./error";
import { soundQuality, videoQuality, type SoundFormat, type VideoFormat } from "./format";
import { loadMuxer, type Muxer } from "./muxer";
import { Pace } from "./pace";
import { OffscreenPicture, type CreateVisual } from "./picture";
import { estimatedBytes, FrameGrid, type PictureSize, type TimeRange } from "./plan";
import { SoundReader } from "./sound";
import { fileStore, MAX_MEMORY_BYTES, memoryStore, type Store } from "./store";

/** Sound goes ahead of the picture by this much: both lie close together in the file. */
const SOUND_AHEAD_SECONDS = 1;
const PROGRESS_MS = 100;

export interface VideoProgress {
  /** Never falls; 1 when the file is there. */
  readonly fraction: number;
  /** Null while it is too early to say. */
  readonly framesPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly bytes: number;
}

/** What a person chose. */
export interface VideoChoice {
  readonly size: PictureSize;
  readonly framesPerSecond: number;
  readonly range: TimeRange;
  /** From `chooseFormat`. */
  readonly format: VideoFormat;
  /** Where it is written while it grows; null: it is kept in memory. */
  readonly file: FileSystemFileHandle | null;
}

/** What is recorded. */
export interface VideoSubject {
  readonly create: CreateVisual;
  /** What the visual sees of the music at a moment of the track. Its arrays may be used again. */
  readonly frameAt: (seconds: number) => VisualFrame;
  /** The whole track. */
  readonly audio: AudioBuffer | null;
  readonly title: string | null;
  readonly artist: string | null;
}

export interface VideoWatch {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: VideoProgress) => void;
}

export interface VideoResult {
  /** The video; where a file was chosen, that file. */
  readonly blob: Blob;
  readonly nFrames: number;
}

/**
 * Draw a stretch of the track frame by frame and encode it with its sound, as fast as the device can.
 *
 * @throws DOMException AbortError (or the signal's reason) when it is aborted; then nothing of it is left
 * @throws RecordingError when it cannot be drawn, encoded or written
 * @throws WebGlUnavailableError when the browser gives no WebGL 2 context
 */
export async function recordVideo(
  subject: VideoSubject,
  choice: VideoChoice,
  watch: VideoWatch,
): Promise<VideoResult> {
  const { size, framesPerSecond, range, format, file } = choice;
  const grid = new FrameGrid(range, framesPerSecond);
  if (!file) checkMemory(estimatedBytes(size, framesPerSecond, grid.durationSeconds, format.sound !== null));
  watch.signal.throwIfAborted();
  const muxer = await loadMuxer();
  const store = file ? await fileStore(muxer, file) : memoryStore(muxer);
  const recording = new Recording(muxer, subject, choice, grid, store);
  try {
    await recording.run(watch);
    const blob = await store.finish(format.mimeType);
    watch.onProgress({ fraction: 1, framesPerSecond: null, secondsLeft: 0, bytes: blob.size });
    return { blob, nFrames: grid.count };
  } catch (error) {
    // What has failed may fail again while it is cleared away; the first failure is the one to tell.
    await Promise.allSettled([recording.cancel()]);
    await Promise.allSettled([store.discard()]);
    watch.signal.throwIfAborted();
    throw explain(error);
  }
}

class Recording {
  readonly #muxer: Muxer;
  readonly #subject: VideoSubject;
  readonly #choice: VideoChoice;
  readonly #grid: FrameGrid;
  readonly #output: Output;
  #encodedBytes = 0;

  constructor(
    muxer: Muxer,
    subject: VideoSubject,
    choice: VideoChoice,
    grid: FrameGrid,
    { target }: Pick<Store, "target">,
  ) {
    this.#muxer = muxer;
    this.#subject = subject;
    this.#choice = choice;
    this.#grid = grid;
    const { extension } = choice.format;
    const format = extension === "mp4" ? new muxer.Mp4OutputFormat() : new muxer.WebMOutputFormat();
    this.#output = new muxer.Output({ format, target });
  }

  async run(watch: VideoWatch): Promise<void> {
    const picture = new OffscreenPicture(this.#subject.create, this.#choice.size);
    try {
      await this.#encode(picture, watch);
    } finally {
      picture.dispose();
    }
  }

  async cancel(): Promise<void> {
    await this.#output.cancel();
  }

  async #encode(picture: OffscreenPicture, { signal, onProgress }: VideoWatch): Promise<void> {
    const { frameAt, title, artist } = this.#subject;
    const { framesPerSecond } = this.#choice;
    const grid = this.#grid;
    const output = this.#output;
    const video = this.#videoSource(picture);
    output.addVideoTrack(video, { frameRate: framesPerSecond });
    const sound = this.#soundReader();
    const audio = sound && this.#soundSource();
    if (audio) output.addAudioTrack(audio);
    output.setMetadataTags({ ...(title !== null && { title }), ...(artist !== null && { artist }) });
    await output.start();

    const pace = new Pace(grid.count, performance.now());
    let toldMs = -Infinity;
    for (let frame = 0; frame < grid.count; frame++) {
      signal.throwIfAborted();
      const start = grid.startSeconds(frame);
      const piece =
        sound && (frame % framesPerSecond === 0 ? sound.readUntil(start + SOUND_AHEAD_SECONDS) : null);
      if (piece) await audio?.add(piece);
      picture.draw(frameAt(grid.momentSeconds(frame)));
      await video.add(start, 1 / framesPerSecond);
      if (!this.#choice.file) checkMemory(this.#encodedBytes);
      const nowMs = performance.now();
      pace.advance(frame + 1, nowMs);
      if (nowMs - toldMs >= PROGRESS_MS) {
        toldMs = nowMs;
        onProgress({
          // Putting the file together comes last and takes its time.
          fraction: (0.99 * (frame + 1)) / grid.count,
          framesPerSecond: pace.perSecond,
          secondsLeft: pace.secondsLeft,
          bytes: this.#encodedBytes,
        });
      }
      await nextTask();
    }
    signal.throwIfAborted();
    await output.finalize();
    signal.throwIfAborted();
  }

  #videoSource({ canvas }: OffscreenPicture): CanvasSource {
    const { size, framesPerSecond, format } = this.#choice;
    return new this.#muxer.CanvasSource(canvas, {
      codec: format.videoCodec,
      quality: videoQuality(this.#muxer, size, framesPerSecond),
      onEncodedPacket: ({ byteLength }) => (this.#encodedBytes += byteLength),
    });
  }

  #soundReader(): SoundReader | null {
    const { audio } = this.#subject;
    if (!audio || !this.#choice.format.sound) return null;
    const reader = new SoundReader(audio, this.#choice.range.fromSeconds, this.#grid.durationSeconds);
    return reader.nSamples > 0 ? reader : null;
  }

  #soundSource(): AudioBufferSource | null {
    const { sound } = this.#choice.format;
    const { audio } = this.#subject;
    if (!sound || !audio) return null;
    return new this.#muxer.AudioBufferSource({
      codec: sound.codec,
      quality: soundQuality(this.#muxer),
      ...(needsTransform(sound, audio) && {
        transform: { sampleRate: sound.sampleRateHz, numberOfChannels: sound.nChannels },
      }),
      onEncodedPacket: ({ byteLength }) => (this.#encodedBytes += byteLength),
    });
  }
}

function needsTransform({ sampleRateHz, nChannels }: SoundFormat, audio: AudioBuffer): boolean {
  return sampleRateHz !== audio.sampleRate || nChannels !== audio.numberOfChannels;
}

function checkMemory(bytes: number): void {
  if (bytes <= MAX_MEMORY_BYTES) return;
  const megabytes = (value: number) => Math.round(value / 1e6);
  throw new RecordingError(
    "too-large",
    `The video would have ${megabytes(bytes)} MB, and this browser keeps all of it in memory, which goes up to ` +
      `${megabytes(MAX_MEMORY_BYTES)} MB here. Choose a shorter part or a smaller picture, or use Chrome or Edge, ` +
      "which write to the disk.",
  );
}

function explain(error: unknown): unknown {
  if (error instanceof RecordingError || error instanceof WebGlUnavailableError) return error;
  const detail = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
  return new RecordingError(
    "encoder",
    `The browser's encoder gave up (${detail}). Choose a smaller picture or fewer frames per second.`,
    { cause: error },
  );
}

/** Let the page answer to people. Timers would do, but hidden tabs get those once a second. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
