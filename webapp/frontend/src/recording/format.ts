import type { Quality } from "mediabunny";
import { RecordingError } from "./error";
import { loadMuxer, type Muxer } from "./muxer";
import { AUDIO_BITS_PER_SECOND, videoBitsPerSecond, type PictureSize } from "./plan";

export interface SoundFormat {
  readonly codec: "aac" | "opus";
  readonly sampleRateHz: number;
  readonly nChannels: number;
}

/** How a video is encoded and kept. */
export interface VideoFormat {
  readonly extension: "mp4" | "webm";
  readonly mimeType: "video/mp4" | "video/webm";
  readonly videoCodec: "avc" | "vp9" | "vp8";
  /** Null: the browser cannot encode sound, or there is none. */
  readonly sound: SoundFormat | null;
}

export interface FormatOptions {
  readonly size: PictureSize;
  readonly framesPerSecond: number;
  /** Null: a video without sound. */
  readonly audio: Pick<AudioBuffer, "sampleRate" | "numberOfChannels"> | null;
}

interface Candidate extends Pick<VideoFormat, "extension" | "videoCodec"> {
  readonly soundCodec: SoundFormat["codec"];
}

/** What plays in most places first. */
const CANDIDATES: readonly Candidate[] = [
  { extension: "mp4", videoCodec: "avc", soundCodec: "aac" },
  { extension: "webm", videoCodec: "vp9", soundCodec: "opus" },
  { extension: "webm", videoCodec: "vp8", soundCodec: "opus" },
  { extension: "mp4", videoCodec: "avc", soundCodec: "opus" },
];

/** A rate that every encoder of sound takes. */
const COMMON_SAMPLE_RATE_HZ = 48_000;
const MAX_CHANNELS = 2;

/** Whether videos can be made here at all; pictures always can. */
export function canRecordVideo(): boolean {
  return typeof VideoEncoder === "function";
}

/**
 * The best format that this browser can encode.
 *
 * @throws RecordingError when there is none
 */
export async function chooseFormat(options: FormatOptions): Promise<VideoFormat> {
  if (!canRecordVideo()) {
    throw new RecordingError(
      "unsupported",
      "This browser cannot encode videos. Chrome and Edge can, Firefox from 130 and Safari from 16.4 " +
        "(with sound from 26); pictures can be saved here.",
    );
  }
  const muxer = await loadMuxer();
  const { size, framesPerSecond, audio } = options;
  const encodable = async ({ videoCodec }: Candidate) =>
    muxer.canEncodeVideo(videoCodec, {
      ...size,
      frameRate: framesPerSecond,
      quality: videoQuality(muxer, size, framesPerSecond),
    });
  const drawable: Candidate[] = [];
  for (const candidate of CANDIDATES) if (await encodable(candidate)) drawable.push(candidate);
  for (const candidate of drawable) {
    const sound = audio && (await soundFormat(muxer, candidate.soundCodec, audio));
    if (sound || !audio) return format(candidate, sound);
  }
  const [silent] = drawable;
  if (silent) return format(silent, null);
  throw new RecordingError(
    "too-large",
    `This browser cannot encode ${size.width} x ${size.height} pixels at ${framesPerSecond} frames per second. ` +
      "Choose a smaller picture or fewer frames.",
  );
}

export function videoQuality(muxer: Muxer, size: PictureSize, framesPerSecond: number): Quality {
  return new muxer.Quality({ bitrate: videoBitsPerSecond(size, framesPerSecond), bitrateMode: "variable" });
}

export function soundQuality(muxer: Muxer): Quality {
  return new muxer.Quality({ bitrate: AUDIO_BITS_PER_SECOND });
}

function format({ extension, videoCodec }: Candidate, sound: SoundFormat | null): VideoFormat {
  return { extension, mimeType: `video/${extension}`, videoCodec, sound };
}

async function soundFormat(
  muxer: Muxer,
  codec: SoundFormat["codec"],
  { sampleRate, numberOfChannels }: Pick<AudioBuffer, "sampleRate" | "numberOfChannels">,
): Promise<SoundFormat | null> {
  const nChannels = Math.min(MAX_CHANNELS, numberOfChannels);
  for (const sampleRateHz of [sampleRate, COMMON_SAMPLE_RATE_HZ]) {
    const options = { numberOfChannels: nChannels, sampleRate: sampleRateHz, quality: soundQuality(muxer) };
    if (await muxer.canEncodeAudio(codec, options)) return { codec, sampleRateHz, nChannels };
  }
  return null;
}
