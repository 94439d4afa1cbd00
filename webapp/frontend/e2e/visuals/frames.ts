import type { VisualFrame } from "../../src/visuals/visual";

/** Something that a visual can be shown, as plain data that crosses into the page. */
export type Moment =
  /** Every parameter has stood where it is since the start; in silence, musical time does, too, from a moment on. */
  | { readonly timeSeconds: number; readonly constant: readonly number[]; readonly silentFrom?: number }
  /** Parameters that move like smoothed music: each by itself, none faster than a few per second. */
  | { readonly timeSeconds: number; readonly constant?: never; readonly silentFrom?: never };

export const PARAMETERS = 10;

/** Of music, which sounds at 100 beats a minute; what stands still has none. */
const BEAT_SECONDS = 0.6;

export function constant(
  parameters: readonly number[],
  timeSeconds: number,
  silentFrom = Number.POSITIVE_INFINITY,
): Moment {
  return { timeSeconds, constant: parameters, silentFrom };
}

export function music(timeSeconds: number): Moment {
  return { timeSeconds };
}

export function frameAt({
  timeSeconds,
  constant,
  silentFrom = Number.POSITIVE_INFINITY,
}: Moment): VisualFrame {
  const each = (value: (index: number) => number): number[] =>
    Array.from({ length: PARAMETERS }, (_, index) => value(index));
  const pulseAt = (seconds: number): number => (constant ? 0 : Math.max(0, 1 - 2 * (seconds % BEAT_SECONDS)));
  const musicSecondsAt = (seconds: number): number => Math.min(seconds, silentFrom);
  const at = (seconds: number): number[] => each((i) => constant?.[i] ?? musicAt(i, seconds));
  return {
    timeSeconds,
    musicSeconds: musicSecondsAt(timeSeconds),
    pulse: pulseAt(timeSeconds),
    parameters: at(timeSeconds),
    travel: each((i) => {
      const standing = constant?.[i];
      return standing === undefined ? musicTravel(i, timeSeconds) : standing * musicSecondsAt(timeSeconds);
    }),
    recall: (seconds, out) => out.set(at(seconds)),
    pulseAt,
    musicSecondsAt,
  };
}

const pace = (index: number): number => 0.9 + 0.37 * index;

function musicAt(index: number, seconds: number): number {
  return 0.5 + 0.4 * Math.sin(pace(index) * seconds + index);
}

function musicTravel(index: number, seconds: number): number {
  return 0.5 * seconds + (0.4 / pace(index)) * (Math.cos(index) - Math.cos(pace(index) * seconds + index));
}
