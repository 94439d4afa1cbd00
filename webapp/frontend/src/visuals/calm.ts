/** What a calm picture sees of the music: all that drives it, weakened, so that no visual has to know. */
import { mix } from "./curves";
import type { VisualFrame } from "./visual";

/** Share of the music's pace and pulse that remains. Pulses this weak throw no bolt (storm-lightning.ts). */
const PACE = 0.25;
/** Share of its distance from its recent average that a parameter keeps. */
const REACH = 0.3;
/** The recent average is over so many values, so far apart. */
const AVERAGED = 8;
const STEP_SECONDS = 0.4;

/** A frame of music for people whom motion disturbs. */
export function calmFrame(frame: VisualFrame): VisualFrame {
  const average = new Float32Array(frame.parameters.length);
  const earlier = new Float32Array(frame.parameters.length);
  for (let step = 0; step < AVERAGED; step++) {
    frame.recall(Math.max(0, frame.timeSeconds - step * STEP_SECONDS), earlier);
    earlier.forEach((value, index) => (average[index] = (average[index] ?? 0) + value / AVERAGED));
  }
  const weaken = (value: number, index: number): number => mix(average[index] ?? value, value, REACH);
  return {
    timeSeconds: frame.timeSeconds,
    musicSeconds: PACE * frame.musicSeconds,
    pulse: PACE * frame.pulse,
    parameters: Array.from(frame.parameters, weaken),
    travel: Array.from(frame.travel, (distance) => PACE * distance),
    recall(timeSeconds, out) {
      frame.recall(timeSeconds, out);
      out.forEach((value, index) => (out[index] = weaken(value, index)));
    },
    pulseAt: (timeSeconds) => PACE * frame.pulseAt(timeSeconds),
    musicSecondsAt: (timeSeconds) => PACE * frame.musicSecondsAt(timeSeconds),
  };
}
