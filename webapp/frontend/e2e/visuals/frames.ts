import type { VisualFrame } from "../../src/visuals/visual";

/** Something that a visual can be shown, as plain data that crosses into the page. */
export type Moment =
  /** Every parameter has stood where it is since the start. */
  | { readonly timeSeconds: number; readonly constant: readonly number[] }
  /** Parameters that move like smoothed music: each by itself, none faster than a few per second. */
  | { readonly timeSeconds: number; readonly constant?: never };

export const PARAMETERS = 10;

/** Of music, which sounds at 100 beats a minute; what stands still has none. */
const BEAT_SECONDS = 0.6;

export function constant(parameters: readonly number[], timeSeconds: number): Moment {
  return { timeSeconds, constant: parameters };
}

export function music(timeSeconds: number): Moment {
  return { timeSeconds };
}

export function frameAt({ timeSeconds, constant }: Moment): VisualFrame {
  const each = (value: (index: number) => number): number[] =>
    Array.from({ length: PARAMETERS }, (_, index) => value(index));
  const pulseAt = (seconds: number): number => (constant ? 0 : Math.max(0, 1 - 2 * (seconds % BEAT_SECONDS)));
  const at = (seconds: number): number[] => each((i) => constant?.[i] ?? musicAt(i, seconds));
  return {
    timeSeconds,
    musicSeconds: timeSeconds,
    pulse: pulseAt(timeSeconds),
    parameters: at(timeSeconds),
    travel: each((i) => {
      const standing = constant?.[i];
      return standing === undefined ? musicTravel(i, timeSeconds) : standing * timeSeconds;
    }),
    recall: (seconds, out) => out.set(at(seconds)),
    pulseAt,
  };
}

const pace = (index: number): number => 0.9 + 0.37 * index;

function musicAt(index: number, seconds: number): number {
  return 0.5 + 0.4 * Math.sin(pace(index) * seconds + index);
}

function musicTravel(index: number, seconds: number): number {
  return 0.5 * seconds + (0.4 / pace(index)) * (Math.cos(index) - Math.cos(pace(index) * seconds + index));
}
