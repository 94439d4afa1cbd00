import { mix } from "./curves";
import type { VisualFrame, VisualParameter } from "./visual";

/** What a calm picture sees of the music: all that drives it, weakened, so that no picture needs to know. */

/** Musical time passes so fast, and pulses are so strong, as a share of the music's: too weak for a bolt of lightning. */
const PACE = 0.25;
/** What moves goes so far from rest, as a share of the music's. */
const REACH = 0.3;

/** A frame of music, weakened for people whom motion disturbs. */
export function calmFrame(frame: VisualFrame, declared: readonly VisualParameter[]): VisualFrame {
  const weaken = (index: number, value: number, rest: number): number =>
    declared[index]?.moves === true ? mix(rest, value, REACH) : value;
  const restOf = (index: number): number => declared[index]?.rest ?? 0;
  return {
    timeSeconds: frame.timeSeconds,
    musicSeconds: PACE * frame.musicSeconds,
    pulse: PACE * frame.pulse,
    parameters: Array.from(frame.parameters, (value, index) => weaken(index, value, restOf(index))),
    travel: Array.from(
      frame.travel,
      (value, index) => PACE * weaken(index, value, restOf(index) * frame.musicSeconds),
    ),
    recall(timeSeconds, out) {
      frame.recall(timeSeconds, out);
      out.forEach((value, index) => (out[index] = weaken(index, value, restOf(index))));
    },
    pulseAt: (timeSeconds) => PACE * frame.pulseAt(timeSeconds),
    musicSecondsAt: (timeSeconds) => PACE * frame.musicSecondsAt(timeSeconds),
  };
}
