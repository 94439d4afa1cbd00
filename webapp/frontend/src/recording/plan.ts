/** What a recording is made of, in numbers: sizes, frames, bits, names. */

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** A stretch of the track. */
export interface TimeRange {
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

export const FRAME_RATES = [30, 60] as const;
export type FrameRate = (typeof FRAME_RATES)[number];

/** Encoders and graphics memory of few devices take more. */
const MAX_SIDE = 4096;
const MIN_SIDE = 16;

/** Bits for each pixel and second at 30 frames per second: what video platforms ask for at 1080p. */
const BITS_PER_PIXEL = 4;
/** Twice the frames need less than twice the bits, because neighbours are more alike. */
const FRAME_RATE_EXPONENT = 0.585;
const MIN_VIDEO_BITS_PER_SECOND = 2_000_000;
const MAX_VIDEO_BITS_PER_SECOND = 80_000_000;
export const AUDIO_BITS_PER_SECOND = 192_000;

/** The nearest size that every encoder takes: even sides, the proportions kept. */
export function encodableSize({ width, height }: PictureSize): PictureSize {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height, 1));
  const even = (side: number) => Math.max(MIN_SIDE, 2 * Math.round((side * scale) / 2));
  return { width: even(width), height: even(height) };
}

/** What is left of a range in a track of that length; at least one frame's worth is the caller's to ask for. */
export function rangeWithin({ fromSeconds, toSeconds }: TimeRange, durationSeconds: number): TimeRange {
  const from = Math.min(Math.max(0, fromSeconds), durationSeconds);
  return { fromSeconds: from, toSeconds: Math.min(Math.max(from, toSeconds), durationSeconds) };
}

/** A range in frames. Every frame shows the middle of the time for which it stands. */
export class FrameGrid {
  readonly count: number;
  readonly durationSeconds: number;
  readonly #fromSeconds: number;
  readonly #framesPerSecond: number;

  constructor({ fromSeconds, toSeconds }: TimeRange, framesPerSecond: number) {
    this.count = Math.max(1, Math.round((toSeconds - fromSeconds) * framesPerSecond));
    this.durationSeconds = this.count / framesPerSecond;
    this.#fromSeconds = fromSeconds;
    this.#framesPerSecond = framesPerSecond;
  }

  /** When a frame appears, from the video's start. */
  startSeconds(frame: number): number {
    return frame / this.#framesPerSecond;
  }

  /** Which moment of the track it shows. */
  momentSeconds(frame: number): number {
    return this.#fromSeconds + (frame + 0.5) / this.#framesPerSecond;
  }
}

export function videoBitsPerSecond({ width, height }: PictureSize, framesPerSecond: number): number {
  const bits = BITS_PER_PIXEL * width * height * (framesPerSecond / 30) ** FRAME_RATE_EXPONENT;
  return Math.round(Math.min(MAX_VIDEO_BITS_PER_SECOND, Math.max(MIN_VIDEO_BITS_PER_SECOND, bits)));
}

/** How large the file will be, about. */
export function estimatedBytes(
  size: PictureSize,
  framesPerSecond: number,
  seconds: number,
  withSound: boolean,
): number {
  const sound = withSound ? AUDIO_BITS_PER_SECOND : 0;
  return ((videoBitsPerSecond(size, framesPerSecond) + sound) * seconds) / 8;
}

const MAX_NAME_LENGTH = 120;

/** A file name that every system takes: `Artist - Title (Visual).mp4`. */
export function fileName(parts: FileNameParts, extension: string): string {
  const { artist, title, visual } = parts;
  const song = [artist, title].filter((part) => part !== null && part !== "").join(" - ");
  const name = clean(song === "" ? visual : `${song} (${visual})`);
  return `${name === "" ? "tfdeepviz" : name}.${extension}`;
}

export interface FileNameParts {
  readonly artist: string | null;
  readonly title: string | null;
  readonly visual: string;
}

function clean(text: string): string {
  const allowed = text
    .normalize("NFC")
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}<>:"/\\|?*]+/gu, " ")
    .replace(/\s+/gu, " ")
    .trim();
  const short = Array.from(allowed).slice(0, MAX_NAME_LENGTH).join(""); // by characters, of which none is cut in two
  // Dots at either end hide a file or are lost, and Windows keeps some names to itself.
  const bare = short.replace(/^[. ]+|[. ]+$/g, "");
  return /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(bare) ? `${bare}_` : bare;
}
