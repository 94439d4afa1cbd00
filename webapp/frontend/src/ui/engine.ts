import type { AnalysisClient } from "../analysis/client";
import type { DecodedTrack, DecodeOptions } from "../analysis/decode";
import type { Registry } from "../bundle";
import type { LiveInputKind } from "../live/live-input-error";
import type { LiveOptions, LiveSession } from "../live/live-session";
import type { DemoTrack } from "./sources";

/** What the page needs of a loaded model. */
export type Analyst = Pick<
  AnalysisClient,
  "bundle" | "backend" | "analyze" | "focus" | "encode" | "peakDb" | "dispose"
>;

/** Everything that the page asks of the outside; tests hand in their own. */
export interface Services {
  loadRegistry(): Promise<Registry>;
  startAnalyst(
    bundleUrl: string,
    onProgress: (fraction: number, what: string) => void,
    signal: AbortSignal,
  ): Promise<Analyst>;
  decode(data: ArrayBuffer | File, options: DecodeOptions): Promise<DecodedTrack>;
  fetchDemoTracks(): Promise<readonly DemoTrack[]>;
  /** Listen to something that goes on, unless the signal comes first; right after a press on something. */
  startLive(kind: LiveInputKind, options: LiveOptions, signal: AbortSignal): Promise<LiveSession>;
  readonly player: Player;
}

/** What the page needs of `AudioPlayer`. */
export interface Player {
  readonly playing: boolean;
  readonly positionSeconds: number;
  readonly durationSeconds: number;
  readonly sampleRateHz: number;
  warmUp(): void;
  load(buffer: AudioBuffer): void;
  play(): Promise<boolean>;
  pause(): void;
  seek(seconds: number): void;
  setVolume(volume: number): void;
  /** @param seconds how much later the sound is heard than the browser knows */
  setDelay(seconds: number): void;
}
