import type { VisualDefinition, VisualFrame } from "../visuals/visual";

/** How far and how fast the picture breathes while there is no music. */
const DEPTH = 0.05;
const PERIOD_SECONDS = 9;

/** What a visual shows without music: its rest, breathing slowly, each parameter a little after the one before. */
export function idleFrame(definition: VisualDefinition, seconds: number): VisualFrame {
  const omega = (2 * Math.PI) / PERIOD_SECONDS;
  const n = definition.parameters.length;
  const phase = (i: number) => (2 * Math.PI * i) / n;
  const at = (time: number) =>
    definition.parameters.map(({ rest }, i) =>
      Math.min(1, Math.max(0, rest + DEPTH * Math.sin(omega * time + phase(i)))),
    );
  return {
    timeSeconds: seconds,
    musicSeconds: seconds,
    pulse: 0,
    parameters: at(seconds),
    // The integral of the above where nothing is clipped.
    travel: definition.parameters.map(
      ({ rest }, i) =>
        rest * seconds + (DEPTH / omega) * (Math.cos(phase(i)) - Math.cos(omega * seconds + phase(i))),
    ),
    recall: (time, out) => out.set(at(time)),
    pulseAt: () => 0,
    musicSecondsAt: (time) => time,
  };
}
