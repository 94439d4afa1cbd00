/** The page's states and the small rules between them. */

/** What embedding pages and tests read from `data-state`. */
export type Phase = "welcome" | "loading" | "ready" | "playing" | "paused" | "error";

/** Everything that the phase depends on. */
export interface Situation {
  readonly hasTrack: boolean;
  /** A track is being read, decoded or analysed up to its first moment. */
  readonly opening: boolean;
  /** The last thing that was opened could not be played. */
  readonly failed: boolean;
  /** The person wants music; it may still have to wait. */
  readonly playing: boolean;
  /** Playback has caught up with the analysis. */
  readonly waiting: boolean;
  /** The track has been heard at least once. */
  readonly started: boolean;
  /** The page listens to something that goes on. */
  readonly live: boolean;
}

export function phaseOf(situation: Situation): Phase {
  if (situation.live) return "playing";
  if (situation.opening || (situation.playing && situation.waiting)) return "loading";
  if (situation.playing) return "playing";
  if (situation.hasTrack) return situation.started ? "paused" : "ready";
  return situation.failed ? "error" : "welcome";
}

export interface TrackInfo {
  readonly title: string;
  /** Who made it, where we know. */
  readonly artist: string | null;
  readonly durationSeconds: number;
}

export function pageTitle(track: TrackInfo | null): string {
  const page = "tfdeepviz playground";
  if (!track) return page;
  return `${track.artist ? `${track.title} – ${track.artist}` : track.title} · ${page}`;
}
